package nulldist_test

import (
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
)

// The p-value of two samples of equal size is the share of all orders of 2n values in which one
// sample is h values ahead somewhere: counted here one by one, in whole numbers.
func TestKSEqual(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3, 4, 5, 8, 13, 40, 101} {
		all := new(big.Int).Binomial(int64(2*n), int64(n))
		for h := 1; h <= n; h++ {
			never := make([]*big.Int, n+1) // orders of i and j values in which none was ahead
			for i := range n + 1 {
				for j := max(0, i-h); j <= min(n, i+h); j++ {
					switch {
					case i-j == h || j-i == h:
						never[j] = new(big.Int)
					case i+j == 0:
						never[j] = big.NewInt(1)
					case i == 0:
						never[j] = never[j-1]
					case j > 0:
						never[j] = new(big.Int).Add(never[j], never[j-1])
					}
				}
			}
			ahead := new(big.Int).Sub(all, never[n])
			want, _ := new(big.Rat).SetFrac(ahead, all).Float64()
			require.InEpsilon(t, want, nulldist.KSEqual(float64(h), float64(n)), 1e-13, "%d of %d", h, n)
		}
	}
	for _, h := range []float64{3e5, 5e5, 999_999, 1e6} { // less than any number
		require.Zero(t, nulldist.KSEqual(h, 1e6))
	}
	require.InDelta(t, 1, nulldist.KSEqual(1, 1e12), 1e-12)
}
