package gate_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

func TestMinSamples(t *testing.T) {
	t.Parallel()
	e := better(t)
	check := verdict(t, gate.Pass, gate.MinSamples{Rows: 2000}, e)
	require.Equal(t, "2,000 labelled rows, at least 2,000 wanted", check.Reason)
	require.True(t, check.Precondition)
	check = verdict(t, gate.Undecided, gate.MinSamples{Rows: 2001}, e)
	require.Equal(t, 2001, check.Needed)
	verdict(t, gate.Undecided, gate.MinSamples{Rows: 1}, gate.Evidence{})
	require.ErrorContains(t, validate(gate.MinSamples{}), "Rows is 0")
	require.ErrorContains(t, validate(gate.MinSamples{Rows: -1}), "Rows is -1, want above 0")
}

func TestMinSamples_PerClass(t *testing.T) {
	t.Parallel()
	truth := repeat(0, 200)
	copy(truth, repeat(1, 4))
	e := tiny(t, truth, truth, truth)
	check := verdict(t, gate.Undecided, gate.MinSamples{Rows: 200, PerClass: 10}, e)
	require.Equal(t, `4 of 200 labelled rows are of class "1", which is too few: at least 10 wanted`, check.Reason)
	require.Equal(t, 4.0, check.Statistic)
	require.Equal(t, 10.0, check.Threshold)
	require.Equal(t, 500, check.Needed)
	require.True(t, check.Precondition)
	check = verdict(t, gate.Pass, gate.MinSamples{Rows: 200, PerClass: 4}, e)
	require.Equal(t, `200 labelled rows, at least 200 wanted; 4 of the rarest class "1", at least 4 wanted`, check.Reason)
	require.Equal(t, 200.0, check.Statistic)
	check = verdict(t, gate.Undecided, gate.MinSamples{Rows: 201, PerClass: 4}, e)
	require.Equal(t, 201, check.Needed)

	// Standard wants 10, so that the proof of a better F1 rests on something.
	require.Contains(t, gate.Evaluate(gate.Standard(), e).Reasons()[0], `are of class "1"`)
	unnamed := e
	unnamed.Target = predictlog.Target{Task: predictlog.Binary}
	require.Contains(t, verdict(t, gate.Undecided, gate.MinSamples{PerClass: 10}, unnamed).Reason, `class "1"`)

	one := tiny(t, repeat(0, 50), repeat(0, 50), repeat(0, 50))
	check = verdict(t, gate.Undecided, gate.MinSamples{PerClass: 1}, one)
	require.Equal(t, `0 of 50 labelled rows are of class "1", which is too few: at least 1 wanted`, check.Reason)
	require.Zero(t, check.Needed, "no number of rows like these would do")
	require.Zero(t, verdict(t, gate.Undecided, gate.MinSamples{PerClass: math.MaxInt}, e).Needed)
	verdict(t, gate.Pass, gate.MinSamples{PerClass: 100}, multiclass(400))
	verdict(t, gate.Pass, gate.MinSamples{Rows: 50, PerClass: 100}, regression(50, 0.9))

	require.ErrorContains(t, validate(gate.MinSamples{PerClass: -1}), "PerClass is -1, want 0 or more")
}

func TestMinCoverage(t *testing.T) {
	t.Parallel()
	e := better(t)
	e.Coverage = labels.Count{Predictions: 5000, Labelled: 2000}
	check := verdict(t, gate.Pass, gate.MinCoverage{Share: 0.4}, e)
	require.Equal(t, "2,000 of 5,000 predictions are labelled (40.0 %), at least 40.0 % wanted", check.Reason)
	require.True(t, check.Precondition)
	check = verdict(t, gate.Undecided, gate.MinCoverage{Share: 0.42}, e)
	require.Equal(t, 2100, check.Needed)
	e.Coverage.Predictions = 10_000
	require.Equal(t, 2800, verdict(t, gate.Undecided, gate.MinCoverage{Share: 0.28}, e).Needed)
	verdict(t, gate.Undecided, gate.MinCoverage{Share: 0}, gate.Evidence{})
	for _, share := range []float64{-0.1, 0, 1.1, nan} {
		require.ErrorContains(t, validate(gate.MinCoverage{Share: share}), "want above 0, at most 1")
	}
}

func TestCooldown(t *testing.T) {
	t.Parallel()
	week := gate.Cooldown{Period: 7 * 24 * time.Hour}
	e := better(t)
	check := verdict(t, gate.Pass, week, e)
	require.Equal(t, "the last promotion was 8 days ago, at least 7 days wanted", check.Reason)
	require.Equal(t, 8*24.0, check.Statistic)
	e.LastPromotion = day0.Add(-time.Hour)
	check = verdict(t, gate.Undecided, week, e)
	require.Equal(t, "the last promotion was 1h0m0s ago, at least 7 days wanted: not before 2025-03-07T23:00:00Z", check.Reason)
	e.LastPromotion = day0.Add(time.Hour)
	verdict(t, gate.Undecided, week, e)
	e.LastPromotion = time.Time{}
	check = verdict(t, gate.Skipped, week, e)
	require.Equal(t, "the last promotion is not known", check.Reason)
	check = verdict(t, gate.Skipped, week, alone(e))
	require.Equal(t, "no model was promoted before", check.Reason)
	require.ErrorContains(t, validate(gate.Cooldown{}), "Period is 0s")
	require.ErrorContains(t, validate(gate.Cooldown{Period: -1}), "Period is -1ns")
}

// Years are days in whole numbers.
// A criterion by itself is written and read as in a policy.
func TestDurations_JSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to any
		want     string
	}{
		{gate.Cooldown{Period: 36 * time.Hour}, &gate.Cooldown{}, `{"period":"36h0m0s"}`},
		{gate.Maturity{Age: 48 * time.Hour, Share: 0.9}, &gate.Maturity{}, `{"age":"48h0m0s","share":0.9}`},
		{gate.MaxLatency{Absolute: 20 * time.Millisecond, Mean: true}, &gate.MaxLatency{}, `{"absolute":"20ms","mean":true}`},
		{
			gate.ErrorBudget{At: day0, Alpha: 0.01, Total: 0.1, Horizon: time.Hour}, &gate.ErrorBudget{},
			`{"at":"2025-03-01T00:00:00Z","alpha":0.01,"spent":0,"total":0.1,"horizon":"1h0m0s"}`,
		},
	} {
		data, err := json.Marshal(c.from)
		require.NoError(t, err)
		require.Equal(t, c.want, string(data))
		require.NoError(t, json.Unmarshal(data, c.to))
		require.Equal(t, c.from, reflect.ValueOf(c.to).Elem().Interface())
		require.ErrorContains(t, json.Unmarshal([]byte(`{"x":1}`), c.to), `unknown field "x"`)
		require.Equal(t, c.from, reflect.ValueOf(c.to).Elem().Interface(), "an error leaves it as it was")
	}
	var c gate.Cooldown
	require.EqualError(t, json.Unmarshal([]byte(`{"period":null}`), &c), "period is null, want a text")
	require.ErrorContains(t, json.Unmarshal([]byte(`{"period":7}`), &c), "cannot unmarshal number")
}

func TestCooldown_Years(t *testing.T) {
	t.Parallel()
	e := better(t)
	for days, want := range map[float64]string{998.6: "999 days", 999.4: "999 days", 999.6: "1,000 days", 1163: "1,163 days", 12.34: "12.3 days"} {
		e.LastPromotion = day0.Add(-time.Duration(days * 24 * float64(time.Hour)))
		require.Contains(t, verdict(t, gate.Pass, gate.Cooldown{Period: time.Hour}, e).Reason, "the last promotion was "+want+" ago, ")
	}
}
