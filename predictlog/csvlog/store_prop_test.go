package csvlog_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/csvlog"
)

// Any sequence of Appends, to two stores in turn that are reopened now and then, has the
// outcome it has on a store in memory.
func TestStore_Properties(t *testing.T) {
	t.Parallel()
	params := gopter.DefaultTestParametersWithSeed(20261123)
	params.MinSuccessfulTests = 30
	props := gopter.NewProperties(params)
	schema := applicants(t)
	props.Property("agrees with a store in memory", prop.ForAll(func(seed uint64) bool {
		rng := rand.New(rand.NewPCG(seed, 0))
		dir, memory := t.TempDir(), predictlog.NewMemoryStore(schema)
		stores := []*csvlog.Store{open(t, dir, schema, csvlog.Config{Sync: csvlog.SyncNone}), nil}
		for range 40 {
			batch := make([]predictlog.Record, rng.IntN(4))
			for i := range batch {
				n := rng.IntN(60)
				batch[i] = applicant(n)
				batch[i].Time = noon.AddDate(0, 0, n%7) // an ID is of one day
				if rng.IntN(20) == 0 {
					batch[i].Version = "other"
				}
			}
			which := rng.IntN(2)
			if stores[which] == nil || rng.IntN(5) == 0 {
				stores[which] = open(t, dir, schema, csvlog.Config{Sync: csvlog.SyncNone})
			}
			err, want := stores[which].Append(t.Context(), batch...), memory.Append(t.Context(), batch...)
			if (err == nil) != (want == nil) || errors.Is(err, predictlog.ErrDuplicate) != (want != nil) {
				t.Logf("got %v, want %v", err, want)
				return false
			}
		}
		require.ElementsMatch(t, ids(scan(t, memory, predictlog.Query{})), ids(scan(t, stores[0], predictlog.Query{})))
		return true
	}, gen.UInt64()))
	props.TestingRun(t)
}
