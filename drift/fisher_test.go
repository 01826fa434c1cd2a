package drift_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

// The p-values are sums of the definition in 60 decimal digits.
func TestFisherExact_LargeCounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reference, current [2]int
		pValue             float64
	}{
		{[2]int{10, 499999990}, [2]int{25, 489999975}, 0.010658924090431548},
		{[2]int{250000, 499750000}, [2]int{251500, 489748500}, 1.8036207295078117e-20},
		{[2]int{3, 4999999997}, [2]int{14, 4999999986}, 0.012725830005493164},
		{[2]int{500000, 1499500000}, [2]int{503000, 1497000000}, 0.00012819197370234030},
		{[2]int{0, 9007199254740992}, [2]int{4, 1125899906842624}, 0.00015241579027587378},
		{[2]int{300000000000, 700000000000}, [2]int{300001500000, 699998500000}, 0.020637733348373890},
	} {
		got, err := drift.FisherExact(c.reference, c.current)
		require.NoError(t, err)
		if deviation(c.pValue, got.PValue) > 1e-7 {
			require.Failf(t, "p-value is off", "%v: want %v, got %v", c, c.pValue, got.PValue)
		}
	}
}
