package compare

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/selfheal-ml/selfheal/gate/internal/digits"
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/gate/paired"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// Bootstrap infers the gain in a metric of classes from the joint confusion matrix.
func (p Pairing) Bootstrap(tallies []metrics.Tally, classes int) (Inference, error) {
	var r Inference
	var err error
	if r.Production, r.Shadow, err = p.MeasureTallies(tallies, classes); err != nil {
		return r, err
	}
	if r.Gain, err = p.gain(r.Production, r.Shadow); err != nil {
		return r, err
	}
	rows := 0
	for _, t := range tallies {
		rows += t.Rows
		if t.Production != t.Shadow {
			r.Differ += t.Rows
		}
	}
	if err := Enough(rows); err != nil {
		return r, err
	}
	cells := newCells(tallies, classes)
	share := 0.0
	if p.Relative {
		share = r.Gain
	}
	tilted, err := paired.NewTilted(cells.counts, cells.prior, cells.statistic(p.Metric, classes, share), p.Draws, p.Seed)
	if err != nil {
		return r, fmt.Errorf("%w: %w", metrics.ErrUndefined, err)
	}
	r.bounds, r.StdErr = tilted, digits.Round(tilted.StdErr(), digits.Inference)
	if p.Relative {
		r.StdErr /= math.Abs(r.Production)
		test := func(share float64) (*paired.Tilted, error) {
			return tilted.Of(cells.statistic(p.Metric, classes, share))
		}
		r.bounds = contrasts{test: test, gain: r.Gain, stdErr: r.StdErr}
	}
	r.bounds = settled{r.bounds, r.Gain}
	return r, nil
}

// contrasts infers a relative gain. A ratio of two metrics is too skewed for a test if few
// rows decide. The hypothesis "the gain is a share of production's value" is therefore tested
// as "the gain less that share of production's value is 0", each share by its own statistic of
// the same draws.
type contrasts struct {
	test         func(share float64) (*paired.Tilted, error)
	gain, stdErr float64
}

// Greater returns the p-value of the hypothesis that the relative gain is at most bound.
func (c contrasts) Greater(bound float64) float64 {
	return c.pValue(bound, (*paired.Tilted).Greater)
}

// Less returns the p-value of the hypothesis that the relative gain is at least bound.
func (c contrasts) Less(bound float64) float64 {
	return c.pValue(bound, (*paired.Tilted).Less)
}

func (c contrasts) pValue(share float64, tail func(*paired.Tilted, float64) float64) float64 {
	t, err := c.test(share)
	if err != nil {
		return 1
	}
	return tail(t, 0)
}

// CI returns the interval of the relative gains that neither test rejects.
func (c contrasts) CI(level float64) (paired.Interval, error) {
	alpha := (1 - level) / 2
	step := 2 * c.stdErr
	return paired.Interval{
		Lo:    paired.Invert(c.Greater, c.gain, -step, alpha),
		Hi:    paired.Invert(c.Less, c.gain, step, alpha),
		Level: level,
	}, nil
}

// MeasureTallies measures a metric of classes for both models. With an [*OmissionError]
// it returns production's value too.
func (p Pairing) MeasureTallies(tallies []metrics.Tally, classes int) (production, shadow float64, err error) {
	if production, err = OfTallies(p.Metric, tallies, classes, Production); err != nil {
		return 0, 0, fmt.Errorf("production: %w", err)
	}
	if shadow, err = OfTallies(p.Metric, tallies, classes, Shadow); err != nil {
		err = fmt.Errorf("shadow: %w", err)
		if omits(tallies, classes) {
			return production, 0, &OmissionError{err}
		}
		return 0, 0, err
	}
	return production, shadow, nil
}

// omits reports whether the shadow never answers a class that occurs among the truths.
func omits(tallies []metrics.Tally, classes int) bool {
	occurs, answered := make([]bool, classes), make([]bool, classes)
	for _, t := range tallies {
		occurs[t.Truth], answered[t.Shadow] = true, true
	}
	for k := range occurs {
		if occurs[k] && !answered[k] {
			return true
		}
	}
	return false
}

// OmissionError says why a metric has a value for production but not for a shadow that never
// answers a class that occurs. If no row is positive, F1 and Precision have no value for a
// shadow that answers no positive: that is no omission.
type OmissionError struct{ error }

// Unwrap returns why the metric has no value.
func (e *OmissionError) Unwrap() error { return e.error }

// Rows are the truths and both models' answers of the same rows.
type Rows struct {
	Target                    predictlog.Target
	Truth, Production, Shadow metrics.Answers
}

// Pick returns the given rows, all of them if rows is nil.
func (r Rows) Pick(rows []int) Rows {
	if rows == nil {
		return r
	}
	return Rows{r.Target, r.Truth.Pick(rows), r.Production.Pick(rows), r.Shadow.Pick(rows)}
}

// MeasureRows measures a metric for both models.
func (p Pairing) MeasureRows(r Rows) ([]float64, error) {
	values, _, err := p.measureRows(r)
	return values, err
}

func (p Pairing) measureRows(r Rows) ([]float64, [2]*metrics.Rows, error) {
	models := [2]*metrics.Rows{metrics.NewRows(r.Target, r.Truth, r.Production), metrics.NewRows(r.Target, r.Truth, r.Shadow)}
	var values []float64
	for i, name := range []string{"production", "shadow"} {
		v, err := p.Metric.Measure(models[i])
		if err != nil {
			return nil, models, fmt.Errorf("%s: %w", name, err)
		}
		values = append(values, digits.Settle(v))
	}
	return values, models, nil
}

const studentized = 5

// Studentize returns the numbers for an inference from single rows: the metric of both models,
// and the standard error, degrees of freedom and skewness of the gain.
func (p Pairing) Studentize(r Rows) ([]float64, error) {
	values, models, err := p.measureRows(r)
	if err != nil {
		return nil, err
	}
	a, b := values[0], values[1]
	if _, err := p.gain(a, b); err != nil {
		return nil, err
	}
	if err := Enough(r.Truth.N()); err != nil {
		return nil, err
	}
	var influence [2][]float64
	var degrees [2]float64
	var errs [2]error
	var working sync.WaitGroup
	for i := range models {
		working.Go(func() { influence[i], degrees[i], errs[i] = p.Metric.Influence(models[i]) })
	}
	working.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	// By the chain rule, the influence on the gain.
	weightA, weightB := 1.0, 1.0
	if p.Relative { // the gain is (b-a)/|a|, or its negative
		weightB = 1 / math.Abs(a)
		weightA = weightB * (b / a)
	}
	if !p.Metric.HigherIsBetter() {
		weightA, weightB = -weightA, -weightB
	}
	gains := influence[1]
	for i := range gains {
		gains[i] = float64(weightB*gains[i]) - float64(weightA*influence[0][i])
	}
	mean, err := paired.Mean(gains)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", metrics.ErrUndefined, err)
	}
	// A skewness near 0 is a difference of large cubes: none of its digits is reliable.
	skewness := math.Round(mean.Skewness*1e9) / 1e9
	return []float64{a, b, mean.StdErr, min(degrees[0], mean.Degrees), skewness}, nil
}

// Studentized infers the gain from the settled results of [Pairing.Studentize].
func (p Pairing) Studentized(values []float64) (Inference, error) {
	if len(values) != studentized {
		return Inference{}, fmt.Errorf("gate: %d numbers of single rows, want %d", len(values), studentized)
	}
	r := Inference{Production: values[0], Shadow: values[1], StdErr: values[2], Differ: -1}
	var err error
	if r.Gain, err = p.gain(r.Production, r.Shadow); err != nil {
		return Inference{}, err
	}
	r.bounds = settled{paired.Studentized{Estimate: r.Gain, StdErr: r.StdErr, Degrees: values[3], Skewness: values[4]}, r.Gain}
	return r, nil
}
