package radix_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift/internal/radix"
)

// As a comparison sort does, but for the order of 0 and -0.
func TestSort(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(40, 1))
	special := []float64{math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), 5e-324, math.MaxFloat64}
	for name, draw := range map[string]func() float64{
		"any bits": func() float64 {
			if x := math.Float64frombits(rng.Uint64()); !math.IsNaN(x) {
				return x
			}
			return math.Copysign(0, -1)
		},
		"normal":     rng.NormFloat64,
		"log-normal": func() float64 { return math.Exp(rng.NormFloat64()) },
		"integers":   func() float64 { return math.Round(1e4 * rng.NormFloat64()) },
		"few values": func() float64 { return float64(rng.IntN(7)) / 10 },
		"tiny":       func() float64 { return 1e-310 * rng.Float64() },
		"special":    func() float64 { return special[rng.IntN(len(special))] },
		"equal":      func() float64 { return 2.5 },
	} {
		for _, n := range []int{0, 1, 199, 200, 400, 5000, 100_001} {
			values := make([]float64, n)
			for i := range values {
				values[i] = draw()
			}
			want := slices.Sorted(slices.Values(values))
			radix.Sort(values)
			require.True(t, slices.Equal(want, values), "%s, n=%d", name, n)
		}
	}
}

func TestKey_Unkey(t *testing.T) {
	t.Parallel()
	sorted := []float64{math.Inf(-1), -math.MaxFloat64, -1, -5e-324, 0, 5e-324, 1, math.MaxFloat64, math.Inf(1)}
	for i, x := range sorted {
		require.Equal(t, x, radix.Unkey(radix.Key(x)))
		if i > 0 {
			require.Less(t, radix.Key(sorted[i-1]), radix.Key(x))
		}
	}
}

func BenchmarkSort(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 77))
	for _, n := range []int{1_000, 100_000} {
		values, work := make([]float64, n), make([]float64, n)
		for i := range values {
			values[i] = rng.NormFloat64()
		}
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				copy(work, values)
				radix.Sort(work)
			}
		})
	}
}
