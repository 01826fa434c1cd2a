package gate_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// dataset returns examples an hour apart, every third unlabelled, whose income decides
// the class and the value.
func dataset(t testing.TB, n int, target predictlog.Target) labels.Dataset {
	t.Helper()
	schema, err := predictlog.NewSchema([]predictlog.Column{
		{Name: "income", Kind: predictlog.Numeric},
		{Name: "region", Kind: predictlog.Categorical},
	}, target)
	require.NoError(t, err)
	d := labels.Dataset{Schema: schema}
	for i := range n {
		region := predictlog.Category([]string{"north", "south"}[i%2])
		if i%7 == 0 {
			region = predictlog.Missing()
		}
		x := labels.Example{
			Record: predictlog.Record{
				ID:   fmt.Sprintf("row-%03d", i),
				Time: day0.Add(time.Duration(i) * time.Hour),
				Row:  predictlog.Row{predictlog.Number(float64(i)), region},
			},
			Labelled: i%3 != 2,
		}
		if target.Task == predictlog.Regression {
			x.Label.Value = float64(i)
		} else {
			x.Label.Class = target.Classes[i%len(target.Classes)]
		}
		d.Examples = append(d.Examples, x)
	}
	return d
}

// answering returns a model that answers every row alike.
func answering(o predictlog.Output) gate.Model {
	return gate.ModelFunc(func(_ context.Context, rows []predictlog.Row) ([]predictlog.Output, error) {
		outputs := make([]predictlog.Output, len(rows))
		for i := range rows {
			outputs[i] = o
		}
		return outputs, nil
	})
}

var yes = answering(predictlog.Output{Class: "yes", Probabilities: []float64{0.25, 0.75}})

// byIncome answers from the row, and spoils the row, which is its own copy.
var byIncome = gate.ModelFunc(func(_ context.Context, rows []predictlog.Row) ([]predictlog.Output, error) {
	var outputs []predictlog.Output
	for _, row := range rows {
		income, _ := row[0].Number()
		class := "no"
		if int(income)%2 == 1 {
			class = "yes"
		}
		outputs = append(outputs, predictlog.Output{Class: class})
		row[0] = predictlog.Missing()
	}
	return outputs, nil
})

func TestReplay(t *testing.T) {
	t.Parallel()
	data := dataset(t, 30, binary)
	e, err := gate.Replay(t.Context(), yes, byIncome, data, gate.ReplayConfig{
		BatchSize: 7, Segments: []string{"region"}, At: day0.AddDate(0, 1, 0), LastPromotion: day0,
	})
	require.NoError(t, err)
	require.NoError(t, e.Validate())
	require.Equal(t, labels.Count{Predictions: 30, Labelled: 20}, e.Coverage)
	require.Equal(t, 20, e.N())
	require.Equal(t, []string{"row-000", "row-001", "row-003"}, e.IDs[:3])
	require.Equal(t, day0.Add(3*time.Hour), e.Times[2])
	require.Equal(t, binary, e.Target)
	require.Equal(t, e.Truth.Class, e.Shadow.Class)
	require.Nil(t, e.Shadow.Probability)
	require.Equal(t, 1, e.Production.Class[0])
	require.Equal(t, 0.75, e.Production.Probability[1][19])
	require.Equal(t, []string{"(missing)", "south", "south", "north"}, e.Segments["region"][:4])
	require.Equal(t, day0, e.LastPromotion)
	income, ok := data.Examples[0].Record.Row[0].Number()
	require.True(t, ok && income == 0, "the dataset's rows are not the models'")
}

func TestReplay_FirstDeploymentAndRegression(t *testing.T) {
	t.Parallel()
	model := gate.ModelFunc(func(_ context.Context, rows []predictlog.Row) ([]predictlog.Output, error) {
		var outputs []predictlog.Output
		for _, row := range rows {
			income, _ := row[0].Number()
			outputs = append(outputs, predictlog.Output{Value: income})
		}
		return outputs, nil
	})
	e, err := gate.Replay(t.Context(), nil, model, dataset(t, 10, number), gate.ReplayConfig{FirstDeployment: true})
	require.NoError(t, err)
	require.True(t, e.First())
	require.Equal(t, e.Truth.Value, e.Shadow.Value)
	require.Zero(t, e.ProductionLatency)
}

func TestReplay_NoLabels(t *testing.T) {
	t.Parallel()
	data := dataset(t, 9, binary)
	for i := range data.Examples {
		data.Examples[i].Labelled = false
	}
	e, err := gate.Replay(t.Context(), yes, yes, data, gate.ReplayConfig{})
	require.NoError(t, err)
	require.Zero(t, e.N())
	require.Equal(t, gate.Inconclusive, gate.Evaluate(gate.Classic(), e).Outcome)
}

// taking returns a model that takes so long for each batch, one duration after the other.
func taking(each ...time.Duration) gate.Model {
	calls := 0
	return gate.ModelFunc(func(ctx context.Context, rows []predictlog.Row) ([]predictlog.Output, error) {
		time.Sleep(each[min(calls, len(each)-1)])
		calls++
		return yes.Predict(ctx, rows)
	})
}

// A category that JSON cannot hold is still a segment.
func TestReplay_SegmentNotUTF8(t *testing.T) {
	t.Parallel()
	data := dataset(t, 9, binary)
	data.Examples[0].Record.Row[1] = predictlog.Category("\xfc")
	e, err := gate.Replay(t.Context(), yes, yes, data, gate.ReplayConfig{Segments: []string{"region"}})
	require.NoError(t, err)
	require.Equal(t, "\uFFFD", e.Segments["region"][0])
}

func TestReplay_Latency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		// 80 labelled rows are 40 batches of two.
		e, err := gate.Replay(t.Context(), taking(2*time.Millisecond), taking(20*time.Millisecond, 10*time.Millisecond, 4*time.Millisecond),
			dataset(t, 120, binary), gate.ReplayConfig{BatchSize: 2})
		require.NoError(t, err)
		require.Equal(t, gate.Latency{Mean: time.Millisecond, P95: time.Millisecond}, e.ProductionLatency)
		require.Equal(t, gate.Latency{Mean: (20 + 10 + 38*4) * time.Millisecond / 80, P95: 2 * time.Millisecond}, e.ShadowLatency, "38 of 40 batches are 95 %")
		require.Equal(t, (20+10+38*4)*time.Millisecond, time.Since(start), "both are asked at the same time")
	})
}

func TestReplay_TrainingRows(t *testing.T) {
	t.Parallel()
	data := dataset(t, 30, binary)
	var called atomic.Bool
	model := gate.ModelFunc(func(ctx context.Context, rows []predictlog.Row) ([]predictlog.Output, error) {
		called.Store(true)
		return yes.Predict(ctx, rows)
	})
	cfg := gate.ReplayConfig{ShadowTrained: gate.Window{From: day0.Add(time.Hour), To: day0.Add(4 * time.Hour)}}
	_, err := gate.Replay(t.Context(), model, model, data, cfg)
	require.ErrorIs(t, err, gate.ErrTrainingRows)
	var rows *gate.TrainingRowsError
	require.ErrorAs(t, err, &rows)
	require.Equal(t, "shadow", rows.Model)
	require.Equal(t, 2, rows.Count, "rows 1 and 3; 2 has no label and 4 is at the end")
	require.Equal(t, "row-001", rows.FirstID)
	require.ErrorContains(t, err, "2025-03-01T01:00:00Z to 2025-03-01T04:00:00Z of the shadow model")
	require.False(t, called.Load())

	cfg.AllowTrainingRows = true
	cfg.ProductionTrained = gate.Window{To: day0.Add(2 * time.Hour)}
	e, err := gate.Replay(t.Context(), model, model, data, cfg)
	require.NoError(t, err)
	require.Equal(t, 3, e.TrainingRows, "row 1 is in both windows and counts once")
	require.Equal(t, 3, gate.Evaluate(gate.Classic(), e).Basis.TrainingRows)
	cfg.FirstDeployment = true
	e, err = gate.Replay(t.Context(), nil, model, data, cfg)
	require.NoError(t, err)
	require.Equal(t, 2, e.TrainingRows, "there is no production model")

	_, err = gate.Replay(t.Context(), model, model, data, gate.ReplayConfig{ProductionTrained: gate.Window{To: day0.Add(time.Hour)}})
	require.ErrorAs(t, err, &rows)
	require.Equal(t, "production", rows.Model)
	require.Equal(t, 1, rows.Count)

	_, err = gate.Replay(t.Context(), model, model, data, gate.ReplayConfig{ShadowTrained: gate.Window{To: day0}})
	require.NoError(t, err, "trained on all before")
}

func TestReplay_Config(t *testing.T) {
	t.Parallel()
	_, err := gate.Replay(t.Context(), nil, nil, dataset(t, 3, binary), gate.ReplayConfig{
		BatchSize: -1, Segments: []string{"income", "colour"}, LastPromotion: day0,
	})
	for _, want := range []string{
		"the production model is nil, want a model, or FirstDeployment set", "the shadow model is nil", "BatchSize is -1", "At is not set",
		`Segments[0] is "income", want a categorical column`, `Segments[1] is "colour"`,
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = gate.Replay(t.Context(), yes, yes, dataset(t, 3, binary), gate.ReplayConfig{FirstDeployment: true, At: day0, LastPromotion: day0})
	require.ErrorContains(t, err, "the production model is not nil, want nil because FirstDeployment is set")
	require.ErrorContains(t, err, "want not set because FirstDeployment is set")
	_, err = gate.Replay(t.Context(), yes, yes, labels.Dataset{}, gate.ReplayConfig{})
	require.ErrorContains(t, err, "the dataset's schema is nil")
}

func TestReplay_Data(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(d *labels.Dataset){
		`"row-000" occurs twice`:                  func(d *labels.Dataset) { d.Examples[1].Record.ID = "row-000" },
		`label of row "row-001" is class "maybe"`: func(d *labels.Dataset) { d.Examples[1].Label.Class = "maybe" },
		`row "row-001" has 1 values, want 2`:      func(d *labels.Dataset) { d.Examples[1].Record.Row = d.Examples[1].Record.Row[:1] },
		`row "row-001" has no time`:               func(d *labels.Dataset) { d.Examples[1].Record.Time = time.Time{} },
		"row 0 has none":                          func(d *labels.Dataset) { d.Examples[0].Record.ID = "" },
	} {
		data := dataset(t, 9, binary)
		spoil(&data)
		_, err := gate.Replay(t.Context(), yes, yes, data, gate.ReplayConfig{})
		require.ErrorContains(t, err, want)
	}
	data := dataset(t, 9, number)
	data.Examples[0].Label.Value = math.NaN()
	_, err := gate.Replay(t.Context(), nil, answering(predictlog.Output{Value: 1}), data, gate.ReplayConfig{FirstDeployment: true})
	require.ErrorIs(t, err, gate.ErrInvalidEvidence)
}

func TestReplay_Outputs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		target predictlog.Target
		model  gate.Model
		want   string
	}{
		"class":        {binary, answering(predictlog.Output{Class: "maybe"}), `answers class "maybe", want one of ["no" "yes"]`},
		"no class":     {binary, answering(predictlog.Output{}), `answers class ""`},
		"value":        {binary, answering(predictlog.Output{Class: "yes", Value: 1}), "answers the value 1, want a class"},
		"length":       {binary, answering(predictlog.Output{Class: "yes", Probabilities: []float64{1}}), "gives 1 probabilities"},
		"range":        {binary, answering(predictlog.Output{Class: "yes", Probabilities: []float64{0, 1.1}}), `gives "yes" the probability 1.1, want 0 to 1`},
		"NaN":          {binary, answering(predictlog.Output{Class: "yes", Probabilities: []float64{math.NaN(), 1}}), "NaN"},
		"sum":          {binary, answering(predictlog.Output{Class: "yes", Probabilities: []float64{1, 1}}), "gives probabilities that sum up to 2, want 1"},
		"regression":   {number, yes, "answers a class, want a value"},
		"infinite":     {number, answering(predictlog.Output{Value: math.Inf(1)}), "answers +Inf, want a finite number"},
		"some of them": {binary, sometimes, "gives probabilities for some rows only"},
	} {
		_, err := gate.Replay(t.Context(), nil, c.model, dataset(t, 9, c.target), gate.ReplayConfig{FirstDeployment: true})
		var output *gate.OutputError
		require.ErrorAs(t, err, &output, name)
		require.ErrorIs(t, err, gate.ErrOutput)
		require.Equal(t, "shadow", output.Model, name)
		require.NotEmpty(t, output.ID, name)
		require.ErrorContains(t, err, c.want, name)
	}

	short := gate.ModelFunc(func(ctx context.Context, rows []predictlog.Row) ([]predictlog.Output, error) {
		return yes.Predict(ctx, rows[1:])
	})
	_, err := gate.Replay(t.Context(), short, yes, dataset(t, 9, binary), gate.ReplayConfig{})
	require.ErrorIs(t, err, gate.ErrOutput)
	require.EqualError(t, err, `gate: replay: production model: 5 outputs for the batch of 6 rows from "row-000"`)
	long := gate.ModelFunc(func(ctx context.Context, rows []predictlog.Row) ([]predictlog.Output, error) {
		return yes.Predict(ctx, append(rows, rows[0]))
	})
	_, err = gate.Replay(t.Context(), yes, long, dataset(t, 9, binary), gate.ReplayConfig{BatchSize: 4})
	require.EqualError(t, err, `gate: replay: shadow model: 5 outputs for the batch of 4 rows from "row-000"`)
	none := gate.ModelFunc(func(context.Context, []predictlog.Row) ([]predictlog.Output, error) { return nil, nil })
	_, err = gate.Replay(t.Context(), yes, none, dataset(t, 9, binary), gate.ReplayConfig{})
	require.ErrorIs(t, err, gate.ErrOutput)
}

// sometimes gives probabilities for all rows but the first.
var sometimes = gate.ModelFunc(func(ctx context.Context, rows []predictlog.Row) ([]predictlog.Output, error) {
	outputs, err := yes.Predict(ctx, rows)
	outputs[0].Probabilities = nil
	return outputs, err
})

func TestReplay_ModelError(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	broken := gate.ModelFunc(func(context.Context, []predictlog.Row) ([]predictlog.Output, error) { return nil, boom })
	// The other model gives up when its ctx ends, which must not hide the cause.
	waiting := gate.ModelFunc(func(ctx context.Context, _ []predictlog.Row) ([]predictlog.Output, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	_, err := gate.Replay(t.Context(), waiting, broken, dataset(t, 9, binary), gate.ReplayConfig{})
	require.ErrorIs(t, err, boom)
	require.EqualError(t, err, `gate: replay: shadow model: batch of 6 rows from "row-000": boom`)
	_, err = gate.Replay(t.Context(), broken, waiting, dataset(t, 9, binary), gate.ReplayConfig{})
	require.ErrorIs(t, err, boom)
	require.NotErrorIs(t, err, context.Canceled)
}

func TestReplay_Hanging(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hanging := gate.ModelFunc(func(ctx context.Context, _ []predictlog.Row) ([]predictlog.Output, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err := gate.Replay(ctx, yes, hanging, dataset(t, 9, binary), gate.ReplayConfig{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, `gate: replay: shadow model: batch of 6 rows from "row-000": context deadline exceeded`)
		require.Equal(t, time.Minute, time.Since(start))
	})
}

func TestReplay_Coverage(t *testing.T) {
	t.Parallel()
	data := dataset(t, 9, binary)
	data.Examples[2].Misfit = labels.ErrInvalidLabel
	e, err := gate.Replay(t.Context(), yes, yes, data, gate.ReplayConfig{})
	require.NoError(t, err)
	require.Equal(t, labels.Count{Predictions: 9, Labelled: 6, Misfits: 1}, e.Coverage)
}

func TestReplay_Cancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := gate.Replay(ctx, yes, yes, dataset(t, 9, binary), gate.ReplayConfig{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestWindow(t *testing.T) {
	t.Parallel()
	require.False(t, gate.Window{}.Contains(day0), "unknown")
	w := gate.Window{From: day0, To: day0.Add(time.Hour)}
	require.True(t, w.Contains(day0))
	require.False(t, w.Contains(day0.Add(time.Hour)))
	require.True(t, gate.Window{From: day0}.Contains(day0.AddDate(9, 0, 0)))
	require.Equal(t, "2025-03-01T00:00:00Z to the end", gate.Window{From: day0}.String())
	require.Equal(t, "the beginning to 2025-03-01T00:00:00Z", gate.Window{To: day0}.String())
}
