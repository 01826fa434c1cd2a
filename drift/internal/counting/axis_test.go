package counting_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift/internal/counting"
)

func TestNeighbours(t *testing.T) {
	t.Parallel()
	for _, x := range []float64{0, math.Copysign(0, -1), 1, -1, 0.1, 1e300, -1e300, 5e-324, -5e-324, math.MaxFloat64, math.Inf(1)} {
		below := math.Nextafter(x, math.Inf(-1))
		require.True(t, counting.Neighbours(below, x), x)
		require.False(t, counting.Neighbours(x, x), x)
		require.False(t, counting.Neighbours(x, below), x)
		require.False(t, counting.Neighbours(math.Nextafter(below, math.Inf(-1)), x), x)
	}
	require.True(t, counting.Neighbours(math.Copysign(0, -1), 5e-324))
}
