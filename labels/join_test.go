package labels_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/labels/storetest"
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
	for _, n := range []int{1, 999, 1000, 1001, 2000, 2500} {
		t.Run(fmt.Sprintf("n=%d", n), func(t *testing.T) {
			t.Parallel()
			lookups := 0
			store := storetest.Faulty(labelled(t, 0, n/2, n-1), func(int) error {
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
			c.label.PredictionID, c.label.Time = "p-1", noon
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
		l := labels.Label{PredictionID: "p-0", Class: class, Time: noon.Add(time.Duration(i) * time.Hour)}
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
			store := storetest.Faulty(labelled(t, 1), c.label)
			got, err := collect(labels.Join(t.Context(), predictions, store, predictlog.Query{}))
			require.EqualError(t, err, c.want)
			require.ErrorIs(t, err, failed)
			require.Len(t, got, c.yielded)

			_, err = labels.Collect(t.Context(),
				predictlogtest.Faulty(predict(t, 1500, predictlog.Target{}), c.prediction),
				storetest.Faulty(labelled(t, 1), c.label), predictlog.Query{})
			require.ErrorIs(t, err, failed)
		})
	}
}

// breaking yields an error in the middle of a scan.
type breaking struct{ predictlog.Store }

func (s breaking) Scan(ctx context.Context, q predictlog.Query) iter.Seq2[predictlog.Record, error] {
	return func(yield func(predictlog.Record, error) bool) {
		n := 0
		for r, err := range s.Store.Scan(ctx, q) {
			if n++; n == 1200 {
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
	predictions := breaking{predict(t, 1500, predictlog.Target{})}
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
	require.Equal(t, 1000, n)
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
