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

				requireCounted(t, ref, probes, searched)

				edges := ref.Edges(0)
				half := edges[len(edges)-1]/2 - edges[0]/2
				for _, by := range []float64{half, -half} { // partly, or all, out of the grid
					moved := drawn(name, 3, 2000)
					for i, x := range moved {
						moved[i] = max(min(x+by, math.MaxFloat64), -math.MaxFloat64)
					}
					_, searched := ref.Cells(0, moved)
					requireCounted(t, ref, moved, searched)
				}

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

// requireCounted checks that a profile counts the values as they were searched, and the same
// whether its extremes are known already, so that nearly all values are ordinary, or each
// block extends them; and whatever is missing or infinite in between.
func requireCounted(t *testing.T, ref *drift.Reference, values []float64, searched []int64) {
	t.Helper()
	var mixed []float64
	for i, x := range values {
		mixed = append(mixed, x)
		switch i % 40 {
		case 0:
			mixed = append(mixed, math.NaN())
		case 1:
			mixed = append(mixed, math.NaN(), math.NaN(), math.Inf(1))
		case 2:
			mixed = append(mixed, math.Inf(-1))
		}
	}
	known := profileOf(t, ref, drift.Numeric("x", values))
	require.Equal(t, searched, known.Cells(0))
	require.NoError(t, known.Add([]drift.Column{drift.Numeric("x", mixed)}))
	for i, n := range known.Cells(0) {
		require.Equal(t, 2*searched[i], n)
	}
	extending := ref.NewProfile()
	for _, all := range [][]float64{values, mixed} {
		for block := range slices.Chunk(all, 100) {
			require.NoError(t, extending.Merge(profileOf(t, ref, drift.Numeric("x", block))))
		}
	}
	require.Equal(t, toJSON(t, extending), toJSON(t, known))
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
