package csvlog_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog/csvlog"
)

// Any sequence of additions and removals leaves what it would in a map, also where many
// hashes are alike in whole or in the bits that choose the slot.
func TestIndex(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(20261123, 0))
	for range 100 {
		var (
			x    csvlog.Index
			want = map[uint64][]int64{}
		)
		for offset := int64(1); offset < 400; offset++ {
			hash := rng.Uint64N(8)<<40 | rng.Uint64N(80)
			if of := want[hash]; len(of) > 0 && rng.IntN(2) == 0 {
				i := rng.IntN(len(of))
				x.Remove(hash, of[i])
				want[hash] = slices.Delete(of, i, i+1)
				continue
			}
			x.Add(hash, offset)
			want[hash] = append(want[hash], offset)
		}
		for hash, offsets := range want {
			require.ElementsMatch(t, offsets, slices.Collect(x.Offsets(hash)))
		}
		require.Empty(t, slices.Collect(x.Offsets(1<<50)))
	}
}
