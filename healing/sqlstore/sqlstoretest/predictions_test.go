package sqlstoretest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing/sqlstore"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// asked returns the i-th record of a model with two numbers.
func asked(model string, i int) predictlog.Record {
	return predictlog.Record{
		ID: fmt.Sprintf("%s-%04d", model, i), Time: noon.Add(time.Duration(i) * time.Second), Model: model, Version: fmt.Sprint(1 + i%2),
		Row:    predictlog.Row{predictlog.Number(float64(i)), predictlog.Missing(), predictlog.Category("north")},
		Output: predictlog.Output{Class: "1"},
		Tags:   map[string]string{"shard": fmt.Sprint(i % 3)},
	}
}

func allAsked(model string, n int) []predictlog.Record {
	var records []predictlog.Record
	for i := range n {
		records = append(records, asked(model, i))
	}
	return records
}

// idsOf returns the IDs of what the query yields, sorted.
func idsOf(t testing.TB, store predictlog.Store, q predictlog.Query) []string {
	t.Helper()
	ids := []string{}
	for r, err := range store.Scan(t.Context(), q) {
		require.NoError(t, err)
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return ids
}

// Several pages, several models, and queries by all that there is.
func TestPredictions_Queries(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		store := b.place(t).open(t, credit(t, 2)).Predictions()
		var all []predictlog.Record
		for i, model := range []string{"a", "", "b"} {
			records := allAsked(model, 300+400*i)
			all = append(all, records...)
			rand.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
			require.NoError(t, store.Append(t.Context(), records...))
		}
		at := func(i int) time.Time { return noon.Add(time.Duration(i) * time.Second) }
		for _, q := range []predictlog.Query{
			{}, {Model: "a"}, {Model: "b"}, {Model: "c"}, {Version: "2"}, {Model: "b", Version: "1"},
			{Tag: predictlog.Tag{Name: "shard", Value: "1"}}, {Tag: predictlog.Tag{Name: "shard"}},
			{From: at(100)}, {From: at(100).Add(1)}, {To: at(100)}, {To: at(100).Add(1)}, {From: at(100), To: at(100)},
			{From: at(500), To: at(600), Model: "b", Version: "2", Tag: predictlog.Tag{Name: "shard", Value: "0"}},
			{From: time.Time{}.Add(1)}, {To: time.Unix(1<<40, 0)}, {From: time.Unix(-1<<40, 0)},
		} {
			want := []string{}
			for _, r := range all {
				if q.Matches(r) {
					want = append(want, r.ID)
				}
			}
			slices.Sort(want)
			require.Equal(t, want, idsOf(t, store, q), "%+v", q)
		}
		last := time.Time{}
		for r, err := range store.Scan(t.Context(), predictlog.Query{Model: "b"}) {
			require.NoError(t, err)
			require.False(t, r.Time.Before(last), "records of one model come in order of time")
			last = r.Time
		}

		require.NoError(t, store.Prune(t.Context(), at(100).Add(1)))
		require.NoError(t, store.Prune(t.Context(), at(100).Add(1)))
		require.Equal(t, idsOf(t, store, predictlog.Query{From: at(100).Add(1)}), idsOf(t, store, predictlog.Query{}))
		require.Len(t, idsOf(t, store, predictlog.Query{}), len(all)-3*101)
	})
}

// Records of any size are read in bounded pages.
func TestPredictions_Large(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		store := b.place(t).open(t, credit(t, 2)).Predictions()
		records := allAsked("a", 600)
		for i := range records {
			if i%3 == 0 {
				records[i].Tags["text"] = fmt.Sprintf("%*d", 20_000, i)
			}
		}
		require.NoError(t, store.Append(t.Context(), records...))
		i := 0
		for r, err := range store.Scan(t.Context(), predictlog.Query{Model: "a"}) {
			require.NoError(t, err)
			require.True(t, r.Equal(records[i]), "%d", i)
			i++
		}
		require.Equal(t, len(records), i)
	})
}

// A schema gains and loses columns while handles of both are in use.
func TestPredictions_Schemas(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		var (
			ctx   = t.Context()
			p     = b.place(t)
			pool  = p.pool(t)
			older = p.openBy(t, pool, credit(t, 1)).Predictions()
			newer = p.openBy(t, pool, credit(t, 3)).Predictions()
		)
		one := asked("a", 1)
		one.Row = predictlog.Row{predictlog.Number(7), predictlog.Category("north")}
		require.NoError(t, older.Append(ctx, one))
		two := asked("a", 2)
		two.Row = predictlog.Row{predictlog.Number(1), predictlog.Number(2), predictlog.Number(3), predictlog.Category("south")}
		require.NoError(t, newer.Append(ctx, two))

		rows := func(store predictlog.Store) (rows []predictlog.Row) {
			for r, err := range store.Scan(ctx, predictlog.Query{Model: "a"}) {
				require.NoError(t, err)
				rows = append(rows, r.Row)
			}
			return rows
		}
		none := predictlog.Missing()
		grown := predictlog.Row{predictlog.Number(7), none, none, predictlog.Category("north")}
		require.Equal(t, []predictlog.Row{grown, two.Row}, rows(newer))
		require.Equal(t, []predictlog.Row{one.Row, {predictlog.Number(1), predictlog.Category("south")}}, rows(older),
			"the handle learns of a schema that came after it")

		same := one
		same.Row = grown
		require.NoError(t, newer.Append(ctx, same), "the same record under another schema")
		same.Row = slices.Clone(grown)
		same.Row[1] = predictlog.Number(1)
		require.ErrorIs(t, newer.Append(ctx, same), predictlog.ErrDuplicate)

		late := p.openBy(t, pool, credit(t, 5)).Predictions()
		three := asked("a", 3)
		three.Row = predictlog.Row{predictlog.Number(1), none, none, none, none, predictlog.Category("east")}
		require.NoError(t, late.Append(ctx, three))
		three.Row = predictlog.Row{predictlog.Number(1), predictlog.Category("east")}
		require.NoError(t, older.Append(ctx, three), "it must learn of the schema to compare")
		require.Len(t, rows(older), 3)
	})
}

// Writers of the same records in different orders wait for each other, but never in a
// circle.
func TestPredictions_NoDeadlock(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		var (
			p     = b.place(t)
			pool  = p.pool(t)
			log   lockedBuffer
			ready = p.openBy(t, pool, credit(t, 2))
		)
		all := allAsked("a", 500)
		for range 4 {
			var wg sync.WaitGroup
			for range 6 {
				wg.Go(func() {
					db, err := sqlstore.Open(t.Context(), pool, credit(t, 2), log.config(p))
					if err != nil {
						t.Error(err)
						return
					}
					records := append(slices.Clone(all), all[:100]...)
					rand.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
					if err := db.Predictions().Append(t.Context(), records...); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			require.Len(t, idsOf(t, ready.Predictions(), predictlog.Query{}), 500)
			require.NoError(t, ready.Predictions().Prune(t.Context(), noon.Add(time.Hour)))
		}
		require.Zero(t, log.count("deadlock"))
	})
}

// Of writers of other contents under one ID one succeeds, also if they wait for each other.
func TestPredictions_RaceForID(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		store := b.place(t).open(t, credit(t, 2)).Predictions()
		for round := range 10 {
			var (
				wg   sync.WaitGroup
				errs = make([]error, 6)
			)
			for i := range errs {
				wg.Go(func() {
					records := allAsked(fmt.Sprint("m", round), 50)
					records[25].Row[0] = predictlog.Number(float64(i / 3)) // three say the same
					errs[i] = store.Append(t.Context(), records...)
				})
			}
			wg.Wait()
			won := 0
			for _, err := range errs {
				if err == nil {
					won++
				} else {
					require.ErrorIs(t, err, predictlog.ErrDuplicate)
				}
			}
			require.Equal(t, 3, won, "those that say the same")
			require.Len(t, idsOf(t, store, predictlog.Query{Model: fmt.Sprint("m", round)}), 50)
		}
	})
}

// Everything can be called from within a scan, on one connection.
func TestScan_HoldsNothing(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		p := b.place(t)
		p.conns = 1
		db := p.open(t, credit(t, 2))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		require.NoError(t, db.Predictions().Append(ctx, allAsked("a", 600)...))
		n := uint64(0)
		for r, err := range db.Predictions().Scan(ctx, predictlog.Query{}) {
			require.NoError(t, err)
			if n++; n%100 != 0 {
				continue
			}
			require.NoError(t, db.Labels().Append(ctx, labels.Label{PredictionID: r.ID, Class: "1", Time: noon}))
			done, err := db.Log("a").Append(ctx, n/100, []byte("x"))
			require.NoError(t, err)
			require.True(t, done)
			for l, err := range db.Labels().Scan(ctx, labels.Query{}) {
				require.NoError(t, err)
				_, err = db.Labels().Lookup(ctx, l.PredictionID)
				require.NoError(t, err)
				for _, err := range db.Log("a").Read(ctx, 0) {
					require.NoError(t, err)
					_, err = db.Lease("a").Acquire(ctx, "me", time.Second)
					require.NoError(t, err)
				}
			}
		}
		require.EqualValues(t, 600, n)
	})
}

// A cancelled transaction leaves nothing, and the connection usable.
func TestAppend_Cancelled(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		p := b.place(t)
		p.conns = 1
		store := p.open(t, credit(t, 2)).Predictions()
		records := allAsked("a", 2000)
		for i := range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Millisecond)
			err := store.Append(ctx, records...)
			cancel()
			if err != nil {
				require.ErrorIs(t, err, context.DeadlineExceeded)
			}
			n := len(idsOf(t, store, predictlog.Query{}))
			require.True(t, n == 0 || n == len(records), "%d records", n)
			if err == nil {
				require.Equal(t, len(records), n)
			}
			require.NoError(t, store.Prune(t.Context(), noon.Add(time.Hour)))
		}
	})
}

// scanOnly is a store of predictions that joins nothing.
type scanOnly struct{ predictlog.Store }

func TestJoin_IsThatOfPackageLabels(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		var (
			ctx = t.Context()
			db  = b.place(t).open(t, credit(t, 2))
			rng = rand.New(rand.NewPCG(1, 2))
		)
		for _, model := range []string{"a", "b"} {
			require.NoError(t, db.Predictions().Append(ctx, allAsked(model, 700)...))
		}
		for range 50 {
			var batch []labels.Label
			for range 40 {
				batch = append(batch, labels.Label{
					PredictionID: fmt.Sprintf("%c-%04d", "abc"[rng.IntN(3)], rng.IntN(400)),
					Class:        []string{"0", "1", "misfit"}[rng.IntN(3)],
					Time:         noon.Add(time.Duration(rng.IntN(5)) * time.Hour),
					Arrived:      noon.Add(time.Duration(rng.IntN(9)) * time.Hour),
				})
			}
			require.NoError(t, db.Labels().Append(ctx, batch...))
		}
		for _, q := range []predictlog.Query{{}, {Model: "a"}, {Model: "b", Version: "2", From: noon.Add(time.Minute)}, {Tag: predictlog.Tag{Name: "shard", Value: "2"}}} {
			for _, arrivedBy := range []time.Time{{}, noon, noon.Add(3 * time.Hour), noon.Add(3*time.Hour - 1), noon.Add(99 * time.Hour)} {
				_, ok := db.Predictions().JoinLabels(db.Labels(), q, arrivedBy)
				require.True(t, ok)
				var got, want []labels.Example
				for e, err := range labels.JoinAsOf(ctx, db.Predictions(), db.Labels(), q, arrivedBy) {
					require.NoError(t, err)
					got = append(got, e)
				}
				for e, err := range labels.JoinAsOf(ctx, scanOnly{db.Predictions()}, db.Labels(), q, arrivedBy) {
					require.NoError(t, err)
					want = append(want, e)
				}
				require.Equal(t, want, got)
			}
		}
		_, ok := db.Predictions().JoinLabels(labels.NewMemoryStore(), predictlog.Query{}, time.Time{})
		require.False(t, ok)
		other := b.place(t).open(t, credit(t, 2))
		_, ok = db.Predictions().JoinLabels(other.Labels(), predictlog.Query{}, time.Time{})
		require.False(t, ok)
	})
}
