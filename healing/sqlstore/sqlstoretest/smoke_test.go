package sqlstoretest

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

var noon = time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)

func TestSmoke(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		ctx := t.Context()
		db := b.place(t).open(t, credit(t, 2))
		var rs []predictlog.Record
		for i := range 1000 {
			rs = append(rs, predictlog.Record{ID: fmt.Sprint("p", i), Time: noon.Add(time.Duration(i/3) * time.Second), Model: []string{"a", "b", ""}[i%3], Version: "1",
				Row: predictlog.Row{predictlog.Number(float64(i)), predictlog.Missing(), predictlog.Category(`n"\{},`)}, Output: predictlog.Output{Class: "1"}})
		}
		require.NoError(t, db.Predictions().Append(ctx, rs...))
		require.NoError(t, db.Predictions().Append(ctx, rs...))
		x := rs[5]
		x.Version = "2"
		require.ErrorIs(t, db.Predictions().Append(ctx, x, predictlog.Record{ID: "new", Time: noon, Row: x.Row}), predictlog.ErrDuplicate)
		n := 0
		for r, err := range db.Predictions().Scan(ctx, predictlog.Query{}) {
			require.NoError(t, err)
			_ = r
			n++
		}
		require.Equal(t, 1000, n)
		ls := db.Labels()
		require.NoError(t, ls.Append(ctx, labels.Label{PredictionID: "p1", Class: "1", Time: noon}, labels.Label{PredictionID: "p1", Class: "0", Time: noon}, labels.Label{PredictionID: "p2", Class: "0", Time: noon}))
		found, err := ls.Lookup(ctx, "p1", "p2", "p3", "bad id")
		require.NoError(t, err)
		require.Len(t, found, 2)
		require.Equal(t, "0", found["p1"].Class)
		join, ok := db.Predictions().JoinLabels(ls, predictlog.Query{}, time.Time{})
		require.True(t, ok)
		n = 0
		for e, err := range join(ctx) {
			require.NoError(t, err)
			if e.Labelled {
				n++
			}
		}
		require.Equal(t, 2, n)

		l := db.Log("x")
		done, err := l.Append(ctx, 1, []byte{0, 1})
		require.NoError(t, err)
		require.True(t, done)
		done, err = l.Append(ctx, 1, []byte{0, 1})
		require.NoError(t, err)
		require.False(t, done)
		done, err = l.Append(ctx, 3, []byte{0, 3})
		require.NoError(t, err)
		require.True(t, done)
		var got [][]byte
		for e, err := range l.Read(ctx, 0) {
			require.NoError(t, err)
			got = append(got, e)
		}
		require.Equal(t, [][]byte{{0, 1}, {}, {0, 3}}, got)

		bl := db.Blobs("y")
		content := bytes.Repeat([]byte("0123456789"), 300_000)
		require.NoError(t, bl.Put(ctx, "a-1", bytes.NewReader(content)))
		r, err := bl.Get(ctx, "a-1")
		require.NoError(t, err)
		back, err := io.ReadAll(r)
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, back))
		for x, err := range bl.List(ctx) {
			require.NoError(t, err)
			require.EqualValues(t, len(content), x.Size)
			require.WithinDuration(t, time.Now(), x.Time, time.Second)
		}
		require.NoError(t, bl.Delete(ctx, "a-1"))

		le := db.Lease("z")
		tok, err := le.Acquire(ctx, "me", time.Hour)
		require.NoError(t, err)
		require.EqualValues(t, 1, tok)
		tok, err = le.Acquire(ctx, "you", time.Hour)
		require.NoError(t, err)
		require.EqualValues(t, 0, tok)
		held, err := le.Renew(ctx, "me", 1, time.Millisecond)
		require.NoError(t, err)
		require.True(t, held)
		time.Sleep(5 * time.Millisecond)
		tok, err = le.Acquire(ctx, "you", time.Hour)
		require.NoError(t, err)
		require.EqualValues(t, 2, tok)
		require.NoError(t, le.Release(ctx, "you", 2))
		tok, err = le.Acquire(ctx, "me", time.Hour)
		require.NoError(t, err)
		require.EqualValues(t, 3, tok)

		te := db.Telemetry()
		for i := range 10 {
			require.NoError(t, te.Put(ctx, healing.Point{Series: "s", Time: noon.Add(time.Duration(i) * time.Minute), Data: []byte{byte(i)}}))
		}
		var data []byte
		for p, err := range te.Scan(ctx, healing.PointQuery{Series: "s", Last: 3}) {
			require.NoError(t, err)
			data = append(data, p.Data...)
		}
		require.Equal(t, []byte{7, 8, 9}, data)
		require.NoError(t, db.Prune(ctx, noon.Add(5*time.Minute)))
		n = 0
		for range te.Scan(ctx, healing.PointQuery{Series: "s"}) {
			n++
		}
		require.Equal(t, 5, n)
	})
}
