package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/optimize"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// logistic is a logistic regression. It implements [gate.Model]. Its JSON is the artifact in
// the registry. A logistic never changes.
type logistic struct {
	Classes   []string  `json:"classes"` // negative, positive
	Features  []feature `json:"features"`
	Weights   []float64 `json:"weights"` // one for each number of the features
	Intercept float64   `json:"intercept"`
	// Threshold is the least probability that is answered with the positive class.
	Threshold float64 `json:"threshold"`
}

// ridge is the penalty on the squared weights, relative to the sum of the rows' losses.
const ridge = 1.0

// fitLogistic learns from the labelled examples of the dataset: weights by maximum
// likelihood with a ridge penalty, and the threshold by F1 on the same rows.
func fitLogistic(ctx context.Context, data labels.Dataset) (*logistic, error) {
	if task := data.Schema.Target().Task; task != predictlog.Binary {
		return nil, fmt.Errorf("logistic regression of a %s target, want binary", task)
	}
	data = data.Labelled()
	m := &logistic{Classes: data.Schema.Target().Classes, Features: fitFeatures(data)}
	p := newLikelihood(m.Features, data)
	if positive := floats.Sum(p.truth); positive == 0 || positive == float64(len(p.truth)) {
		return nil, fmt.Errorf("%v of %d training rows are positive, want rows of both classes", positive, len(p.truth))
	}
	theta, err := p.maximise(ctx)
	if err != nil {
		return nil, err
	}
	m.Weights, m.Intercept = theta[:p.width], theta[p.width]
	m.Threshold = bestThreshold(p.probabilities(theta), p.truth)
	return m, nil
}

// likelihood is the objective of the training.
type likelihood struct {
	width int
	x     []float64 // the encoded rows, one after the other
	truth []float64 // 1 for a positive row, 0 for a negative one
	share []float64 // scratch: the gradient's share of each row
}

func newLikelihood(features []feature, data labels.Dataset) *likelihood {
	n := len(data.Examples)
	l := &likelihood{width: width(features), truth: make([]float64, n), share: make([]float64, n)}
	l.x = make([]float64, n*l.width)
	positive := data.Schema.Target().Positive()
	for i, e := range data.Examples {
		encodeRow(features, l.row(i), e.Record.Row)
		if e.Label.Class == positive {
			l.truth[i] = 1
		}
	}
	return l
}

func (l *likelihood) row(i int) []float64 { return l.x[i*l.width : (i+1)*l.width] }

// score returns the log odds of row i under theta: the weights, then the intercept.
func (l *likelihood) score(theta []float64, i int) float64 {
	return floats.Dot(theta[:l.width], l.row(i)) + theta[l.width]
}

// loss returns the mean negative log likelihood with the penalty, which spares the
// intercept.
func (l *likelihood) loss(theta []float64) float64 {
	weights := theta[:l.width]
	sum := ridge / 2 * floats.Dot(weights, weights)
	for i, y := range l.truth {
		z := l.score(theta, i)
		sum += max(z, 0) - y*z + math.Log1p(math.Exp(-math.Abs(z)))
	}
	return sum / float64(len(l.truth))
}

// gradient writes the gradient of loss to grad.
func (l *likelihood) gradient(grad, theta []float64) {
	floats.ScaleTo(grad[:l.width], ridge, theta[:l.width])
	grad[l.width] = 0
	for i, y := range l.truth {
		residual := sigmoid(l.score(theta, i)) - y
		floats.AddScaled(grad[:l.width], residual, l.row(i))
		grad[l.width] += residual
	}
	floats.Scale(1/float64(len(l.truth)), grad)
}

// maximise returns the weights and the intercept of the highest likelihood.
func (l *likelihood) maximise(ctx context.Context) ([]float64, error) {
	problem := optimize.Problem{
		Func: l.loss,
		Grad: l.gradient,
		Status: func() (optimize.Status, error) {
			if err := ctx.Err(); err != nil {
				return optimize.Failure, err
			}
			return optimize.NotTerminated, nil
		},
	}
	settings := &optimize.Settings{GradientThreshold: 1e-6, MajorIterations: 500}
	found, err := optimize.Minimize(problem, make([]float64, l.width+1), settings, &optimize.LBFGS{})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case found == nil:
		return nil, fmt.Errorf("logistic regression: %w", err)
	}
	// The line search gives up where float64 resolves no further descent. The loss is
	// convex, so a gradient of almost nothing means that it is done all the same.
	grad := make([]float64, len(found.X))
	l.gradient(grad, found.X)
	if slope := floats.Norm(grad, math.Inf(1)); !(slope < 1e-4) {
		return nil, errors.Join(fmt.Errorf("logistic regression: no convergence: %v, slope %g", found.Status, slope), err)
	}
	return found.X, nil
}

func (l *likelihood) probabilities(theta []float64) []float64 {
	p := make([]float64, len(l.truth))
	for i := range p {
		p[i] = sigmoid(l.score(theta, i))
	}
	return p
}

func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

// bestThreshold returns the threshold of the highest F1: the middle between the lowest
// probability called positive and the next lower one.
func bestThreshold(probability, truth []float64) float64 {
	order := make([]int, len(truth))
	floats.Argsort(slices.Clone(probability), order)
	slices.Reverse(order)
	all := floats.Sum(truth)
	var hits, best float64
	threshold := 0.5
	for i, row := range order {
		hits += truth[row]
		next := 0.0
		if i+1 < len(order) {
			next = probability[order[i+1]]
		}
		if next == probability[row] {
			continue // rows of one probability are called alike
		}
		if f1 := 2 * hits / (float64(i+1) + all); f1 > best {
			best, threshold = f1, (probability[row]+next)/2
		}
	}
	return threshold
}

// Predict implements [gate.Model].
func (m *logistic) Predict(ctx context.Context, rows []predictlog.Row) ([]predictlog.Output, error) {
	outputs := make([]predictlog.Output, len(rows))
	x := make([]float64, len(m.Weights))
	for i, row := range rows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(row) != len(m.Features) {
			return nil, fmt.Errorf("logistic regression: row %d has %d values, want %d", i, len(row), len(m.Features))
		}
		clear(x)
		encodeRow(m.Features, x, row)
		p := sigmoid(floats.Dot(m.Weights, x) + m.Intercept)
		outputs[i] = predictlog.Output{Class: m.Classes[0], Probabilities: []float64{1 - p, p}}
		if p >= m.Threshold {
			outputs[i].Class = m.Classes[1]
		}
	}
	return outputs, nil
}

// train is the host's [healing.TrainerFunc].
func train(ctx context.Context, req healing.TrainRequest) (healing.Trained, error) {
	m, err := fitLogistic(ctx, req.Data)
	if err != nil {
		return healing.Trained{}, err
	}
	artifact, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return healing.Trained{}, fmt.Errorf("logistic regression: %w", err)
	}
	return healing.Trained{
		Artifact: bytes.NewReader(artifact),
		Tags:     map[string]string{"algorithm": "logistic regression"},
	}, nil
}

// decoder returns the function that reads a model from an artifact, and refuses one that
// does not fit the schema.
func decoder(schema *predictlog.Schema) registry.LoadFunc[gate.Model] {
	return func(_ context.Context, _ registry.Version, artifact io.Reader) (gate.Model, error) {
		m := &logistic{}
		if err := json.NewDecoder(artifact).Decode(m); err != nil {
			return nil, fmt.Errorf("logistic regression: %w", err)
		}
		if err := m.fits(schema); err != nil {
			return nil, fmt.Errorf("logistic regression: %w", err)
		}
		return m, nil
	}
}

// fits returns an error if the model cannot answer rows of the schema.
func (m *logistic) fits(schema *predictlog.Schema) error {
	if classes := schema.Target().Classes; !slices.Equal(m.Classes, classes) {
		return fmt.Errorf("the model's classes are %q, want %q", m.Classes, classes)
	}
	if len(m.Features) != schema.Len() {
		return fmt.Errorf("the model has %d features, want %d", len(m.Features), schema.Len())
	}
	for i, f := range m.Features {
		if c := schema.Column(i); f.Column != c.Name || f.Kind != c.Kind {
			return fmt.Errorf("feature %d is the %s %q, want the %s %q", i, f.Kind, f.Column, c.Kind, c.Name)
		}
		if f.Kind == predictlog.Numeric && !(f.Scale > 0) {
			return fmt.Errorf("feature %q has the scale %v, want a positive number", f.Column, f.Scale)
		}
		if !slices.IsSorted(f.Levels) {
			return fmt.Errorf("feature %q has the levels %q, want them in order", f.Column, f.Levels)
		}
	}
	if want := width(m.Features); len(m.Weights) != want {
		return fmt.Errorf("the model has %d weights, want %d", len(m.Weights), want)
	}
	return nil
}
