package drift_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// withSum puts the right checksum around the content of a reference.
func withSum(content string) []byte {
	sum := sha256.Sum256([]byte(content))
	return fmt.Appendf(nil, `{"kind":"drift.reference","schema_version":2,"sha256":"%s","content":%s}`, hex.EncodeToString(sum[:]), content)
}

// What is decoded takes memory in proportion to the bytes, whatever they claim.
func TestReference_UnmarshalTakesLittleMemory(t *testing.T) {
	ref := newReference(t, drift.Numeric("x", []float64{1}))
	form := []byte(toJSON(t, ref))
	var envelope struct{ Content json.RawMessage }
	require.NoError(t, json.Unmarshal(form, &envelope))
	content := string(envelope.Content)
	require.Contains(t, content, `"size":1,`)

	bigGrid := withSum(strings.Replace(content, `"size":1,`, `"size":1048576,`, 1))
	one := content[strings.Index(content, `[`)+1 : strings.LastIndex(content, `]`)]
	many := withSum(`{"rows":1,"columns":[` + strings.Repeat(one+",", 30) + one + `]}`)
	empty := withSum(`{"rows":1,"columns":[{}` + strings.Repeat(",{}", 10_000) + `]}`)
	for name, data := range map[string][]byte{"a large grid": bigGrid, "equal columns": many, "empty columns": empty} {
		var err error
		used := allocated(func() { err = new(drift.Reference).UnmarshalJSON(data) })
		require.ErrorIs(t, err, drift.ErrCorrupt, name)
		require.Less(t, used, uint64(100*len(data)+100_000), name)
	}

	head, err := ref.MarshalBinary()
	require.NoError(t, err)
	zeros := drift.WithChecksum(append(append([]byte(nil), head[:9]...), append([]byte{2, 0xa0, 0x9c, 1}, make([]byte, 20_000)...)...))
	used := allocated(func() { err = new(drift.Reference).UnmarshalBinary(zeros) })
	require.ErrorIs(t, err, drift.ErrCorrupt)
	require.Less(t, used, uint64(100*len(zeros)+100_000))
}

// The grid of a column of which little is spread is small too, and what is written can be
// read.
func TestReference_GridFollowsTheEdges(t *testing.T) {
	t.Parallel()
	clustered := make([]float64, 0, 40_000)
	for i := range 20_000 {
		clustered = append(clustered, 0, 1+1e-12*float64(i))
	}
	heavy := make([]float64, 40_000)
	for i := range heavy {
		heavy[i] = math.Exp(float64(i%2000)) * float64(i%7)
	}
	for name, values := range map[string][]float64{
		"clustered": clustered, "heavy": heavy, "mostly zero": drawn("mostly zero", 1, 40_000),
		"atoms and a tail": append(repeat(10_000, 1.0, 2, 3), drawn("log-normal", 1, 1200)...),
	} {
		for _, cells := range []int{2, 100, 1024} {
			values := values
			for i, x := range values {
				if math.IsInf(x, 0) {
					values[i] = math.NaN()
				}
			}
			ref, err := drift.NewReference([]drift.Column{drift.Numeric("x", values)}, drift.ReferenceConfig{Cells: cells})
			require.NoError(t, err)
			var read drift.Reference
			require.NoError(t, read.UnmarshalJSON([]byte(toJSON(t, ref))), "%s, %d cells", name, cells)
		}
	}
}
