package healing

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift/proxy"
)

// A share that is not all does not read 100 %.
func TestPercent(t *testing.T) {
	t.Parallel()
	for share, want := range map[float64]string{0: "0.0 %", 0.0004: "0.04 %", 0.3: "30.0 %", 0.996: "99.6 %", 0.9996: "99.96 %", 1: "100.0 %"} {
		require.Equal(t, want, percent(share))
		require.Equal(t, want, positive(Pass{Proxy: &proxy.Metrics{PositiveRate: &share}}))
	}
}
