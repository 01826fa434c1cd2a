// Package compare infers how much better one model is than another on the same rows.
package compare

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/selfheal-ml/selfheal/gate/internal/digits"
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/gate/paired"
)

// minRows is the number of rows below which no interval keeps its level.
const minRows = 30

// Pairing says how to compare both models in a metric.
type Pairing struct {
	Metric   metrics.Metric // resolved by [metrics.Metric.For]
	Relative bool           // gains are shares of production's value
	Draws    int
	Seed     uint64
	Format   func(v float64) string // writes a value of the metric in an error
}

// Inference is the inference of the shadow's gain over production from the same rows. A
// positive gain is better, whatever the direction of the metric.
type Inference struct {
	Production, Shadow float64 // the metric of both models
	Gain               float64
	StdErr             float64 // the standard error of the gain
	bounds
	// Differ is the number of rows on which the models differ, if the metric depends on these
	// rows alone; -1 if not.
	Differ int
}

// bounds are the tests and intervals of package paired.
type bounds interface {
	// Greater returns the p-value of the hypothesis that the gain is at most the bound.
	Greater(bound float64) float64
	// Less returns the p-value of the hypothesis that the gain is at least the bound.
	Less(bound float64) float64
	CI(level float64) (paired.Interval, error)
}

// settled rounds bounds to the digits that are known.
type settled struct {
	bounds
	estimate float64
}

func (b settled) Greater(bound float64) float64 {
	return digits.Round(b.bounds.Greater(bound), digits.Inference)
}

func (b settled) Less(bound float64) float64 {
	return digits.Round(b.bounds.Less(bound), digits.Inference)
}

// CI rounds both ends outwards, so that no claim becomes stronger, and to the same decimals:
// an end that is near zero by chance is not more exact than the other end.
func (b settled) CI(level float64) (paired.Interval, error) {
	ci, err := b.bounds.CI(level)
	var largest float64
	for _, v := range []float64{b.estimate, ci.Lo, ci.Hi} {
		if digits.IsFinite(v) {
			largest = max(largest, math.Abs(v))
		}
	}
	ci.Lo, ci.Hi = digits.RoundTo(ci.Lo, largest, math.Floor), digits.RoundTo(ci.Hi, largest, math.Ceil)
	return ci, err
}

// Gain returns the gain from values that are already settled.
func Gain(m metrics.Metric, production, shadow float64) float64 {
	return m.Gain(0, digits.Difference(production, shadow))
}

// nearZero is below the scores of usable models. A share of a smaller score is noise.
const nearZero = 0.01

// RelativeGain returns the gain as a share of production's value. ok is false if production's
// value is too near to zero for a share. A loss may be near zero.
func RelativeGain(m metrics.Metric, production, shadow float64) (gain float64, ok bool) {
	if production == 0 || m.HigherIsBetter() && math.Abs(production) < nearZero {
		return 0, false
	}
	gain = digits.ShareOf(m.Gain(production, shadow), production)
	return gain, !math.IsInf(gain, 0)
}

func (p Pairing) gain(production, shadow float64) (float64, error) {
	if !p.Relative {
		return Gain(p.Metric, production, shadow), nil
	}
	gain, ok := RelativeGain(p.Metric, production, shadow)
	if !ok {
		return 0, fmt.Errorf("%w: production's %s is %s, and a share of that means nothing", metrics.ErrUndefined, p.Metric.Title(), p.Format(production))
	}
	return gain, nil
}

// Enough returns an error if the rows are too few for an interval.
func Enough(rows int) error {
	if rows < minRows {
		return fmt.Errorf("%w: fewer than %d rows bear no interval", metrics.ErrUndefined, minRows)
	}
	return nil
}

// coin returns the p-value of an exact sign test if the models differed in the same direction
// on all rows on which they differ. No inference can be stronger.
func (r Inference) coin() float64 {
	if r.Differ < 0 {
		return 0
	}
	return math.Exp2(-float64(r.Differ))
}

// Worse returns the p-value of the hypothesis that the shadow is not worse.
func (r Inference) Worse() float64 { return max(r.Less(0), r.coin()) }

// Interval returns the interval that bounds the gain on either side with an error of alpha.
func (r Inference) Interval(alpha float64) (paired.Interval, error) {
	ci, err := r.CI(1 - 2*alpha)
	if err != nil {
		return ci, err
	}
	if r.coin() > alpha {
		ci.Lo, ci.Hi = min(ci.Lo, 0), max(ci.Hi, 0)
	}
	ci.Level = 1 - 2*alpha
	return ci, nil
}

// Power is the usual power in planning.
const Power = 0.8

// Z returns the number of standard errors by which a gain must exceed a bound to be proven
// with an error of alpha and the [Power].
func Z(alpha float64) float64 {
	return distuv.UnitNormal.Quantile(1-alpha) + distuv.UnitNormal.Quantile(Power)
}

// Needed returns the number of rows at which a gain like this one would be proven above the
// bound with an error of alpha; 0 if the gain is not above the bound.
func (r Inference) Needed(n int, bound, alpha float64) int {
	distance := r.Gain - bound
	if !(distance > 0) {
		return 0
	}
	return RowsFor(n, Z(alpha)*r.StdErr/distance)
}

// RowsFor returns the number of rows, more than n, that divides the standard error of n rows
// by the factor; 0 if the factor is 0 or the number is out of reach.
func RowsFor(n int, factor float64) int {
	rows := math.Ceil(digits.Round(float64(n)*factor*factor, digits.Inference))
	if !(rows > 0 && rows <= math.MaxInt32) {
		return 0
	}
	return max(n+1, int(rows))
}
