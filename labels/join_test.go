package labels_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/labels/labelstest"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/predictlogtest"
)

// newSchema returns a schema of one numeric column.
func newSchema(tb testing.TB, target predictlog.Target) *predictlog.Schema {
	tb.Helper()
	schema, err := predictlog.NewSchema([]predictlog.Column{{Name: "age", Kind: predictlog.Numeric}}, target)
	require.NoError(tb, err)
	return schema
}

// prediction returns the i-th prediction, i seconds after noon.
func prediction(i int) predictlog.Record {
	return predictlog.Record{
		ID:      "p-" + strconv.Itoa(i),
		Time:    noon.Add(time.Duration(i) * time.Second),
		Model:   "credit",
		Version: "v" + strconv.Itoa(1+i%2),
		Row:     predictlog.Row{predictlog.Number(float64(i))},
	}
}

// predict returns a store of the first n predictions.
func predict(tb testing.TB, n int, target predictlog.Target) predictlog.Store {
	tb.Helper()
	store := predictlog.NewMemoryStore(newSchema(tb, target))
	records := make([]predictlog.Record, n)
	for i := range records {
		records[i] = prediction(i)
	}
	require.NoError(tb, store.Append(tb.Context(), records...))
	return store
}

// labelled returns a store of a label "1" for each of the given predictions.
func labelled(tb testing.TB, predictions ...int) labels.Store {
	tb.Helper()
	store := labels.NewMemoryStore()
	for _, i := range predictions {
		l := labels.Label{PredictionID: "p-" + strconv.Itoa(i), Class: "1", Time: noon.Add(time.Hour)}
		require.NoError(tb, store.Append(tb.Context(), l))
	}
	return store
}

// collect ranges to the end of a sequence or its error.
func collect(examples iter.Seq2[labels.Example, error]) (got []labels.Example, err error) {
	for e, err := range examples {
		if err != nil {
			return got, err
		}
		got = append(got, e)
	}
	return got, nil
}

func TestJoin(t *testing.T) {
	t.Parallel()
	predictions, store := predict(t, 4, predictlog.Target{}), labelled(t, 1, 3, 99)
	require.NoError(t, store.Append(t.Context(), labels.Label{PredictionID: "p-1", Class: "0", Time: noon.Add(2 * time.Hour)}))

	got, err := collect(labels.Join(t.Context(), predictions, store, predictlog.Query{}))
	require.NoError(t, err)
	require.Len(t, got, 4)
	for i, e := range got {
		require.True(t, e.Record.Equal(prediction(i)))
		require.Equal(t, i%2 == 1, e.Labelled)
	}
	require.Equal(t, "0", got[1].Label.Class, "the corrected label")
	require.Equal(t, "1", got[3].Label.Class)
	require.Zero(t, got[0].Label)

	got, err = collect(labels.Join(t.Context(), predictions, store, predictlog.Query{From: noon.Add(time.Second), Version: "v1"}))
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, "p-2", got[0].Record.ID)
}

func TestJoin_LabelBeforePrediction(t *testing.T) {
	t.Parallel()
	predictions, store := predict(t, 0, predictlog.Target{}), labelled(t, 0)
	examples := labels.Join(t.Context(), predictions, store, predictlog.Query{})
	got, err := collect(examples)
	require.NoError(t, err)
	require.Empty(t, got)

	require.NoError(t, predictions.Append(t.Context(), prediction(0)))
	got, err = collect(examples) // ranged over again, it is a new join
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.True(t, got[0].Labelled)
}

func TestJoin_Batches(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 999, 1000, 1001, 2500, 15_999, 16_000, 16_001, 17_000, 18_500} {
		t.Run(fmt.Sprintf("n=%d", n), func(t *testing.T) {
			t.Parallel()
			lookups := 0
			store := labelstest.Faulty(labelled(t, 0, n/2, n-1), func(int) error {
				lookups++
				return nil
			})
			got, err := collect(labels.Join(t.Context(), predict(t, n, predictlog.Target{}), store, predictlog.Query{}))
			require.NoError(t, err)
			require.Len(t, got, n)
			for i, e := range got {
				require.Equal(t, "p-"+strconv.Itoa(i), e.Record.ID)
				require.Equal(t, i == 0 || i == n/2 || i == n-1, e.Labelled, i)
			}
			require.Equal(t, (n+999)/1000, lookups)
		})
	}
}

func TestJoin_Misfit(t *testing.T) {
	t.Parallel()
	regression := predictlog.Target{Task: predictlog.Regression}
	for _, c := range []struct {
		name   string
		target predictlog.Target
		label  labels.Label
		want   string // empty if it fits
	}{
		{"class", predictlog.Target{}, labels.Label{Class: "0"}, ""},
		{"unknown class", predictlog.Target{}, labels.Label{Class: "yes"}, `labels: label of prediction "p-1": class: "yes", want one of ["0" "1"]`},
		{"value", predictlog.Target{}, labels.Label{Value: 0.5}, `value: 0.5, want a class, one of ["0" "1"]`},
		{"regression", regression, labels.Label{Value: 0.5}, ""},
		{"regression of 0", regression, labels.Label{}, ""},
		{"class for a regression", regression, labels.Label{Class: "1"}, `class: "1", but the target is a regression`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			predictions, store := predict(t, 3, c.target), labels.NewMemoryStore()
			c.label.PredictionID, c.label.Time, c.label.Arrived = "p-1", noon, noon
			require.NoError(t, store.Append(t.Context(), c.label))
			got, err := collect(labels.Join(t.Context(), predictions, store, predictlog.Query{}))
			require.NoError(t, err)
			require.Len(t, got, 3, "a misfit does not end the sequence")
			require.Equal(t, labels.Example{Record: got[0].Record}, got[0])
			require.Equal(t, labels.Example{Record: got[2].Record}, got[2])
			require.Equal(t, c.label, got[1].Label)
			require.Equal(t, c.want == "", got[1].Labelled)
			if c.want == "" {
				require.NoError(t, got[1].Misfit)
				return
			}
			require.ErrorContains(t, got[1].Misfit, c.want)
			require.ErrorIs(t, got[1].Misfit, labels.ErrInvalidLabel)
			var labelErr *labels.LabelError
			require.ErrorAs(t, got[1].Misfit, &labelErr)
			require.Equal(t, "p-1", labelErr.PredictionID)
		})
	}
}

// An older revision that fits does not take a misfit's place, a correction does.
func TestJoin_MisfitCorrected(t *testing.T) {
	t.Parallel()
	predictions, store := predict(t, 1, predictlog.Target{}), labels.NewMemoryStore()
	for i, class := range []string{"0", "yes", "1"} {
		l := labels.Label{PredictionID: "p-0", Class: class, Time: noon.Add(time.Duration(i) * time.Hour), Arrived: noon}
		require.NoError(t, store.Append(t.Context(), l))
		got, err := collect(labels.Join(t.Context(), predictions, store, predictlog.Query{}))
		require.NoError(t, err)
		require.Len(t, got, 1)
		require.Equal(t, l, got[0].Label)
		require.Equal(t, class != "yes", got[0].Labelled)
		require.Equal(t, class == "yes", got[0].Misfit != nil)
	}
}

func TestJoin_StoreFails(t *testing.T) {
	t.Parallel()
	failed := errors.New("disk on fire")
	never := func(int) error { return nil }
	onCall := func(n int) func(int) error {
		return func(call int) error {
			if call == n {
				return failed
			}
			return nil
		}
	}
	for _, c := range []struct {
		name              string
		prediction, label func(int) error
		want              string
		yielded           int
	}{
		{"predictions", onCall(1), never, "labels: join: predictions: disk on fire", 0},
		{"labels", never, onCall(1), "labels: join: disk on fire", 0},
		{"labels in the second batch", never, onCall(2), "labels: join: disk on fire", 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			predictions := predictlogtest.Faulty(predict(t, 1500, predictlog.Target{}), c.prediction)
			store := labelstest.Faulty(labelled(t, 1), c.label)
			got, err := collect(labels.Join(t.Context(), predictions, store, predictlog.Query{}))
			require.EqualError(t, err, c.want)
			require.ErrorIs(t, err, failed)
			require.Len(t, got, c.yielded)

			_, err = labels.Collect(t.Context(),
				predictlogtest.Faulty(predict(t, 1500, predictlog.Target{}), c.prediction),
				labelstest.Faulty(labelled(t, 1), c.label), predictlog.Query{})
			require.ErrorIs(t, err, failed)
		})
	}
}

func TestJoinAsOf(t *testing.T) {
	t.Parallel()
	predictions, store := predict(t, 3, predictlog.Target{}), labels.NewMemoryStore()
	for i, l := range []labels.Label{
		{PredictionID: "p-0", Class: "0", Time: noon},
		{PredictionID: "p-1", Class: "yes", Time: noon}, // a misfit
		{PredictionID: "p-0", Class: "1", Time: noon.Add(time.Hour)},
		{PredictionID: "p-1", Class: "1", Time: noon.Add(time.Hour)},
		{PredictionID: "p-0", Class: "0", Time: noon.Add(-time.Hour)}, // known before all, told after all
	} {
		l.Arrived = noon.Add(time.Duration(i+1) * time.Hour)
		require.NoError(t, store.Append(t.Context(), l))
	}
	all := predictlog.Query{}
	for hours, want := range map[int]string{0: "- - -", 1: "0 - -", 2: "0 !yes -", 3: "1 !yes -", 4: "1 1 -", 5: "1 1 -"} {
		got, err := collect(labels.JoinAsOf(t.Context(), predictions, store, all, noon.Add(time.Duration(hours)*time.Hour)))
		require.NoError(t, err)
		require.Equal(t, want, truths(got), "after %d hours", hours)
	}
	now, err := collect(labels.Join(t.Context(), predictions, store, all))
	require.NoError(t, err)
	require.Equal(t, "1 1 -", truths(now))

	// What a model was trained on can be collected again, whatever arrived since.
	trained := noon.Add(3 * time.Hour)
	before, err := labels.CollectAsOf(t.Context(), predictions, store, all, trained)
	require.NoError(t, err)
	require.Equal(t, labels.Count{Predictions: 3, Labelled: 1, Misfits: 1}, before.Coverage().Count)
	require.NoError(t, store.Append(t.Context(), labels.Label{PredictionID: "p-2", Class: "1", Time: noon}))
	again, err := labels.CollectAsOf(t.Context(), predictions, store, all, trained)
	require.NoError(t, err)
	require.Equal(t, before.Fingerprint(), again.Fingerprint())
	today, err := labels.Collect(t.Context(), predictions, store, all)
	require.NoError(t, err)
	require.NotEqual(t, before.Fingerprint(), today.Fingerprint())
}

// truths names the label of each example, with an exclamation mark if it is a misfit.
func truths(examples []labels.Example) string {
	var words []string
	for _, e := range examples {
		switch {
		case e.Misfit != nil:
			words = append(words, "!"+e.Label.Class)
		case e.Labelled:
			words = append(words, e.Label.Class)
		default:
			words = append(words, "-")
		}
	}
	return strings.Join(words, " ")
}

// joining is a store of predictions that joins with one store of labels.
type joining struct {
	predictlog.Store
	labels labels.Store
	fails  error // after the first example
}

func (j joining) JoinLabels(store labels.Store, q predictlog.Query, arrivedBy time.Time) (func(context.Context) iter.Seq2[labels.Example, error], bool) {
	if store != j.labels {
		return nil, false
	}
	return func(ctx context.Context) iter.Seq2[labels.Example, error] {
		return func(yield func(labels.Example, error) bool) {
			for r, err := range j.Scan(ctx, q) {
				if err != nil {
					yield(labels.Example{}, err)
					return
				}
				found, err := j.labels.LookupAsOf(ctx, arrivedBy, r.ID)
				e := labels.Example{Record: r}
				e.Label, e.Labelled = found[r.ID]
				if !yield(e, err) {
					return
				}
				if j.fails != nil {
					yield(labels.Example{}, j.fails)
					return
				}
			}
		}
	}, true
}

func TestJoin_Joiner(t *testing.T) {
	t.Parallel()
	beside, elsewhere := labelled(t, 1), labelled(t, 2)
	for _, l := range []labels.Label{
		{PredictionID: "p-0", Class: "yes", Time: noon, Arrived: noon},
		{PredictionID: "p-1", Class: "0", Time: noon, Arrived: noon},
	} {
		require.NoError(t, beside.Append(t.Context(), l))
	}
	asked := 0
	counted := labelstest.Faulty(beside, func(int) error { asked++; return nil })
	predictions := joining{Store: predict(t, 3, predictlog.Target{}), labels: counted}
	examples := labels.Join(t.Context(), predictions, counted, predictlog.Query{})
	for range 2 { // ranged over again, it is a new join
		got, err := collect(examples)
		require.NoError(t, err)
		require.Equal(t, "!yes 1 -", truths(got))
	}
	require.Equal(t, 6, asked, "one by one, as only the store itself asks")
	got, err := collect(labels.JoinAsOf(t.Context(), predictions, counted, predictlog.Query{}, noon))
	require.NoError(t, err)
	require.Equal(t, "!yes 0 -", truths(got))

	got, err = collect(labels.Join(t.Context(), predictions, elsewhere, predictlog.Query{}))
	require.NoError(t, err)
	require.Equal(t, "- - 1", truths(got), "it cannot join with these")

	for range labels.Join(t.Context(), predictions, counted, predictlog.Query{}) {
		break
	}
	predictions.fails = io.ErrUnexpectedEOF
	got, err = collect(labels.Join(t.Context(), predictions, counted, predictlog.Query{}))
	require.EqualError(t, err, "labels: join: unexpected EOF")
	require.Len(t, got, 1)
}

// connection is the only one to a database.
type connection chan struct{}

func (c connection) take(ctx context.Context) error {
	select {
	case c <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// keeping is a store that keeps the connection until its scan is over, which breaks a promise.
type keeping struct {
	predictlog.Store
	connection connection
}

func (s keeping) Scan(ctx context.Context, q predictlog.Query) iter.Seq2[predictlog.Record, error] {
	return func(yield func(predictlog.Record, error) bool) {
		if err := s.connection.take(ctx); err != nil {
			yield(predictlog.Record{}, err)
			return
		}
		defer func() { <-s.connection }()
		s.Store.Scan(ctx, q)(yield)
	}
}

// sharing is a store of labels on the same connection.
type sharing struct {
	labels.Store
	connection connection
}

func (s sharing) Lookup(ctx context.Context, ids ...string) (map[string]labels.Label, error) {
	if err := s.connection.take(ctx); err != nil {
		return nil, err
	}
	defer func() { <-s.connection }()
	return s.Store.Lookup(ctx, ids...)
}

func TestJoin_ScanKeepsTheConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for n, want := range map[int]error{15_999: nil, 16_000: context.DeadlineExceeded} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			only := make(connection, 1)
			examples := labels.Join(ctx, keeping{predict(t, n, predictlog.Target{}), only}, sharing{labelled(t, 1), only}, predictlog.Query{})
			coverage, err := labels.Cover(examples)
			require.ErrorIs(t, err, want)
			if want == nil {
				require.Equal(t, labels.Count{Predictions: n, Labelled: 1}, coverage.Count)
			}
			cancel()
		}
	})
}

// breaking yields an error in the middle of a scan.
type breaking struct{ predictlog.Store }

func (s breaking) Scan(ctx context.Context, q predictlog.Query) iter.Seq2[predictlog.Record, error] {
	return func(yield func(predictlog.Record, error) bool) {
		n := 0
		for r, err := range s.Store.Scan(ctx, q) {
			if n++; n == 17_200 {
				yield(predictlog.Record{}, io.ErrUnexpectedEOF)
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

func TestJoin_ScanBreaks(t *testing.T) {
	t.Parallel()
	predictions := breaking{predict(t, 17_500, predictlog.Target{})}
	n, errs := 0, 0
	for e, err := range labels.Join(t.Context(), predictions, labelled(t), predictlog.Query{}) {
		if err == nil {
			n++
			continue
		}
		errs++
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Zero(t, e)
	}
	require.Equal(t, 17_000, n)
	require.Equal(t, 1, errs)
}

func TestJoin_EarlyStop(t *testing.T) {
	t.Parallel()
	for _, stop := range []int{1, 1000, 1001, 1500} {
		n := 0
		for _, err := range labels.Join(t.Context(), predict(t, 1500, predictlog.Target{}), labelled(t, 1), predictlog.Query{}) {
			require.NoError(t, err)
			if n++; n == stop {
				break
			}
		}
		require.Equal(t, stop, n)
	}
}

func TestJoin_Cancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range labels.Join(ctx, predict(t, 1500, predictlog.Target{}), labelled(t, 1), predictlog.Query{}) {
		if last = err; err == nil {
			n++
			cancel()
		}
	}
	require.ErrorIs(t, last, context.Canceled)
	require.Equal(t, 1000, n, "the batch that was looked up")
}

func BenchmarkJoin(b *testing.B) {
	for _, size := range []struct{ predictions, labels int }{{100_000, 30_000}, {1_000_000, 300_000}} {
		b.Run(fmt.Sprintf("n=%d/labels=%d", size.predictions, size.labels), func(b *testing.B) {
			predictions, store := predict(b, size.predictions, predictlog.Target{}), labels.NewMemoryStore()
			ls := make([]labels.Label, size.labels)
			for i := range ls {
				ls[i] = labels.Label{PredictionID: "p-" + strconv.Itoa(i*size.predictions/size.labels), Class: "1", Time: noon}
			}
			require.NoError(b, store.Append(b.Context(), ls...))
			b.ReportAllocs()
			for b.Loop() {
				coverage, err := labels.Cover(labels.Join(b.Context(), predictions, store, predictlog.Query{}))
				if err != nil || coverage.Labelled != size.labels {
					b.Fatal(coverage, err)
				}
			}
		})
	}
}
