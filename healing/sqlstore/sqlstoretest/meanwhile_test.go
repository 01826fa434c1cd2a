package sqlstoretest

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// When a Prune returns, everything is gone, also what others prune at the same time.
func TestPrune_AtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		db := b.place(t).open(t, credit(t, 2))
		require.NoError(t, db.Predictions().Append(t.Context(), allAsked("a", 12_000)...))
		var points []healing.Point
		for i := range 6000 {
			points = append(points, healing.Point{Series: "a", Time: noon.Add(time.Duration(i) * time.Second), Part: "p"})
		}
		require.NoError(t, db.Telemetry().Put(t.Context(), points...))
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := db.Prune(t.Context(), noon.Add(day)); err != nil {
					t.Error(err)
				}
				for r, err := range db.Predictions().Scan(t.Context(), predictlog.Query{}) {
					t.Errorf("%s is left, or %v", r.ID, err)
					break
				}
				for p, err := range db.Telemetry().Scan(t.Context(), healing.PointQuery{Series: "a"}) {
					t.Errorf("point %s is left, or %v", p.Time, err)
					break
				}
			})
		}
		wg.Wait()
	})
}

// What no record can have matches none, whatever the database thinks of such text.
func TestPredictions_ImpossibleQueries(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		store := b.place(t).open(t, credit(t, 2)).Predictions()
		require.NoError(t, store.Append(t.Context(), allAsked("a", 3)...))
		for _, text := range []string{"a\x00", "\x00", "a\xff", "\xff"} {
			require.Empty(t, idsOf(t, store, predictlog.Query{Model: text}), "%q", text)
			require.Empty(t, idsOf(t, store, predictlog.Query{Version: text}), "%q", text)
			require.Empty(t, idsOf(t, store, predictlog.Query{Tag: predictlog.Tag{Name: text}}), "%q", text)
		}
	})
}

// countRows counts rows of a table at a place.
func countRows(t *testing.T, p place, pool *sql.DB, table string) (n int) {
	t.Helper()
	prefix := p.prefix
	if prefix == "" {
		prefix = "selfheal_"
	}
	require.NoError(t, pool.QueryRowContext(context.WithoutCancel(t.Context()), "SELECT count(*) FROM "+prefix+table).Scan(&n))
	return n
}

// A content that is deleted while it is being stored ends the Put at the next portion, and
// no portion is left, of which nobody would know.
func TestBlobs_DeletedWhilePut(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		p := b.place(t)
		pool := p.pool(t)
		store := p.openBy(t, pool, credit(t, 1)).Blobs("b")
		read := 0
		err := store.Put(t.Context(), "a", readerFunc(func(buf []byte) (int, error) {
			if read += len(buf); read == 4<<20 {
				require.NoError(t, store.Delete(t.Context(), "a"))
			}
			if read > 8<<20 {
				return 0, io.EOF
			}
			return len(buf), nil
		}))
		require.ErrorContains(t, err, "deleted meanwhile")
		require.Less(t, read, 7<<20, "the source is read on")
		require.Zero(t, countRows(t, p, pool, "chunk"))
		require.Zero(t, countRows(t, p, pool, "blob"))
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A content that is being stored is as old as its last portion, so that who cleans up what
// dead processes left does not take it for that.
func TestBlobs_AgeWhilePut(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		store := b.place(t).open(t, credit(t, 1)).Blobs("b")
		age := func() time.Time {
			for blob, err := range store.List(t.Context()) {
				require.NoError(t, err)
				return blob.Time
			}
			t.Fatal("it is not listed")
			return time.Time{}
		}
		var first time.Time
		portions := 0
		require.NoError(t, store.Put(t.Context(), "a", readerFunc(func(buf []byte) (int, error) {
			switch portions++; portions {
			case 1:
				first = age()
				time.Sleep(20 * time.Millisecond)
			case 2:
				require.True(t, age().After(first), "%v, and then %v", first, age())
				return 0, io.EOF
			}
			return len(buf), nil
		})))
	})
}

// A content that is deleted while it is read is not there; it is not damaged. To delete a
// large one takes many transactions, and what one of them left is deleted by the next call.
func TestBlobs_DeletedWhileRead(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		p := b.place(t)
		pool := p.pool(t)
		store := p.openBy(t, pool, credit(t, 1)).Blobs("b")
		require.NoError(t, store.Put(t.Context(), "a", &letters{3 << 20}))
		r, err := store.Get(t.Context(), "a")
		require.NoError(t, err)
		_, err = io.ReadFull(r, make([]byte, 1<<20))
		require.NoError(t, err)
		require.NoError(t, store.Delete(t.Context(), "a"))
		_, err = io.Copy(io.Discard, r)
		require.ErrorIs(t, err, registry.ErrNotFound)
		require.False(t, errors.Is(err, registry.ErrCorrupt))
		require.NoError(t, r.Close())
		require.Zero(t, countRows(t, p, pool, "chunk"))
	})
}

// A label arrives when the appends before it are done, not when it began to wait for them:
// who read meanwhile did not see it.
func TestLabels_ArriveAfterTheWait(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		if !b.durable {
			return // there is no second connection
		}
		ctx := t.Context()
		p := b.place(t)
		store := p.open(t, credit(t, 1)).Labels()
		other, err := p.pool(t).Conn(ctx)
		require.NoError(t, err)
		defer other.Close()
		begin, table := "BEGIN", p.prefix+"label_count"
		if !b.postgres() {
			begin, table = "BEGIN IMMEDIATE", "selfheal_label_count"
		}
		for _, statement := range []string{begin, "UPDATE " + table + " SET n = n"} {
			_, err := other.ExecContext(ctx, statement)
			require.NoError(t, err)
		}
		appended := make(chan error, 1)
		go func() { appended <- store.Append(ctx, labels.Label{PredictionID: "a", Class: "1", Time: noon}) }()
		time.Sleep(100 * time.Millisecond)
		read := time.Now()
		_, err = other.ExecContext(ctx, "COMMIT")
		require.NoError(t, err)
		require.NoError(t, <-appended)
		none, err := store.LookupAsOf(ctx, read, "a")
		require.NoError(t, err)
		require.Empty(t, none, "it was not there then")
	})
}
