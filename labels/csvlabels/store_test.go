package csvlabels_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/labels/csvlabels"
	"github.com/selfheal-ml/selfheal/labels/labelstest"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
)

const header = "prediction_id,class,value,time,arrived\n"

var noon = time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)

// arrived is when the labels of files that the tests write arrived.
var arrived = time.Date(2025, 6, 2, 3, 0, 0, 0, time.UTC)

func yes(predictionID string) labels.Label {
	return labels.Label{PredictionID: predictionID, Class: "yes", Time: noon, Arrived: arrived}
}

// open opens a store that is closed with the test.
func open(tb testing.TB, path string, cfg csvlabels.Config) *csvlabels.Store {
	tb.Helper()
	s, err := csvlabels.Open(path, cfg)
	require.NoError(tb, err)
	tb.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			tb.Error(err)
		}
	})
	return s
}

// history returns all that the store holds.
func history(tb testing.TB, s labels.Store) []labels.Label {
	tb.Helper()
	var ls []labels.Label
	for l, err := range s.Scan(tb.Context(), labels.Query{}) {
		require.NoError(tb, err)
		ls = append(ls, l)
	}
	return ls
}

// write makes a file of the given content and returns its path.
func write(tb testing.TB, content string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "labels.csv")
	require.NoError(tb, os.WriteFile(path, []byte(content), 0o644))
	return path
}

func harness(cfg csvlabels.Config) labelstest.Harness {
	paths := &sync.Map{} // by store
	on := func(tb testing.TB, path string) labels.Store {
		s := open(tb, path, cfg)
		paths.Store(s, path)
		return s
	}
	path := func(s labels.Store) string {
		p, _ := paths.Load(s)
		return p.(string)
	}
	return labelstest.Harness{
		New: func(tb testing.TB) labels.Store { return on(tb, filepath.Join(tb.TempDir(), "labels.csv")) },
		Reopen: func(tb testing.TB, s labels.Store) labels.Store {
			require.NoError(tb, s.(*csvlabels.Store).Close())
			return on(tb, path(s))
		},
		Second: func(tb testing.TB, s labels.Store) labels.Store { return on(tb, path(s)) },
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	labelstest.Run(t, harness(csvlabels.Config{NoSync: true}))
}

// anew opens its file anew for every Append, so that no promise can rest on memory.
type anew struct {
	*csvlabels.Store
	path string
}

func (a anew) Append(ctx context.Context, ls ...labels.Label) error {
	s, err := csvlabels.Open(a.path, csvlabels.Config{NoSync: true})
	if err != nil {
		return err
	}
	return errors.Join(s.Append(ctx, ls...), s.Close())
}

// The store that reads is not the one that writes.
func TestStore_OpenedAnew(t *testing.T) {
	t.Parallel()
	labelstest.Run(t, labelstest.Harness{New: func(tb testing.TB) labels.Store {
		path := filepath.Join(tb.TempDir(), "labels.csv")
		return anew{open(tb, path, csvlabels.Config{}), path}
	}})
}

func TestStore_File(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "folder", "labels.csv")
	s := open(t, path, csvlabels.Config{})
	require.NoError(t, s.Append(t.Context()))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Empty(t, content)

	require.NoError(t, s.Append(t.Context(),
		yes("p-1"),
		labels.Label{PredictionID: "p-2", Value: -1.5, Time: noon.Add(1234567 * time.Nanosecond).In(time.FixedZone("", 3600)), Arrived: arrived.Add(1999)},
		yes("p-1"),
		labels.Label{PredictionID: "p-3", Class: "a \"b\",\r\nc", Time: noon, Arrived: arrived},
	))
	content, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, header+
		"p-1,yes,,2025-06-01T12:00:00.000000Z,2025-06-02T03:00:00.000000Z\n"+
		"p-2,,-1.5,2025-06-01T12:00:00.001234Z,2025-06-02T03:00:00.000001Z\n"+
		"p-3,\"a \"\"b\"\",\r\nc\",,2025-06-01T12:00:00.000000Z,2025-06-02T03:00:00.000000Z\n", string(content))
}

func TestStore_Close(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "labels.csv"), csvlabels.Config{})
	require.NoError(t, s.Append(t.Context(), yes("p-1")))
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Close(), os.ErrClosed)
	require.ErrorIs(t, s.Append(t.Context(), yes("p-2")), os.ErrClosed)
	_, err := s.Lookup(t.Context(), "p-1")
	require.ErrorIs(t, err, os.ErrClosed)
	for _, err := range s.Scan(t.Context(), labels.Query{}) {
		require.ErrorIs(t, err, os.ErrClosed)
	}
}

func TestStore_TornTail(t *testing.T) {
	t.Parallel()
	whole := header + "p-1,yes,,2025-06-01T12:00:00.000000Z,2025-06-02T03:00:00.000000Z\n"
	for name, tail := range map[string]string{
		"mid-line":          "p-2,ye",
		"within quotes":     "p-2,\"two\nlines,,2025-06-01T12:00:00Z\n",
		"all but a newline": "p-2,yes,,2025-06-01T12:00:00.000000Z,2025-06-02T03:00:00.000000Z",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := write(t, whole+tail)
			var log bytes.Buffer
			var torn []appendfile.Torn
			s := open(t, path, csvlabels.Config{
				Logger: slog.New(slog.NewTextHandler(&log, nil)),
				OnTorn: func(t appendfile.Torn) { torn = append(torn, t) },
			})
			require.Len(t, history(t, s), 1, "the torn label is not read")
			found, err := s.Lookup(t.Context(), "p-2")
			require.NoError(t, err)
			require.Empty(t, found)

			require.NoError(t, s.Append(t.Context(), yes("p-2")))
			require.Len(t, history(t, s), 2)
			require.Len(t, torn, 1)
			require.Equal(t, int64(len(whole)), torn[0].Offset)
			require.Contains(t, log.String(), torn[0].SetAside)
			aside, err := os.ReadFile(torn[0].SetAside)
			require.NoError(t, err)
			require.Equal(t, tail, string(aside), "nor is it lost")
			require.Len(t, history(t, open(t, path, csvlabels.Config{})), 2)
		})
	}
}

func TestStore_TornHeader(t *testing.T) {
	t.Parallel()
	path := write(t, "prediction_id,cl")
	s := open(t, path, csvlabels.Config{})
	require.NoError(t, s.Append(t.Context(), yes("p-1")))
	require.Len(t, history(t, open(t, path, csvlabels.Config{})), 1)
}

func TestStore_EditedByHand(t *testing.T) {
	t.Parallel()
	path := write(t, strings.TrimSuffix(header, "\n")+"\r\n"+
		"p-1,\"yes\",\"\",2025-06-01T14:00:00+02:00,2025-06-02T05:00:00+02:00\r\n"+
		"\"p-2\",,1e3,2025-06-01T12:00:00.1234567Z,2025-06-02T03:00:00.0000009Z\n"+
		"\n"+
		"p-1,yes,,2025-06-01T12:00:00Z,2025-06-02T03:00:00Z\n"+ // a copy
		"p-3,\"two\r\nlines\",,\"2025-06-01T12:00:00Z\",\"2025-06-02T03:00:00Z\"\n\r\n")
	s := open(t, path, csvlabels.Config{})
	value := labels.Label{PredictionID: "p-2", Value: 1000, Time: noon.Add(123456 * time.Microsecond), Arrived: arrived}
	lines := labels.Label{PredictionID: "p-3", Class: "two\r\nlines", Time: noon, Arrived: arrived}
	require.Equal(t, []labels.Label{yes("p-1"), value, yes("p-1"), lines}, history(t, s))
	found, err := s.Lookup(t.Context(), "p-1", "p-2", "p-3")
	require.NoError(t, err)
	require.Equal(t, map[string]labels.Label{"p-1": yes("p-1"), "p-2": value, "p-3": lines}, found)
	require.NoError(t, s.Append(t.Context(), yes("p-1")))
	require.Len(t, history(t, s), 4)
}

func TestOpen_BadCell(t *testing.T) {
	t.Parallel()
	const first = "p-1,\"two\nlines\",,2025-06-01T12:00:00Z,2025-06-02T03:00:00Z\n" // lines 2 and 3 of the file
	for _, c := range []struct{ name, content, want, column string }{
		{"no header", "p-1,yes,,2025-06-01T12:00:00Z\n", `:1: header is "p-1,yes,,2025-06-01T12:00:00Z", want "prediction_id,class,value,time,arrived"`, ""},
		{"another header", "id,class,value,time,arrived\n", `:1: header is "id,class,value,time,arrived", want`, ""},
		{"no arrivals", "prediction_id,class,value,time\np-1,yes,,2025-06-01T12:00:00Z\n", `:1: header is "prediction_id,class,value,time", want "prediction_id,class,value,time,arrived"`, ""},
		{"byte order mark", "\ufeff" + header, `:1: header is "\ufeffprediction_id`, ""},
		{"empty line first", "\n" + header, `:1: header is "", want`, ""},
		{"four cells", header + first + "p-2,yes,2025-06-01T12:00:00Z,2025-06-02T03:00:00Z\n", `:4: 4 cells, want 5`, ""},
		{"six cells", header + first + "p-2,yes,,2025-06-01T12:00:00Z,2025-06-02T03:00:00Z,\"\"\n", `:4: 6 cells, want 5`, ""},
		{"no ID", header + first + ",yes,,2025-06-01T12:00:00Z,2025-06-02T03:00:00Z\n", `:4: column "prediction_id": empty`, "prediction_id"},
		{"ID with space", header + first + "p 2,yes,,2025-06-01T12:00:00Z,2025-06-02T03:00:00Z\n", `:4: column "prediction_id": byte 1 is ' '`, "prediction_id"},
		{"no truth", header + first + "\np-2,,,2025-06-01T12:00:00Z,2025-06-02T03:00:00Z\n", `:5: column "value": "" beside class "", want one of them empty`, "value"},
		{"two truths", header + "p-2,yes,1,2025-06-01T12:00:00Z,2025-06-02T03:00:00Z\n" + first, `:2: column "value": "1" beside class "yes", want`, "value"},
		{"word for value", header + first + "p-2,,high,2025-06-01T12:00:00Z,2025-06-02T03:00:00Z\n", `:4: column "value": "high", want a number`, "value"},
		{"value too large", header + first + "p-2,,1e999,2025-06-01T12:00:00Z,2025-06-02T03:00:00Z\n", `:4: column "value": "1e999", want a number`, "value"},
		{"NaN", header + first + "p-2,,nan,2025-06-01T12:00:00Z,2025-06-02T03:00:00Z\n", `:4: column "value": NaN, want a finite number`, "value"},
		{"class in Latin-1", header + first + "p-2,gr\xfcn,,2025-06-01T12:00:00Z,2025-06-02T03:00:00Z\n", `:4: column "class": "gr\xfcn", want UTF-8 without NUL`, "class"},
		{"no time", header + first + "p-2,yes,,,2025-06-02T03:00:00Z\n", `:4: column "time": "", want RFC 3339 such as 2025-06-01T12:00:00Z`, "time"},
		{"time without zone", header + first + "p-2,yes,,2025-06-01 12:00:00,2025-06-02T03:00:00Z\n", `:4: column "time": "2025-06-01 12:00:00", want RFC 3339`, "time"},
		{"time zero", header + first + "p-2,yes,,0001-01-01T00:00:00Z,2025-06-02T03:00:00Z\n", `:4: column "time": not set`, "time"},
		{"no arrival", header + first + "p-2,yes,,2025-06-01T12:00:00Z,\n", `:4: column "arrived": "", want RFC 3339 such as 2025-06-01T12:00:00Z`, "arrived"},
		{"arrival zero", header + first + "p-2,yes,,2025-06-01T12:00:00Z,0001-01-01T00:00:00Z\n", `:4: column "arrived": not set`, "arrived"},
		{"arrival beyond", header + first + "p-2,yes,,2025-06-01T12:00:00Z,9999-12-31T23:59:59-01:00\n", `:4: column "arrived": year 10000`, "arrived"},
		{"quote in a cell", header + first + "p-2,5\" and 6\",,2025-06-01T12:00:00Z,2025-06-02T03:00:00Z\n", `:4: column "class": a quote in a cell that is not quoted`, "class"},
		{"text after a quote", header + first + "p-2,\"yes\" ,,2025-06-01T12:00:00Z,2025-06-02T03:00:00Z\n", `:4: column "class": text after the closing quote`, "class"},
		{"quote not closed", header + first + "p-2,yes,,\"a\" \"b\n\"\n", `:4: column "time"`, "time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := write(t, c.content)
			_, err := csvlabels.Open(path, csvlabels.Config{})
			require.ErrorContains(t, err, "csvlabels: open: "+path+c.want)
			var cell *csvlabels.CellError
			require.ErrorAs(t, err, &cell)
			require.Equal(t, path, cell.Path)
			require.Equal(t, c.column, cell.Column)
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, c.content, string(content), "the file is left as it is")
		})
	}
}

func TestOpen_Fails(t *testing.T) {
	t.Parallel()
	_, err := csvlabels.Open(t.TempDir(), csvlabels.Config{})
	require.ErrorContains(t, err, "csvlabels: ")
}

// A line that goes bad while the store is open fails every method until it is mended.
func TestStore_GoesBad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "labels.csv")
	s := open(t, path, csvlabels.Config{})
	require.NoError(t, s.Append(t.Context(), yes("p-1")))
	good, err := os.ReadFile(path)
	require.NoError(t, err)

	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = file.WriteString("p-2,yes,,2025-06-01T12:00:00Z,2025-06-02T03:00:00Z\np-3,yes,,noon,2025-06-02T03:00:00Z\n")
	require.NoError(t, err)
	require.NoError(t, file.Close())

	for range 2 {
		require.ErrorContains(t, s.Append(t.Context(), yes("p-4")), `csvlabels: append: `+path+`:4: column "time": "noon"`)
		_, err = s.Lookup(t.Context(), "p-1")
		require.ErrorContains(t, err, `csvlabels: lookup: `+path+`:4: column "time": "noon"`)
		for _, err := range s.Scan(t.Context(), labels.Query{}) {
			require.ErrorContains(t, err, `csvlabels: scan: `+path+`:4: column "time": "noon"`)
		}
	}

	require.NoError(t, os.WriteFile(path, append(good, "p-2,no,,2025-06-01T12:00:00Z,2025-06-02T03:00:00Z\np-3,yes,,2025-06-01T12:00:00Z,2025-06-02T03:00:00Z\n"...), 0o644))
	require.NoError(t, s.Append(t.Context(), yes("p-4")))
	found, err := s.Lookup(t.Context(), "p-2", "p-3", "p-4")
	require.NoError(t, err)
	require.Len(t, found, 3)
	require.Equal(t, "no", found["p-2"].Class)
}

// Without the file there may be labels lost; with another one in its place, it is that.
func TestStore_Replaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "labels.csv")
	s := open(t, path, csvlabels.Config{})
	require.NoError(t, s.Append(t.Context(), yes("p-1")))
	require.NoError(t, os.Rename(path, path+".old"))
	for range 2 {
		require.ErrorIs(t, s.Append(t.Context(), yes("p-2")), appendfile.ErrChanged)
		_, err := s.Lookup(t.Context(), "p-1")
		require.ErrorIs(t, err, appendfile.ErrChanged)
		for _, err := range s.Scan(t.Context(), labels.Query{}) {
			require.ErrorIs(t, err, appendfile.ErrChanged)
		}
		require.ErrorIs(t, s.Prune(t.Context(), noon), appendfile.ErrChanged)
		require.NoFileExists(t, path)
	}

	require.NoError(t, os.WriteFile(path, []byte("not,labels\n"), 0o644))
	for range 2 {
		_, err := s.Lookup(t.Context(), "p-1")
		require.ErrorContains(t, err, `csvlabels: lookup: `+path+`:1: header is "not,labels"`)
	}
	require.NoError(t, os.WriteFile(path, []byte(header), 0o644))
	found, err := s.Lookup(t.Context(), "p-1")
	require.NoError(t, err)
	require.Empty(t, found)
	require.NoError(t, s.Append(t.Context(), yes("p-3")))
	require.Equal(t, []labels.Label{yes("p-3")}, history(t, s))

	require.NoError(t, os.Rename(path+".old", path))
	require.Equal(t, []labels.Label{yes("p-1")}, history(t, s))
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Append(t.Context(), yes("p-2")), os.ErrClosed)
	require.ErrorIs(t, s.Close(), os.ErrClosed)
}

func TestStore_ClosedAfterReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "labels.csv")
	s := open(t, path, csvlabels.Config{})
	require.NoError(t, os.WriteFile(path+".new", []byte(header), 0o644))
	require.NoError(t, os.Rename(path+".new", path))
	require.NoError(t, s.Close())
	_, err := s.Lookup(t.Context(), "p-1")
	require.ErrorIs(t, err, os.ErrClosed)
}

// A scan is of what was there when it began, also while the consumer appends.
func TestStore_AppendWhileScanning(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "labels.csv"), csvlabels.Config{NoSync: true})
	require.NoError(t, s.Append(t.Context(), yes("p-1"), yes("p-2")))
	n := 0
	for l, err := range s.Scan(t.Context(), labels.Query{}) {
		require.NoError(t, err)
		require.NoError(t, s.Append(t.Context(), yes(l.PredictionID+"-more")))
		n++
	}
	require.Equal(t, 2, n)
	require.Len(t, history(t, s), 4)
}

func TestStore_LargeLabel(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "labels.csv")
	s := open(t, path, csvlabels.Config{NoSync: true})
	large := labels.Label{PredictionID: "p-1", Class: strings.Repeat("\"\n", 1000) + strings.Repeat("x", 3<<20), Time: noon, Arrived: arrived}
	require.NoError(t, s.Append(t.Context(), large))
	require.Equal(t, []labels.Label{large}, history(t, s))
	require.Equal(t, []labels.Label{large}, history(t, open(t, path, csvlabels.Config{})))

	tooLarge := labels.Label{PredictionID: "p-2", Class: strings.Repeat("\"", 2<<20), Time: noon}
	require.ErrorContains(t, s.Append(t.Context(), yes("p-3"), tooLarge), "MaxRecord")
	require.Len(t, history(t, s), 1, "all or none")
}
