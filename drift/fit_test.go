package drift_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

// Whatever the grid, a number is counted in the cell between whose edges it is.
func TestReference_CellsAreThoseOfTheEdges(t *testing.T) {
	t.Parallel()
	for name := range distributions {
		t.Run(name, func(t *testing.T) {
			for _, cells := range []int{2, 64, 1024} {
				ref, err := drift.NewReference([]drift.Column{drift.Numeric("x", drawn(name, 1, 20_000))}, drift.ReferenceConfig{Cells: cells})
				require.NoError(t, err)
				probes := append(drawn(name, 2, 5000), 0, math.Copysign(0, -1), math.MaxFloat64, -math.MaxFloat64, 5e-324, 1, -1)
				for _, e := range ref.Edges(0) {
					probes = append(probes, e, math.Nextafter(e, math.Inf(1)), max(math.Nextafter(e, math.Inf(-1)), -math.MaxFloat64))
				}
				probes = slices.DeleteFunc(probes, func(x float64) bool { return math.IsInf(x, 0) })
				located, searched := ref.Cells(0, probes)
				require.Equal(t, searched, located)

				data, err := json.Marshal(ref)
				require.NoError(t, err)
				var read drift.Reference
				require.NoError(t, read.UnmarshalJSON(data))
				located, _ = read.Cells(0, probes)
				require.Equal(t, searched, located)
			}
		})
	}
}

// No cell holds more than its share five times over, unless it holds a single value.
func TestReference_CellsAreEven(t *testing.T) {
	t.Parallel()
	for name := range distributions {
		t.Run(name, func(t *testing.T) {
			for _, cells := range []int{10, 256, 1024} {
				const n = 50_000
				ref, err := drift.NewReference([]drift.Column{drift.Numeric("x", drawn(name, 3, n))}, drift.ReferenceConfig{Cells: cells})
				require.NoError(t, err)
				require.LessOrEqual(t, len(ref.Edges(0)), 2*cells+1)
				counts, single := ref.CountsOf(0)
				require.Zero(t, counts[0], "nothing is below range")
				require.Zero(t, counts[len(counts)-1], "nothing is above range")
				for i, c := range counts {
					if !single[i] {
						require.LessOrEqual(t, float64(c), 5*float64(n)/float64(cells), "cell %d", i)
					}
				}
			}
		})
	}
}
