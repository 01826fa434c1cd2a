package predictlog_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/predictlogtest"
)

// A store that only scans has columns too; what it yields before an error comes before it.
func TestScanColumns_OfAnyStore(t *testing.T) {
	t.Parallel()
	memory := predictlog.NewMemoryStore(applicantSchema(t))
	const n = 10_000
	for i := range n {
		r := applicantRecord(fmt.Sprint(i))
		r.Row[2] = predictlog.Category(fmt.Sprint("text ", i)) // all different
		require.NoError(t, memory.Append(t.Context(), r))
	}
	errDisk := errors.New("disk")
	store := predictlogtest.Faulty(memory, func(int) error { return nil })
	_, scansColumns := store.(predictlog.ColumnScanner)
	require.False(t, scansColumns)
	count := 0
	for b, err := range predictlog.ScanColumns(t.Context(), store, predictlog.Query{}) {
		require.NoError(t, err)
		for i, code := range b.Codes[2] {
			require.Equal(t, fmt.Sprint("text ", count+i), b.Levels[2][code])
		}
		count += b.Len
	}
	require.Equal(t, n, count)
	for b, err := range predictlog.ScanColumns(t.Context(), store, predictlog.Query{}) {
		require.NoError(t, err)
		require.Equal(t, 4096, b.Len)
		break
	}

	var lens []int
	var last error
	for b, err := range predictlog.ScanColumns(t.Context(), failing{memory, 5000, errDisk}, predictlog.Query{}) {
		require.NoError(t, last)
		if last = err; err == nil {
			lens = append(lens, b.Len)
		}
	}
	require.Equal(t, []int{4096, 904}, lens)
	require.ErrorIs(t, last, errDisk)
}

// A store that breaks its promises makes no panic.
func TestScanColumns_OfABrokenStore(t *testing.T) {
	t.Parallel()
	scan := func(r predictlog.Record) (score float64, last error) {
		store := yielding{predictlog.NewMemoryStore(applicantSchema(t)), r}
		for b, err := range predictlog.ScanColumns(t.Context(), store, predictlog.Query{}) {
			if last = err; err == nil {
				score = b.Score[0]
			}
		}
		return score, last
	}
	r := applicantRecord("a")
	r.Output.Probabilities = []float64{1}
	score, err := scan(r)
	require.NoError(t, err)
	require.True(t, math.IsNaN(score))
	r.Row = nil
	_, err = scan(r)
	require.ErrorIs(t, err, predictlog.ErrInvalidRecord)
}

// yielding yields any record.
type yielding struct {
	predictlog.Store
	record predictlog.Record
}

func (y yielding) Scan(context.Context, predictlog.Query) iter.Seq2[predictlog.Record, error] {
	return func(yield func(predictlog.Record, error) bool) { yield(y.record, nil) }
}

// failing yields an error after some records.
type failing struct {
	predictlog.Store
	after int
	err   error
}

func (f failing) Scan(ctx context.Context, q predictlog.Query) iter.Seq2[predictlog.Record, error] {
	return func(yield func(predictlog.Record, error) bool) {
		n := 0
		for r, err := range f.Store.Scan(ctx, q) {
			if n == f.after {
				yield(predictlog.Record{}, f.err)
				return
			}
			if n++; !yield(r, err) {
				return
			}
		}
	}
}

func ExampleScanColumns() {
	schema, err := predictlog.NewSchema([]predictlog.Column{
		{Name: "income", Kind: predictlog.Numeric},
		{Name: "region", Kind: predictlog.Categorical},
	}, predictlog.Target{})
	if err != nil {
		fmt.Println(err)
		return
	}
	store := predictlog.NewMemoryStore(schema)
	for i, region := range []string{"north", "south", "north"} {
		err := store.Append(context.Background(), predictlog.Record{
			ID: fmt.Sprint(i), Time: time.UnixMicro(1), Row: predictlog.Row{predictlog.Number(float64(1000 * i)), predictlog.Category(region)},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	for batch, err := range predictlog.ScanColumns(context.Background(), store, predictlog.Query{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(batch.Numbers[0], batch.Codes[1], batch.Levels[1])
	}
	// Output: [0 1000 2000] [0 1 0] [north south]
}

// A prune leaves a scan that is under way as it was.
func TestMemoryStore_PruneMeanwhile(t *testing.T) {
	t.Parallel()
	memory := predictlog.NewMemoryStore(applicantSchema(t))
	for i := range 3 {
		r := applicantRecord(fmt.Sprint(i))
		r.Time = r.Time.Add(time.Duration(i) * time.Hour)
		require.NoError(t, memory.Append(t.Context(), r))
	}
	var ids []string
	for r, err := range memory.Scan(t.Context(), predictlog.Query{}) {
		require.NoError(t, err)
		ids = append(ids, r.ID)
		require.NoError(t, memory.Prune(t.Context(), applicantRecord("").Time.Add(90*time.Minute)))
	}
	require.Equal(t, []string{"0", "1", "2"}, ids)
	count := 0
	for r, err := range memory.Scan(t.Context(), predictlog.Query{}) {
		require.NoError(t, err)
		require.Equal(t, "2", r.ID)
		count++
	}
	require.Equal(t, 1, count)
}
