package drift_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

// As a comparison sort does, but for the order of 0 and -0.
func TestSortFloats(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(40, 1))
	for _, n := range []int{0, 1, 399, 400, 5000, 100_001} {
		any := make([]float64, n)
		for i := range any {
			any[i] = math.Float64frombits(rng.Uint64())
			if math.IsNaN(any[i]) {
				any[i] = math.Copysign(0, -1)
			}
		}
		samples := map[string][]float64{"any bits": any, "equal": repeat(n, 2.5)}
		for name := range distributions {
			samples[name] = drawn(name, uint64(n), n)
		}
		samples["infinities"] = append(drawn("normal", 1, n), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1))
		for name, values := range samples {
			want := slices.Sorted(slices.Values(values))
			drift.SortFloats(values)
			require.True(t, slices.Equal(want, values), "%s, n=%d", name, n)
		}
	}
}

func BenchmarkSortFloats(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		values := drawn("normal", 1, n)
		work := make([]float64, n)
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				copy(work, values)
				drift.SortFloats(work)
			}
		})
	}
}
