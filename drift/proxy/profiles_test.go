package proxy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/proxy"
)

func profileOf(t testing.TB, ref *drift.Reference, columns ...drift.Column) *drift.Profile {
	t.Helper()
	p := ref.NewProfile()
	require.NoError(t, p.Add(columns))
	return p
}

func newReference(t testing.TB, columns ...drift.Column) *drift.Reference {
	t.Helper()
	ref, err := drift.NewReference(columns, drift.ReferenceConfig{})
	require.NoError(t, err)
	return ref
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return string(data)
}

// answersOf draws scores and the classes that follow from them.
func answersOf(rng *rand.Rand, n int, power float64) (scores []float64, classes []string) {
	for range n {
		score := rng.Float64()
		if power > 1 {
			score *= rng.Float64()
		}
		scores = append(scores, score)
		classes = append(classes, []string{"no", "yes"}[int(score+0.5)])
	}
	return scores, classes
}

// What was counted in profiles says the same as the records, but for what falls within a
// cell.
func TestMeasureProfiles_AgreesWithRecords(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(50, 1))
	scores, classes := answersOf(rng, 5000, 2)
	ref := newReference(t, drift.Numeric("score", scores), drift.Categorical("class", classes))

	end := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	var sample proxy.Sample
	var buckets []proxy.Bucket
	for i := range 5 * 12 { // five hours by five minutes, and fewer and higher scores lately
		to := end.Add(-time.Duration(i) * 5 * time.Minute)
		scores, classes := answersOf(rng, 20+i, float64(i)/12)
		buckets = append(buckets, proxy.Bucket{From: to.Add(-5 * time.Minute), To: to,
			Profile: profileOf(t, ref, drift.Numeric("score", scores), drift.Categorical("class", classes))})
		for j := range scores {
			sample.Scores = append(sample.Scores, scores[j])
			sample.Classes = append(sample.Classes, classes[j])
			sample.Times = append(sample.Times, to.Add(-150*time.Second))
		}
	}
	sample.End, sample.Positive = end, "yes"
	for _, c := range []struct {
		name    string
		columns proxy.Columns
		sample  proxy.Sample
	}{
		{"scores and classes", proxy.Columns{Score: "score", Class: "class", Positive: "yes"}, sample},
		{"classes", proxy.Columns{Class: "class", Positive: "yes"},
			proxy.Sample{Classes: sample.Classes, Positive: "yes", Times: sample.Times, End: end}},
		{"multiclass", proxy.Columns{Class: "class"}, proxy.Sample{Classes: sample.Classes, Times: sample.Times, End: end}},
		{"scores", proxy.Columns{Score: "score", Threshold: 0.3},
			proxy.Sample{Scores: sample.Scores, Threshold: 0.3, Times: sample.Times, End: end}},
		{"regression", proxy.Columns{Score: "score", Lo: 0.1, Hi: 0.7},
			proxy.Sample{Scores: sample.Scores, Lo: 0.1, Hi: 0.7, Times: sample.Times, End: end}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want, err := proxy.Measure(c.sample)
			require.NoError(t, err)
			got, err := proxy.MeasureProfiles(buckets, c.columns)
			require.NoError(t, err)
			requireProxyClose(t, want, got)
		})
	}
}

// Rows without an answer do not take part in the change of the positive rate, whether that is
// of classes or of scores.
func TestMeasureProfiles_RatesAreOfKnownAnswers(t *testing.T) {
	t.Parallel()
	end := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	ref := newReference(t, drift.Numeric("score", []float64{0, 1}), drift.Categorical("class", []string{"a", "b"}))
	for _, c := range []struct {
		name    string
		classes [][]int32 // of 20 minutes each, -1 is missing
	}{
		{"up and down", [][]int32{{0, 0, -1, -1, -1, -1, -1, -1, -1, -1}, {1, 1}, {0, 0}}},
		{"up", [][]int32{{0, 0, 1}, {0, 1, -1, -1}, {1, 1, 1, -1, -1, -1, -1}}},
		{"nothing known in one", [][]int32{{0, 0}, {-1, -1, -1}, {0, 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sample := proxy.Sample{Positive: "b", End: end}
			var buckets []proxy.Bucket
			for i, codes := range c.classes {
				from := end.Add(time.Duration(i-len(c.classes)) * 20 * time.Minute)
				scores := make([]float64, len(codes))
				for j, code := range codes {
					if scores[j] = float64(code); code < 0 {
						scores[j] = math.NaN()
						continue
					}
					sample.Scores = append(sample.Scores, scores[j])
					sample.Classes = append(sample.Classes, []string{"a", "b"}[code])
					sample.Times = append(sample.Times, from.Add(10*time.Minute))
				}
				buckets = append(buckets, proxy.Bucket{From: from, To: from.Add(20 * time.Minute),
					Profile: profileOf(t, ref, drift.Numeric("score", scores), drift.CategoricalCodes("class", codes, []string{"a", "b"}))})
			}
			want, err := proxy.Measure(sample)
			require.NoError(t, err)
			for _, columns := range []proxy.Columns{{Class: "class", Positive: "b"}, {Score: "score"}, {Score: "score", Class: "class", Positive: "b"}} {
				got, err := proxy.MeasureProfiles(buckets, columns)
				require.NoError(t, err)
				for i, trend := range want.Trends {
					require.InDelta(t, *trend.PositiveRate, *got.Trends[i].PositiveRate, 1e-12)
					require.InDelta(t, *trend.PositiveRateChangePerHour, *got.Trends[i].PositiveRateChangePerHour, 1e-12)
				}
			}
		})
	}
}

// requireProxyClose compares all numbers, within what a cell can hide.
func requireProxyClose(t *testing.T, want, got proxy.Metrics) {
	t.Helper()
	flat := func(p proxy.Metrics) (names []string, values []float64) {
		var walk func(path string, v any)
		walk = func(path string, v any) {
			switch v := v.(type) {
			case map[string]any:
				for _, key := range slices.Sorted(maps.Keys(v)) {
					walk(path+"."+key, v[key])
				}
			case []any:
				for i := range v {
					walk(fmt.Sprintf("%s.%d", path, i), v[i])
				}
			case float64:
				names, values = append(names, path), append(values, v)
			case string:
				names, values = append(names, path+"="+v), append(values, 0)
			}
		}
		var decoded any
		require.NoError(t, json.Unmarshal([]byte(toJSON(t, p)), &decoded))
		walk("", decoded)
		return names, values
	}
	wantNames, wantValues := flat(want)
	gotNames, gotValues := flat(got)
	require.Equal(t, wantNames, gotNames)
	for i := range wantValues {
		require.InDelta(t, wantValues[i], gotValues[i], 0.005, wantNames[i])
	}
}

func TestMeasureProfiles_Errors(t *testing.T) {
	t.Parallel()
	ref := newReference(t, drift.Numeric("score", []float64{0.5}), drift.Categorical("class", []string{"yes"}))
	other := newReference(t, drift.Numeric("score", []float64{0.7}))
	now := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	bucket := proxy.Bucket{From: now, To: now.Add(time.Hour), Profile: ref.NewProfile()}

	_, err := proxy.MeasureProfiles([]proxy.Bucket{bucket, {From: now, To: now}, {From: now, To: now.Add(1), Profile: other.NewProfile()}}, proxy.Columns{})
	require.ErrorIs(t, err, drift.ErrReferenceMismatch)
	require.ErrorIs(t, err, drift.ErrInvalidInput)
	require.Contains(t, err.Error(), "buckets: index 1: has no profile made by Reference.NewProfile")
	require.Contains(t, err.Error(), "want an end after the beginning")

	for _, c := range []struct {
		columns proxy.Columns
		want    []string
	}{
		{proxy.Columns{}, []string{`drift: Columns: has neither Score nor Class, want at least one`}},
		{proxy.Columns{Score: "class", Class: "clas", Threshold: 2}, []string{
			`drift: Columns.Threshold: is 2, want 0 (0.5) to 1`,
			`drift: Columns.Score: is "class", which is categorical, want a numeric column`,
			`drift: Columns.Class: is "clas", want one of ["score" "class"]`,
		}},
		{proxy.Columns{Class: "class", Positive: "ja"}, []string{`drift: Columns.Positive: is "ja", want one of ["yes"]`}},
	} {
		_, err := proxy.MeasureProfiles([]proxy.Bucket{bucket}, c.columns)
		require.ErrorIs(t, err, drift.ErrInvalidInput)
		require.Equal(t, c.want, strings.Split(err.Error(), "\n"))
	}
	// Without a profile there is no reference to find columns in, but the rest is checked,
	// and beside mistakes in the buckets.
	for _, buckets := range [][]proxy.Bucket{nil, {{From: now, To: now}}} {
		for _, c := range []struct {
			columns proxy.Columns
			want    string
		}{
			{proxy.Columns{}, `drift: Columns: has neither Score nor Class, want at least one`},
			{proxy.Columns{Score: "score", Lo: 2, Hi: 1}, `drift: Columns.Lo: and Hi are 2 and 1, want a finite range, or both 0 for probabilities`},
			{proxy.Columns{Score: "score", Threshold: -1}, `drift: Columns.Threshold: is -1, want 0 (0.5) to 1`},
		} {
			_, err := proxy.MeasureProfiles(buckets, c.columns)
			require.ErrorIs(t, err, drift.ErrInvalidInput)
			lines := strings.Split(err.Error(), "\n")
			require.Equal(t, c.want, lines[len(lines)-1])
			require.Len(t, lines, 1+2*len(buckets))
		}
	}
	_, err = proxy.MeasureProfiles([]proxy.Bucket{{From: now, To: now, Profile: ref.NewProfile()}}, proxy.Columns{Score: "scor"})
	require.ErrorContains(t, err, "want an end after the beginning")
	require.ErrorContains(t, err, `drift: Columns.Score: is "scor", want one of ["score" "class"]`)
	_, err = proxy.MeasureProfiles(nil, proxy.Columns{Score: "nobody knows"})
	require.NoError(t, err)

	for _, none := range [][]proxy.Bucket{nil, {bucket}} {
		got, err := proxy.MeasureProfiles(none, proxy.Columns{Score: "score"})
		require.NoError(t, err)
		require.Equal(t, proxy.Metrics{}, got)
	}
}

func ExampleMeasureProfiles() {
	training := []float64{0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9}
	reference, err := drift.NewReference([]drift.Column{drift.Numeric("score", training)}, drift.ReferenceConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	hour := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	var buckets []proxy.Bucket
	for i, scores := range [][]float64{{0.1, 0.2, 0.3}, {0.3, 0.6, 0.9}} {
		profile := reference.NewProfile()
		if err := profile.Add([]drift.Column{drift.Numeric("score", scores)}); err != nil {
			fmt.Println(err)
			return
		}
		from := hour.Add(time.Duration(i) * time.Hour)
		buckets = append(buckets, proxy.Bucket{From: from, To: from.Add(time.Hour), Profile: profile})
	}
	p, err := proxy.MeasureProfiles(buckets, proxy.Columns{Score: "score"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d answers, mean %.2f, %+.2f an hour\n", p.Volume, p.Scores.Mean, *p.Trends[1].ScoreChangePerHour)
	// Output: 6 answers, mean 0.40, +0.40 an hour
}
