package proxy_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/proxy"
)

func TestMeasure_Binary(t *testing.T) {
	t.Parallel()
	got, err := proxy.Measure(proxy.Sample{Scores: []float64{0.1, 0.2, 0.5, 0.9, 1}})
	require.NoError(t, err)
	require.Equal(t, 5, got.Volume)
	require.Equal(t, 0.6, *got.PositiveRate)
	require.Nil(t, got.Classes)
	require.Nil(t, got.Trends)
	s := got.Scores
	require.InDelta(t, 0.54, s.Mean, 1e-15)
	require.InDelta(t, math.Sqrt(0.1304), s.Std, 1e-15)
	require.Equal(t, []float64{0.1, 0.2, 0.5, 0.9, 1}, []float64{s.Min, s.P25, s.Median, s.P75, s.Max})
	// Bins of 1, 1, 1 and 2 of 5 scores.
	require.InDelta(t, 3*0.2*math.Log2(5)+0.4*math.Log2(2.5), s.Entropy, 1e-15)
	require.Zero(t, s.OutOfRangeRate)

	got, err = proxy.Measure(proxy.Sample{Scores: []float64{0.1, 0.2, 0.5}, Threshold: 0.2})
	require.NoError(t, err)
	require.InDelta(t, 2.0/3, *got.PositiveRate, 1e-15)
}

func TestMeasure_Multiclass(t *testing.T) {
	t.Parallel()
	got, err := proxy.Measure(proxy.Sample{Classes: []string{"b", "a", "b", "c"}})
	require.NoError(t, err)
	require.Equal(t, proxy.Metrics{Volume: 4, Classes: []proxy.ClassShare{{Class: "a", Share: 0.25}, {Class: "b", Share: 0.5}, {Class: "c", Share: 0.25}}}, got)

	got, err = proxy.Measure(proxy.Sample{Classes: []string{"b", "a", "b", "c"}, Positive: "b", Scores: []float64{0, 0, 0, 1}})
	require.NoError(t, err)
	require.Equal(t, 0.5, *got.PositiveRate, "what the model answered, not what the threshold would")
}

func TestMeasure_Regression(t *testing.T) {
	t.Parallel()
	got, err := proxy.Measure(proxy.Sample{Scores: []float64{-50, 5, 15, 25, 1e300}, Lo: 0, Hi: 100})
	require.NoError(t, err)
	require.Nil(t, got.PositiveRate)
	require.Equal(t, 0.4, got.Scores.OutOfRangeRate)
	require.InDelta(t, 0.4*math.Log2(2.5)+3*0.2*math.Log2(5), got.Scores.Entropy, 1e-15)
	_, err = json.Marshal(got)
	require.NoError(t, err)
}

func TestMeasure_Trends(t *testing.T) {
	t.Parallel()
	end := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	var s proxy.Sample
	for i := range 13 { // one each half hour, the score rising by 0.08 an hour
		s.Times = append(s.Times, end.Add(-time.Duration(i)*30*time.Minute))
		s.Scores = append(s.Scores, 0.9-0.04*float64(i))
	}
	got, err := proxy.Measure(s)
	require.NoError(t, err)
	require.Len(t, got.Trends, 3)

	hour := got.Trends[0]
	require.Equal(t, 1, hour.Hours)
	require.Equal(t, 2, hour.N, "the begin of the window is not part of it")
	require.Equal(t, 2.0, hour.VolumePerHour)
	require.InDelta(t, 0.88, *hour.MeanScore, 1e-12)
	require.InDelta(t, 0.08, *hour.ScoreChangePerHour, 1e-12)
	require.Equal(t, 1.0, *hour.PositiveRate)
	require.Equal(t, 0.0, *hour.PositiveRateChangePerHour)

	require.Equal(t, 12, got.Trends[1].N)
	require.Equal(t, 13, got.Trends[2].N)
	require.InDelta(t, 0.08, *got.Trends[2].ScoreChangePerHour, 1e-12)
	require.Positive(t, *got.Trends[2].PositiveRateChangePerHour)

	t.Run("later end", func(t *testing.T) {
		s.End = end.Add(2 * time.Hour)
		got, err := proxy.Measure(s)
		require.NoError(t, err)
		require.Equal(t, proxy.Trend{Hours: 1}, got.Trends[0], "an empty window knows nothing")
		require.Equal(t, 8, got.Trends[1].N)
	})
	t.Run("one time", func(t *testing.T) {
		got, err := proxy.Measure(proxy.Sample{Scores: []float64{0.2, 0.3}, Times: []time.Time{end, end}})
		require.NoError(t, err)
		require.Nil(t, got.Trends[0].ScoreChangePerHour)
		require.Equal(t, 0.25, *got.Trends[0].MeanScore)
	})
}

func TestMeasure_Errors(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	_, err := proxy.Measure(proxy.Sample{
		Scores:    []float64{0.5, 1.5, math.NaN()},
		Classes:   []string{"a", "b"},
		Times:     []time.Time{now, {}, now.Add(time.Hour)},
		End:       now,
		Threshold: 2,
	})
	require.ErrorIs(t, err, drift.ErrInvalidInput)
	require.Equal(t, []string{
		"drift: Sample.Classes: has 2 elements, want 3 as in the longest slice",
		"drift: Sample.Threshold: is 2, want 0 (0.5) to 1",
		"drift: Sample.Scores: index 1: is 1.5, want a probability; set Lo and Hi if it is none",
		"drift: Sample.Scores: index 2: is NaN, want a finite number",
		"drift: Sample.Times: index 1: is not set",
		"drift: Sample.Times: index 2: is 2025-03-01 13:00:00 +0000 UTC, want at most End, 2025-03-01 12:00:00 +0000 UTC",
	}, strings.Split(err.Error(), "\n"))

	_, err = proxy.Measure(proxy.Sample{Lo: 3, Hi: 1})
	require.EqualError(t, err, "drift: Sample.Lo: and Hi are 3 and 1, want a finite range, or both 0 for probabilities")

	got, err := proxy.Measure(proxy.Sample{})
	require.NoError(t, err)
	require.Equal(t, proxy.Metrics{}, got)
}

func TestMeasure_Properties(t *testing.T) {
	t.Parallel()
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250105))
	props.Property("bounded, ordered, and plain JSON", prop.ForAll(func(scores []float64) bool {
		got, err := proxy.Measure(proxy.Sample{Scores: scores})
		if err != nil || len(scores) == 0 {
			return err == nil && got.Scores == nil
		}
		_, err = json.Marshal(got)
		s := got.Scores
		return err == nil && s.Min <= s.P25 && s.P25 <= s.Median && s.Median <= s.P75 && s.P75 <= s.Max &&
			s.Min <= s.Mean && s.Mean <= s.Max && 0 <= s.Std && s.Std <= 0.5 &&
			0 <= s.Entropy && s.Entropy <= math.Log2(10)+1e-12
	}, gen.SliceOf(gen.Float64Range(0, 1))))
	props.TestingRun(t)
}

func ExampleMeasure() {
	p, err := proxy.Measure(proxy.Sample{Scores: []float64{0.1, 0.4, 0.6, 0.9}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d answers, %.0f %% positive, mean %.2f, entropy %.0f bits\n",
		p.Volume, 100**p.PositiveRate, p.Scores.Mean, p.Scores.Entropy)
	// Output: 4 answers, 50 % positive, mean 0.50, entropy 2 bits
}
