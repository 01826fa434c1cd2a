package csvlabels_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/labels/csvlabels"
)

// FuzzOpen opens any content. What can be read must come back when it is written anew.
func FuzzOpen(f *testing.F) {
	for _, content := range []string{
		"", header, header + "p-1,yes,,2025-06-01T12:00:00Z,2025-06-02T03:00:00Z\n",
		header + "p-1,,-0,2025-06-01T12:00:00.000001+09:30,2025-06-02T03:00:00.1+09:30\r\n",
		header + "\"p-1\",\"a \"\"b\"\",\r\nc\",\"\",\"2025-06-01T12:00:00Z\",\"2025-06-02T03:00:00Z\"\n", header + "p-1,\"a\n", header + "a\"b\n\",,,,\n",
		header + "p-1,,5e-324,0001-01-01T00:00:00.000001Z,0001-01-01T00:00:00.000001Z\np-1,,0x1p-2,9999-12-31T23:59:59.999999Z,2025-06-02T03:00:00Z\n",
		header + "\n\r\n,,,,\n", header + "p-1,,1,9999-12-31T23:59:59.999999-01:00,9999-12-31T23:59:59.999999-01:00\n",
		header + "p-1,yes,,2025-06-01T12:00:00Z,2025-06-02T03:00:00Z\np-1,yes,,2025-06-01T12:00:00Z,1999-06-02T03:00:00Z\n",
	} {
		f.Add([]byte(content))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, "labels.csv")
		require.NoError(t, os.WriteFile(path, content, 0o644))
		s, err := csvlabels.Open(path, csvlabels.Config{NoSync: true})
		if err != nil {
			var cell *csvlabels.CellError
			require.ErrorAs(t, err, &cell)
			return
		}
		defer s.Close()
		read := history(t, s)
		for _, l := range read {
			require.NoError(t, l.Check())
		}
		again, err := csvlabels.Open(filepath.Join(dir, "again.csv"), csvlabels.Config{NoSync: true})
		require.NoError(t, err)
		defer again.Close()
		require.NoError(t, again.Append(t.Context(), read...))
		require.Equal(t, new(labels.Index).Fresh(read...), history(t, again))
	})
}
