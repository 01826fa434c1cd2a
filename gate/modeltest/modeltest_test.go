package modeltest_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/modeltest"
	"github.com/selfheal-ml/selfheal/predictlog"
)

type (
	row    = predictlog.Row
	output = predictlog.Output
)

var (
	target     = predictlog.Target{Task: predictlog.Binary, Classes: []string{"no", "yes"}}
	regression = predictlog.Target{Task: predictlog.Regression}
	rows       = []row{
		{predictlog.Number(1)}, {predictlog.Number(5)}, {predictlog.Number(2)}, {predictlog.Number(9)},
	}
)

// classify answers "yes" above 3.
func classify(r row) output {
	x, _ := r[0].Number()
	p := x / 10
	if x > 3 {
		return output{Class: "yes", Probabilities: []float64{1 - p, p}}
	}
	return output{Class: "no", Probabilities: []float64{1 - p, p}}
}

func classifyAll(_ context.Context, rows []row) ([]output, error) {
	outputs := make([]output, len(rows))
	for i, r := range rows {
		outputs[i] = classify(r)
	}
	return outputs, nil
}

func double(_ context.Context, rows []row) ([]output, error) {
	var outputs []output
	for _, r := range rows {
		x, _ := r[0].Number()
		outputs = append(outputs, output{Value: 2 * x})
	}
	return outputs, nil
}

func TestRun(t *testing.T) {
	open := func(f gate.ModelFunc) func(*testing.T) gate.Model {
		return func(*testing.T) gate.Model { return f }
	}
	t.Run("classifier", func(t *testing.T) { modeltest.Run(t, open(classifyAll), rows, target) })
	t.Run("regression", func(t *testing.T) { modeltest.Run(t, open(double), rows, regression) })
	t.Run("default classes", func(t *testing.T) {
		modeltest.Run(t, open(func(_ context.Context, rows []row) ([]output, error) {
			return slices.Repeat([]output{{Class: "1"}}, len(rows)), nil
		}), rows, predictlog.Target{})
	})
	t.Run("heeds ctx", func(t *testing.T) {
		modeltest.Run(t, open(func(ctx context.Context, rows []row) ([]output, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return classifyAll(ctx, rows)
		}), rows, target)
	})
}

// TestFindsBrokenPromises gives the kit models that break one promise each.
func TestFindsBrokenPromises(t *testing.T) {
	t.Parallel()
	then := func(spoil func(rows []row, outputs []output) []output) gate.ModelFunc {
		return func(ctx context.Context, rows []row) ([]output, error) {
			outputs, err := classifyAll(ctx, rows)
			return spoil(rows, outputs), err
		}
	}
	each := func(spoil func(o *output)) gate.ModelFunc {
		return then(func(_ []row, outputs []output) []output {
			for i := range outputs {
				spoil(&outputs[i])
			}
			return outputs
		})
	}
	for name, c := range map[string]struct {
		model  gate.ModelFunc
		target predictlog.Target
		broken string
		reason string
	}{
		"unknown class":  {each(func(o *output) { o.Class = "maybe" }), target, "Outputs", `class "maybe"`},
		"value":          {each(func(o *output) { o.Value = 1 }), target, "Outputs", "answers the value 1, want a class"},
		"NaN":            {each(func(o *output) { o.Probabilities[0] = math.NaN() }), target, "Outputs", `gives "no" the probability NaN`},
		"probabilities":  {each(func(o *output) { o.Probabilities = o.Probabilities[:1] }), target, "Outputs", "gives 1 probabilities, want one for each of"},
		"sum":            {each(func(o *output) { o.Probabilities[0] += 1e-4 * (1 - o.Probabilities[0]) }), target, "Outputs", "probabilities that sum up to 1.0"},
		"class answered": {classifyAll, regression, "Outputs", "answers a class, want a value"},
		"infinite": {func(_ context.Context, rows []row) ([]output, error) {
			return slices.Repeat([]output{{Value: math.Inf(1)}}, len(rows)), nil
		}, regression, "Outputs", "answers +Inf"},
		"some probabilities": {then(func(_ []row, outputs []output) []output {
			for i := range outputs[min(1, len(outputs)):] {
				outputs[i+1].Probabilities = nil
			}
			return outputs
		}), target, "Outputs", "for some rows only"},
		"sorted": {then(func(_ []row, outputs []output) []output {
			slices.SortFunc(outputs, func(a, b output) int { return int(100 * (a.Probabilities[1] - b.Probabilities[1])) })
			return outputs
		}), target, "Order", "row 0 is answered by"},
		"scaled by the batch": {then(func(_ []row, outputs []output) []output {
			for i := range outputs {
				outputs[i].Probabilities[1] /= float64(len(outputs))
			}
			return outputs
		}), target, "Batches", "row 0 is answered by"},
		"no empty call": {func(ctx context.Context, rows []row) ([]output, error) {
			if len(rows) == 0 {
				return nil, errors.New("nothing to do")
			}
			return classifyAll(ctx, rows)
		}, target, "Empty", "nothing to do"},
		"modifies rows": {then(func(rows []row, outputs []output) []output {
			for _, r := range rows {
				r[0] = predictlog.Missing()
			}
			return outputs
		}), target, "Unmodified", "row 0 was [1] and is [missing]"},
		"wrong when cancelled": {func(ctx context.Context, rows []row) ([]output, error) {
			outputs, err := classifyAll(ctx, rows)
			if ctx.Err() != nil {
				return outputs[:1], nil
			}
			return outputs, err
		}, target, "Cancelled", "4 and 1 outputs"},
		"too few outputs": {then(func(_ []row, outputs []output) []output { return outputs[:len(outputs)/2] }), target, "Outputs", "2 outputs for 4 rows"},
		"always fails": {func(context.Context, []row) ([]output, error) {
			return nil, errors.New("down")
		}, target, "Concurrent", "down"},
	} {
		broken, err := modeltest.Broken(t.Context(), c.model, rows, c.target)
		require.Contains(t, broken, c.broken, name)
		require.ErrorContains(t, err, c.reason, name)
	}

	broken, err := modeltest.Broken(t.Context(), gate.ModelFunc(classifyAll), rows, target)
	require.NoError(t, err)
	require.Empty(t, broken)
}
