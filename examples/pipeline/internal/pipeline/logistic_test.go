package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/modeltest"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/healing/trainertest"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// applicants returns labelled examples of a market.
func applicants(tb testing.TB, seed uint64, m market, n int) labels.Dataset {
	tb.Helper()
	schema, err := predictlog.SchemaOf[applicant]()
	require.NoError(tb, err)
	p := newPopulation(seed)
	data := labels.Dataset{Schema: schema, Examples: make([]labels.Example, n)}
	for i := range data.Examples {
		a, defaulted := p.draw(m)
		body, err := json.Marshal(a)
		require.NoError(tb, err)
		row, err := schema.ParseJSON(body)
		require.NoError(tb, err)
		data.Examples[i] = example(i, row, defaulted)
	}
	return data
}

func example(i int, row predictlog.Row, positive bool) labels.Example {
	e := labels.Example{
		Record:   predictlog.Record{ID: fmt.Sprintf("row-%d", i), Time: time.Unix(int64(i), 0).UTC(), Row: row},
		Label:    labels.Label{PredictionID: fmt.Sprintf("row-%d", i), Class: "0", Time: time.Unix(int64(i)+60, 0).UTC()},
		Labelled: true,
	}
	if positive {
		e.Label.Class = "1"
	}
	return e
}

// normals returns examples of independent normal columns whose log odds are linear.
func normals(tb testing.TB, n int, weights []float64, intercept float64) labels.Dataset {
	tb.Helper()
	columns := make([]predictlog.Column, len(weights))
	for j := range columns {
		columns[j] = predictlog.Column{Name: fmt.Sprintf("x%d", j), Kind: predictlog.Numeric}
	}
	schema, err := predictlog.NewSchema(columns, predictlog.Target{})
	require.NoError(tb, err)
	random := rand.New(rand.NewPCG(1, 2))
	data := labels.Dataset{Schema: schema, Examples: make([]labels.Example, n)}
	for i := range data.Examples {
		odds, row := intercept, make(predictlog.Row, len(weights))
		for j, w := range weights {
			x := random.NormFloat64()
			odds, row[j] = odds+w*x, predictlog.Number(x)
		}
		data.Examples[i] = example(i, row, random.Float64() < sigmoid(odds))
	}
	return data
}

func rowsOf(data labels.Dataset) []predictlog.Row {
	rows := make([]predictlog.Row, len(data.Examples))
	for i, e := range data.Examples {
		rows[i] = e.Record.Row
	}
	return rows
}

func TestFitLogistic_RecoversCoefficients(t *testing.T) {
	t.Parallel()
	want := []float64{1.5, -0.7, 0, 0.3}
	m, err := fitLogistic(t.Context(), normals(t, 20000, want, -0.5))
	require.NoError(t, err)
	for j, w := range want {
		// The standard error is about 0.02; clipping the outermost 1 % adds a bias of
		// the same order.
		require.InDelta(t, w, m.Weights[j]/m.Features[j].Scale, 0.1, "weight %d", j)
	}
	require.InDelta(t, -0.5, m.Intercept-m.Weights[0]*m.Features[0].Mean, 0.1)
}

func TestFitLogistic_Refuses(t *testing.T) {
	t.Parallel()
	good := applicants(t, 1, branches(), 300)
	oneClass := normals(t, 100, []float64{0}, -100)
	multiclass, err := good.Schema.WithTarget(predictlog.Target{Task: predictlog.Multiclass, Classes: []string{"a", "b", "c"}})
	require.NoError(t, err)
	unlabelled := labels.Dataset{Schema: good.Schema, Examples: []labels.Example{{Record: good.Examples[0].Record}}}
	for name, c := range map[string]struct {
		data labels.Dataset
		want string
	}{
		"one class":   {oneClass, "0 of 100 training rows are positive"},
		"no rows":     {labels.Dataset{Schema: good.Schema}, "0 of 0 training rows"},
		"unlabelled":  {unlabelled, "0 of 0 training rows"},
		"three ways":  {labels.Dataset{Schema: multiclass, Examples: good.Examples}, "multiclass target, want binary"},
		"a good set ": {good, ""},
	} {
		_, err := fitLogistic(t.Context(), c.data)
		if c.want == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, c.want, name)
	}

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = fitLogistic(cancelled, good)
	require.ErrorIs(t, err, context.Canceled)
}

func TestLikelihood_GradientIsThatOfTheLoss(t *testing.T) {
	t.Parallel()
	data := applicants(t, 2, broker(), 200)
	l := newLikelihood(fitFeatures(data), data)
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250106))
	props.Property("central differences agree", prop.ForAll(func(theta []float64) bool {
		grad := make([]float64, len(theta))
		l.gradient(grad, theta)
		for j := range theta {
			const h = 1e-5
			at := theta[j]
			theta[j] = at + h
			up := l.loss(theta)
			theta[j] = at - h
			down := l.loss(theta)
			theta[j] = at
			if math.Abs((up-down)/(2*h)-grad[j]) > 1e-6 {
				return false
			}
		}
		return true
	}, gen.SliceOfN(l.width+1, gen.Float64Range(-2, 2))))
	props.TestingRun(t)
}

func TestBestThreshold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		probability, truth []float64
		want               float64
	}{
		"separable":         {[]float64{0.1, 0.2, 0.8, 0.9}, []float64{0, 0, 1, 1}, 0.5},
		"all positive best": {[]float64{0.4, 0.6, 0.8}, []float64{1, 0, 1}, 0.2},
		"ties are one":      {[]float64{0.3, 0.3, 0.3, 0.1}, []float64{1, 0, 1, 0}, 0.2},
		"nothing to find":   {[]float64{0.3, 0.6}, []float64{0, 0}, 0.5},
	} {
		require.InDelta(t, c.want, bestThreshold(c.probability, c.truth), 1e-12, name)
	}
}

func TestFeatures(t *testing.T) {
	t.Parallel()
	schema, err := predictlog.NewSchema([]predictlog.Column{
		{Name: "constant", Kind: predictlog.Numeric},
		{Name: "heavy", Kind: predictlog.Numeric},
		{Name: "colour", Kind: predictlog.Categorical},
	}, predictlog.Target{})
	require.NoError(t, err)
	data := labels.Dataset{Schema: schema}
	for i := range 1000 {
		row := predictlog.Row{predictlog.Number(7), predictlog.Number(float64(i % 10)), predictlog.Category([]string{"red", "blue"}[i%2])}
		switch i {
		case 0:
			row[1] = predictlog.Number(1e12)
		case 1:
			row[1] = predictlog.Number(math.Inf(1))
		case 2:
			row = predictlog.Row{{}, {}, {}}
		case 3:
			row[1] = predictlog.Number(math.NaN())
		}
		data.Examples = append(data.Examples, example(i, row, i%3 == 0))
	}
	features := fitFeatures(data)
	require.Equal(t, 4, width(features))
	require.Equal(t, []string{"blue", "red"}, features[2].Levels)
	require.Equal(t, 9.0, features[1].High, "the outlier does not set the range")

	encode := func(row predictlog.Row) []float64 {
		x := make([]float64, width(features))
		encodeRow(features, x, row)
		return x
	}
	require.Equal(t, []float64{0, 0, 0, 0}, encode(predictlog.Row{{}, {}, {}}), "missing values count as the mean")
	require.Equal(t, []float64{0, 0, 0, 1}, encode(predictlog.Row{predictlog.Number(8), predictlog.Number(math.NaN()), predictlog.Category("red")}),
		"what was constant in training does not count")
	require.Equal(t, []float64{0, 0}, encode(predictlog.Row{{}, {}, predictlog.Category("green")})[2:], "a category never seen")
	require.Equal(t,
		encode(predictlog.Row{{}, predictlog.Number(9), {}}),
		encode(predictlog.Row{{}, predictlog.Number(math.Inf(1)), {}}), "values are clipped")
}

// trained returns the artifact that the trainer makes of the data.
func trained(tb testing.TB, data labels.Dataset) []byte {
	tb.Helper()
	result, err := train(tb.Context(), healing.TrainRequest{Data: data})
	require.NoError(tb, err)
	artifact, err := io.ReadAll(result.Artifact)
	require.NoError(tb, err)
	return artifact
}

func TestDecoder_RoundTrip(t *testing.T) {
	t.Parallel()
	data := applicants(t, 3, branches(), 500)
	direct, err := fitLogistic(t.Context(), data)
	require.NoError(t, err)
	decoded, err := decoder(data.Schema)(t.Context(), registry.Version{}, bytes.NewReader(trained(t, data)))
	require.NoError(t, err)
	want, err := direct.Predict(t.Context(), rowsOf(data))
	require.NoError(t, err)
	got, err := decoded.Predict(t.Context(), rowsOf(data))
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestDecoder_RefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	data := applicants(t, 3, branches(), 500)
	artifact := trained(t, data)
	for name, c := range map[string]struct {
		change func(*logistic)
		want   string
	}{
		"classes":  {func(m *logistic) { m.Classes = []string{"no", "yes"} }, "classes"},
		"features": {func(m *logistic) { m.Features = m.Features[1:] }, "9 features, want 10"},
		"order":    {func(m *logistic) { m.Features[0], m.Features[1] = m.Features[1], m.Features[0] }, `"income", want the numeric "age"`},
		"scale":    {func(m *logistic) { m.Features[0].Scale = 0 }, "scale"},
		"levels":   {func(m *logistic) { m.Features[8].Levels = []string{"west", "east"} }, "in order"},
		"weights":  {func(m *logistic) { m.Weights = m.Weights[1:] }, "weights"},
	} {
		var m logistic
		require.NoError(t, json.Unmarshal(artifact, &m))
		c.change(&m)
		changed, err := json.Marshal(m)
		require.NoError(t, err)
		_, err = decoder(data.Schema)(t.Context(), registry.Version{}, bytes.NewReader(changed))
		require.ErrorContains(t, err, c.want, name)
	}
	_, err := decoder(data.Schema)(t.Context(), registry.Version{}, bytes.NewReader([]byte("{")))
	require.Error(t, err)
}

func TestLogistic_KeepsTheModelsPromises(t *testing.T) {
	t.Parallel()
	data := applicants(t, 4, branches(), 500)
	m, err := fitLogistic(t.Context(), data)
	require.NoError(t, err)
	modeltest.Run(t, func(*testing.T) gate.Model { return m }, rowsOf(data)[:50], data.Schema.Target())

	_, err = m.Predict(t.Context(), []predictlog.Row{{predictlog.Number(1)}})
	require.ErrorContains(t, err, "row 0 has 1 values, want 10")
}

func TestTrain_KeepsTheTrainersPromises(t *testing.T) {
	t.Parallel()
	trainertest.Run(t, healing.TrainerFunc(train), applicants(t, 5, branches(), 500))
}

func BenchmarkFitLogistic(b *testing.B) {
	for _, size := range []struct{ n, columns int }{{1500, 6}, {30000, 10}} {
		b.Run(fmt.Sprintf("n=%d,columns=%d", size.n, size.columns), func(b *testing.B) {
			weights := make([]float64, size.columns)
			for j := range weights {
				weights[j] = 1 / float64(j+1)
			}
			data := normals(b, size.n, weights, -1)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := fitLogistic(b.Context(), data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLogistic_Predict(b *testing.B) {
	data := applicants(b, 6, branches(), 1000)
	m, err := fitLogistic(b.Context(), data)
	require.NoError(b, err)
	rows := rowsOf(data)
	b.Run("n=1000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := m.Predict(b.Context(), rows); err != nil {
				b.Fatal(err)
			}
		}
	})
}
