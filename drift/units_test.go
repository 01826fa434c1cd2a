package drift_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

// Whatever the shape of a column, what is found does not depend on the unit that its values
// are given in.
func TestDetector_UnitsMakeNoDifferenceToAnyShape(t *testing.T) {
	t.Parallel()
	scaled := func(values []float64, by float64) drift.Column {
		in := make([]float64, len(values))
		for i, x := range values {
			in[i] = by * x
		}
		return drift.Numeric("x", in)
	}
	for _, name := range []string{"log-normal", "orders of magnitude", "cauchy", "pareto", "negative", "two scales", "mostly zero", "clusters"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(10) {
				reference, current := drawn(name, 2*seed, 3000), drawn(name, 2*seed+1, 1000)
				for i := range 140 { // about as many as make D the floor
					current[i] = current[0] + current[i]/100
				}
				var want []float64
				for _, by := range []float64{1, 1000, 1e-3, 3e7} {
					ref := newReference(t, scaled(reference, by))
					c := detect(t, ref, drift.Config{}, profileOf(t, ref, scaled(current, by))).Columns[0]
					got := []float64{float64(c.Verdict), c.Distances.PSI, c.Distances.JensenShannon}
					for _, test := range c.Tests {
						got = append(got, test.Observed, test.EffectSize, test.PValue)
					}
					if want == nil {
						want = got
					}
					require.Equal(t, want, got, fmt.Sprintf("seed %d, times %v", seed, by))
				}
			}
		})
	}
}
