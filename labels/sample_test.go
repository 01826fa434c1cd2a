package labels_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// numbered returns n examples a second apart.
func numbered(n int) []labels.Example {
	examples := make([]labels.Example, n)
	for i := range examples {
		examples[i].Record = predictlog.Record{ID: fmt.Sprintf("p%06d", i), Time: time.Unix(int64(i), 0)}
	}
	return examples
}

// sampleOf returns the IDs that a sampler keeps of the examples, in its order.
func sampleOf(examples []labels.Example, max int, seed uint64) []string {
	s := labels.NewSampler(max, seed)
	for _, e := range examples {
		s.Add(e)
	}
	var ids []string
	for _, e := range s.Dataset(nil).Examples {
		ids = append(ids, e.Record.ID)
	}
	return ids
}

func TestSampler_KeepsAllOfAFew(t *testing.T) {
	t.Parallel()
	examples := numbered(50)
	slices.Reverse(examples)
	ids := sampleOf(examples, 50, 1)
	require.Len(t, ids, 50)
	require.True(t, slices.IsSorted(ids), "in the order of time")
	require.Empty(t, sampleOf(examples, 0, 1))
	require.Empty(t, sampleOf(examples, -1, 1))
}

func TestSampler_DependsOnSeedAndIDsOnly(t *testing.T) {
	t.Parallel()
	examples := numbered(5000)
	want := sampleOf(examples, 300, 7)
	require.Len(t, want, 300)
	rng := rand.New(rand.NewPCG(1, 2))
	rng.Shuffle(len(examples), func(i, j int) { examples[i], examples[j] = examples[j], examples[i] })
	require.Equal(t, want, sampleOf(examples, 300, 7))
	require.NotEqual(t, want, sampleOf(examples, 300, 8))
	require.Subset(t, sampleOf(examples, 400, 7), want, "a larger sample holds the smaller")

	s := labels.NewSampler(300, 7)
	for _, e := range examples {
		s.Add(e)
	}
	require.Equal(t, 5000, s.Of())
}

// TestSampler_IsFair draws a tenth of consecutive IDs under many seeds. Each tenth of the
// time must have its share, within five standard deviations.
func TestSampler_IsFair(t *testing.T) {
	t.Parallel()
	examples := numbered(2000)
	var shares [10]int
	const seeds = 100
	for seed := range uint64(seeds) {
		for _, id := range sampleOf(examples, 200, seed) {
			var i int
			_, err := fmt.Sscanf(id, "p%d", &i)
			require.NoError(t, err)
			shares[i/200]++
		}
	}
	for i, n := range shares {
		require.InDelta(t, seeds*20, n, 5*42, "tenth %d", i) // sqrt(20000 * 0.1 * 0.9)
	}
}

func BenchmarkSampler_Add(b *testing.B) {
	examples := numbered(100_000)
	s := labels.NewSampler(1000, 1)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		s.Add(examples[i%len(examples)])
		i++
	}
}
