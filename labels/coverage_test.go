package labels_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// delayed returns a dataset whose predictions are labelled after these delays.
func delayed(delays ...time.Duration) labels.Dataset {
	var d labels.Dataset
	for i, delay := range delays {
		r := prediction(i)
		d.Examples = append(d.Examples, labels.Example{
			Record:   r,
			Label:    labels.Label{PredictionID: r.ID, Class: "1", Time: r.Time.Add(delay)},
			Labelled: true,
		})
	}
	return d
}

func TestCover(t *testing.T) {
	t.Parallel()
	examples := labels.Join(t.Context(), predict(t, 5, predictlog.Target{}), labelled(t, 0, 2, 3), predictlog.Query{})
	got, err := labels.Cover(examples)
	require.NoError(t, err)
	require.Equal(t, labels.Coverage{
		Count: labels.Count{Predictions: 5, Labelled: 3},
		ByVersion: map[string]labels.Count{
			"v1": {Predictions: 3, Labelled: 2},
			"v2": {Predictions: 2, Labelled: 1},
		},
		DelayP50: time.Hour - 2*time.Second,
		DelayP90: time.Hour,
	}, got)
	require.InDelta(t, 0.6, got.Share(), 1e-12)
}

func TestCover_Misfits(t *testing.T) {
	t.Parallel()
	predictions, store := predict(t, 5, predictlog.Target{}), labelled(t, 0, 2, 3)
	for _, i := range []int{1, 2} { // the second is a correction
		l := labels.Label{PredictionID: prediction(i).ID, Class: "yes", Time: noon.Add(9 * time.Hour)}
		require.NoError(t, store.Append(t.Context(), l))
	}
	want := labels.Coverage{
		Count: labels.Count{Predictions: 5, Labelled: 2, Misfits: 2},
		ByVersion: map[string]labels.Count{
			"v1": {Predictions: 3, Labelled: 1, Misfits: 1},
			"v2": {Predictions: 2, Labelled: 1, Misfits: 1},
		},
		DelayP50: time.Hour - 3*time.Second,
		DelayP90: time.Hour,
	}
	got, err := labels.Cover(labels.Join(t.Context(), predictions, store, predictlog.Query{}))
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.InDelta(t, 0.4, got.Share(), 1e-12)

	d, err := labels.Collect(t.Context(), predictions, store, predictlog.Query{})
	require.NoError(t, err)
	require.Equal(t, want, d.Coverage())
	require.Equal(t, []string{"p-0", "p-3"}, idsOf(d.Labelled()))
	require.Zero(t, d.Labelled().Coverage().Misfits)
}

func TestCover_Empty(t *testing.T) {
	t.Parallel()
	got := labels.Dataset{}.Coverage()
	require.Equal(t, labels.Coverage{ByVersion: map[string]labels.Count{}}, got)
	require.Zero(t, got.Share())

	unlabelled := labels.Dataset{Examples: []labels.Example{{Record: prediction(0)}}}.Coverage()
	require.Zero(t, unlabelled.Share())
	require.Zero(t, unlabelled.DelayP90)
}

func TestCover_Error(t *testing.T) {
	t.Parallel()
	failed := errors.New("disk on fire")
	got, err := labels.Cover(func(yield func(labels.Example, error) bool) {
		_ = yield(labels.Example{Record: prediction(0)}, nil) && yield(labels.Example{}, failed)
	})
	require.Equal(t, failed, err)
	require.Zero(t, got)
}

func TestCoverage_EarlyLabel(t *testing.T) {
	t.Parallel()
	require.Zero(t, delayed(-time.Hour).Coverage().DelayP50)
}

func TestCoverage_JSON(t *testing.T) {
	t.Parallel()
	p, err := json.Marshal(delayed(time.Second).Coverage())
	require.NoError(t, err)
	require.JSONEq(t, `{"predictions": 1, "labelled": 1, "misfits": 0,
		"by_version": {"v1": {"predictions": 1, "labelled": 1, "misfits": 0}},
		"delay_p50": 1000000000, "delay_p90": 1000000000}`, string(p))
}

func TestCoverage_NearestRank(t *testing.T) {
	t.Parallel()
	for n, want := range map[int][2]time.Duration{1: {1, 1}, 2: {1, 2}, 3: {2, 3}, 4: {2, 4}, 10: {5, 9}, 11: {6, 10}, 70: {35, 63}, 100: {50, 90}} {
		delays := make([]time.Duration, n)
		for i := range delays {
			delays[i] = time.Duration(n - i) // n down to 1
		}
		c := delayed(delays...).Coverage()
		require.Equal(t, want, [2]time.Duration{c.DelayP50, c.DelayP90}, fmt.Sprintf("n=%d", n))
	}
}

func TestCoverage_Properties(t *testing.T) {
	t.Parallel()
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250602))
	props.Property("a quantile is the first delay that enough delays are not above", prop.ForAll(func(ns []int64) bool {
		delays := make([]time.Duration, len(ns))
		for i, n := range ns {
			delays[i] = time.Duration(n)
		}
		c := delayed(delays...).Coverage()
		slices.Sort(delays)
		first := func(percent int) time.Duration {
			for i, d := range delays {
				if 100*(i+1) >= percent*len(delays) {
					return d
				}
			}
			return 0
		}
		return c.DelayP50 == first(50) && c.DelayP90 == first(90)
	}, gen.SliceOf(gen.Int64Range(0, 50))))
	props.TestingRun(t)
}
