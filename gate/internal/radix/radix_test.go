package radix_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate/internal/radix"
)

func items(x []float64) []radix.Item[int] {
	all := make([]radix.Item[int], len(x))
	for i, v := range x {
		all[i] = radix.Item[int]{Key: radix.Descending(v), Value: i}
	}
	return all
}

// TestSort compares with a stable sort by comparison, around the size at which the
// method changes.
func TestSort(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	special := []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), 1, -1, math.SmallestNonzeroFloat64, math.MaxFloat64}
	for name, draw := range map[string]func() float64{
		"continuous": rng.NormFloat64,
		"ties":       func() float64 { return float64(rng.IntN(7)) - 3 },
		"special":    func() float64 { return special[rng.IntN(len(special))] },
		"constant":   func() float64 { return 0.5 },
		// Keys whose upper halves are alike: all, many and few at a time.
		"upper halves alike": func() float64 { return 1 + rng.Float64()*0x1p-21 },
		"in large groups":    func() float64 { return float64(1+rng.IntN(3)) + float64(rng.IntN(1000))*0x1p-40 },
		"in small groups":    func() float64 { return float64(1+rng.IntN(300)) + float64(rng.IntN(5))*0x1p-40 },
	} {
		for _, n := range []int{0, 1, 2, 199, 200, 5000} {
			t.Run(fmt.Sprintf("%s/n=%d", name, n), func(t *testing.T) {
				x := make([]float64, n)
				for i := range x {
					x[i] = draw()
				}
				want := make([]int, n)
				for i := range want {
					want[i] = i
				}
				slices.SortStableFunc(want, func(a, b int) int { return cmp.Compare(x[b], x[a]) })
				have := make([]int, 0, n)
				for _, item := range radix.Sort(items(x)) {
					have = append(have, item.Value)
				}
				require.Equal(t, want, have)
			})
		}
	}
}

func BenchmarkSort(b *testing.B) {
	for _, n := range []int{100, 1000, 1_000_000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 1))
			x := make([]float64, n)
			for i := range x {
				x[i] = rng.Float64()
			}
			all, work := items(x), make([]radix.Item[int], n)
			b.ReportAllocs()
			for b.Loop() {
				copy(work, all)
				radix.Sort(work)
			}
		})
	}
}
