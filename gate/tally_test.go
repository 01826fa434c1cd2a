package gate_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
)

// TestBasis_Segments counts the rows of each category once more: of names that come in
// runs, take turns, and differ in one letter somewhere or just in length.
func TestBasis_Segments(t *testing.T) {
	t.Parallel()
	const n = 3000
	rng := rand.New(rand.NewPCG(20250101, 1))
	truth, production, shadow := scores(1, n, 0.3, 0.35)
	e, err := gate.FromScores(truth, production, shadow)
	require.NoError(t, err)
	column := make([]string, n)
	for i := range column {
		if i > 0 && rng.IntN(3) == 0 {
			column[i] = column[i-1]
			continue
		}
		name := make([]byte, rng.IntN(5))
		for k := range name {
			name[k] = "ab"[rng.IntN(2)]
		}
		column[i] = string(name)
	}
	e.Segments = map[string][]string{"k": column}
	want := map[string]map[[3]int]int{}
	for i, name := range column {
		if want[name] == nil {
			want[name] = map[[3]int]int{}
		}
		want[name][[3]int{e.Truth.Class[i], e.Production.Class[i], e.Shadow.Class[i]}]++
	}
	have := map[string]map[[3]int]int{}
	for name, tallies := range gate.Evaluate(gate.Standard(), e).Basis.Segments["k"] {
		have[name] = map[[3]int]int{}
		for _, t := range tallies {
			have[name][[3]int{t.Truth, t.Production, t.Shadow}] = t.Rows
		}
	}
	require.Len(t, want, 31, "all names occur")
	require.Equal(t, want, have)
}
