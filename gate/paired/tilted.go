package paired

import (
	"math"
	"slices"
)

// Statistic computes a number from the number of rows in each cell. It must depend on the
// shares of the cells only: multiplying all counts by a factor gives the same number. It
// returns false if the number is undefined. It must not keep or modify the counts. A statistic
// that compares two classifiers has a cell for each combination of truth and both answers.
type Statistic func(counts []float64) (value float64, ok bool)

// Tilted infers a statistic of counts by bootstrap tilting (Efron 1981; DiCiccio & Romano
// 1990), computed by importance sampling (Hesterberg 1999). A draw is one multinomial of all
// cells, so the cost of a draw does not grow with the rows.
//
// For the hypothesis "the value is v", the cells are weighted exponentially in the direction
// in which the statistic changes fastest, until the statistic is v. The p-value is the
// probability, under the weighted cells, of a statistic at least as far from v as the measured
// one, in standard errors. Each draw has its own first-order standard error. With a common
// one, a test at a small level errs twice as often as its level if few rows decide.
//
// The draws come from the middle between the relevant hypotheses, so small p-values are nearly
// as exact as large ones, and a few thousand draws serve any level. The p-value is raised by
// twice the standard error of the simulation, so that the draws alone cannot carry a test
// beyond its level.
//
// The methods do not modify a Tilted, and are safe for concurrent use if the Statistic is.
type Tilted struct {
	sample    *sample
	statistic Statistic
	estimate  float64
	influence []float64 // of each cell on the statistic
	strongest float64   // the largest of the influences, whatever its sign
	variance  float64   // of the influences
	measured  float64   // the scale of the observed counts
	tie       float64   // the largest difference that may be rounding
	drawn     []tiltedDraw
	stdErr    float64
}

const tiltedName = "tilted bootstrap"

type tiltedDraw struct {
	score float64 // the sum of the influences of the draw's rows
	value float64 // the statistic, NaN if undefined
	scale float64 // one over the standard error, up to a common factor
}

// MinDraws and MaxDraws bound the number of draws of [NewTilted]. A draw takes 24 bytes, and
// more draws than MaxDraws make no p-value better.
const (
	MinDraws = 100
	MaxDraws = 1_000_000
)

// NewTilted draws from the cells. The prior is added to the counts that are drawn from, so
// that a cell that happens to be empty can still occur. The prior does not change the
// estimate.
//
// If the statistic cannot be computed from the counts, the error is [ErrTooFew]. A nil
// statistic, negative counts or priors, counts and prior of different length, more than
// 2,147,483,647 rows, and draws outside [MinDraws] to [MaxDraws] are errors.
func NewTilted(counts, prior []float64, statistic Statistic, draws int, seed uint64) (*Tilted, error) {
	if len(prior) != len(counts) {
		return nil, malformed(tiltedName, "prior has %d cells, want %d", len(prior), len(counts))
	}
	if draws < MinDraws || draws > MaxDraws {
		return nil, malformed(tiltedName, "draws is %d, want %d to %d", draws, MinDraws, MaxDraws)
	}
	var rows, total float64
	for i, c := range counts {
		if !(c >= 0 && prior[i] >= 0) { // also true for NaN
			return nil, malformed(tiltedName, "cell %d has the count %v and the prior %v, want 0 or more", i, c, prior[i])
		}
		rows += c
		total += c + prior[i]
	}
	if total > math.MaxInt32 {
		return nil, malformed(tiltedName, "%v rows, want at most %d", total, math.MaxInt32)
	}
	of := &sample{counts: slices.Clone(counts), rows: math.Round(rows), shares: make([]float64, len(counts)), draws: draws, seed: seed}
	if of.rows == 0 {
		return nil, tooFew(tiltedName, "no rows")
	}
	for i, c := range counts {
		of.shares[i] = (c + prior[i]) / total
	}
	of.draw()
	return of.tilted(statistic)
}

// Of infers another statistic from the same cells and draws, faster than [NewTilted].
func (t *Tilted) Of(statistic Statistic) (*Tilted, error) { return t.sample.tilted(statistic) }

func (s *sample) tilted(statistic Statistic) (*Tilted, error) {
	if statistic == nil {
		return nil, malformed(tiltedName, "there is no statistic")
	}
	t := &Tilted{sample: s, statistic: statistic}
	var ok bool
	if t.estimate, ok = statistic(s.counts); !ok {
		return nil, tooFew(tiltedName, "the statistic is undefined")
	}
	if t.influence, ok = influences(s.shares, statistic); !ok {
		return nil, tooFew(tiltedName, "the statistic is undefined near the measured counts")
	}
	for i, psi := range t.influence {
		t.strongest = max(t.strongest, math.Abs(psi))
		t.variance += s.shares[i] * psi * psi
	}
	if math.IsNaN(t.estimate) || math.IsNaN(t.variance) || math.IsInf(t.variance, 0) {
		return nil, malformed(tiltedName, "the statistic is %v, and too large to compute with", t.estimate)
	}
	t.tie = 1e-12 * math.Max(1, math.Abs(t.estimate))
	spread := t.spread()
	t.measured = scale(s.counts, spread, s.rows)
	t.infer(spread)
	return t, nil
}

// influences returns the derivative of the statistic by the share of each cell.
func influences(shares []float64, statistic Statistic) ([]float64, bool) {
	const step = 1e-6 // about the root of the precision, where truncation and rounding balance
	center, ok := statistic(shares)
	if !ok {
		return nil, false
	}
	influence, moved := make([]float64, len(shares)), make([]float64, len(shares))
	for i, share := range shares {
		if share == 0 {
			continue // never drawn
		}
		for j, s := range shares {
			moved[j] = float64(s * (1 - step)) // no fused multiply-add, on which processors differ
		}
		moved[i] += step
		value, ok := statistic(moved)
		if !ok {
			return nil, false
		}
		influence[i] = (value - center) / step
	}
	return influence, true
}

// spread returns the influence of each cell on the logarithm of the statistic's variance. The
// variance is the mean square of the influences, which themselves depend on the shares: by the
// chain rule this adds twice the derivative of the influences in the direction of the tilt.
func (t *Tilted) spread() []float64 {
	const step = 1e-4 // small, but large enough for the error of the influences
	spread, tilted := make([]float64, len(t.sample.shares)), make([]float64, len(t.sample.shares))
	if t.variance == 0 {
		return spread
	}
	unit := step / t.strongest
	for i, share := range t.sample.shares {
		tilted[i] = share * (1 + float64(unit*t.influence[i]))
	}
	moved, ok := influences(tilted, t.statistic)
	if !ok {
		return spread // all scales are 1
	}
	var mean float64
	for i, psi := range t.influence {
		spread[i] = (float64(psi*psi) + 2*(moved[i]-psi)/unit) / t.variance
		mean += float64(t.sample.shares[i] * spread[i])
	}
	for i := range spread {
		spread[i] -= mean
	}
	return spread
}

// scale returns one over the standard error of the counts, up to a common factor, to first
// order in their distance from the observed cells.
func scale(counts, spread []float64, rows float64) float64 {
	const most = 2 // beyond this, first order says nothing
	var logVariance float64
	for cell, c := range counts {
		logVariance += c / rows * spread[cell]
	}
	return math.Exp(-max(-most, min(logVariance, most)) / 2)
}

func (t *Tilted) infer(spread []float64) {
	t.drawn = make([]tiltedDraw, 0, t.sample.draws)
	var n, mean, squares float64
	for counts := range t.sample.all() {
		d := tiltedDraw{value: math.NaN(), scale: 1}
		for cell, c := range counts {
			d.score += c * t.influence[cell]
		}
		if value, ok := t.statistic(counts); ok {
			d.value, d.scale = value, scale(counts, spread, t.sample.rows)
			n++
			delta := value - mean
			mean += delta / n
			squares += delta * (value - mean)
		}
		t.drawn = append(t.drawn, d)
	}
	if n > 1 {
		t.stdErr = math.Sqrt(squares / (n - 1))
	}
}

// Estimate returns the statistic of the observed counts.
func (t *Tilted) Estimate() float64 { return t.estimate }

// StdErr returns the standard deviation of the draws.
func (t *Tilted) StdErr() float64 { return t.stdErr }

// Greater returns the p-value of the hypothesis that the true value is at most bound.
func (t *Tilted) Greater(bound float64) float64 { return t.pValue(bound, 1) }

// Less returns the p-value of the hypothesis that the true value is at least bound.
func (t *Tilted) Less(bound float64) float64 { return t.pValue(bound, -1) }

// pValue returns the p-value of Greater (direction 1) or Less (direction -1).
func (t *Tilted) pValue(bound, direction float64) float64 {
	lambda, ok := t.solve(bound)
	switch {
	case ok:
		return t.probability(lambda, direction)
	case direction*(t.estimate-bound) > 0:
		return 0 // no weights move the statistic as far as the bound
	}
	return 1
}

// CI returns the interval of the values that neither [Tilted.Greater] nor [Tilted.Less]
// rejects at (1-level)/2. An end is infinite if no value on its side is rejected, for example
// because too many draws are undefined. A level outside (0, 1) is an error.
func (t *Tilted) CI(level float64) (Interval, error) {
	if err := checkLevel(tiltedName, level); err != nil {
		return Interval{}, err
	}
	alpha := (1 - level) / 2
	return Interval{t.end(alpha, -1), t.end(alpha, 1), level}, nil
}

// end returns the value below (direction -1) or above (1) the estimate that is just rejected.
func (t *Tilted) end(alpha, direction float64) float64 {
	lambda, ok := t.cross(direction, func(lambda float64) float64 {
		// The logarithm is nearly a parabola, whose root a secant finds in a few steps.
		return math.Log(alpha) - math.Log(t.probability(lambda, -direction))
	})
	if ok {
		if value, ok := t.value(lambda); ok {
			return value
		}
	}
	return math.Inf(int(direction))
}

// solve returns the tilt that makes the statistic equal to the bound.
func (t *Tilted) solve(bound float64) (lambda float64, ok bool) {
	center, _ := t.value(0)
	if center == bound {
		return 0, true
	}
	direction := 1.0
	if bound < center {
		direction = -1
	}
	return t.cross(direction, func(lambda float64) float64 {
		if value, ok := t.value(lambda); ok {
			return (value - bound) * direction
		}
		return math.Inf(1)
	})
}

// cross returns the smallest tilt in the direction at which f rises to 0; false if none.
func (t *Tilted) cross(direction float64, f func(lambda float64) float64) (float64, bool) {
	inner, fInner := 0.0, f(0)
	if fInner >= 0 {
		return 0, true
	}
	if t.variance == 0 {
		return 0, false
	}
	// Beyond the limit some cells are never drawn. The first step is about a standard error.
	limit := 50 / t.strongest
	outer := min(limit, 1/math.Sqrt(t.variance*t.sample.rows))
	for {
		fOuter := f(direction * outer)
		if fOuter >= 0 {
			return illinois(inner, fInner, direction*outer, fOuter, 1e-9*outer, f), true
		}
		if outer == limit {
			return 0, false
		}
		inner, fInner = direction*outer, fOuter
		outer = min(limit, 2*outer)
	}
}

// Invert returns the end of a confidence interval: the bound at which the p-value of a test of
// the bound falls to alpha. The search starts at estimate. step is about a standard error,
// negative for a lower end. The end is infinite if the p-value is above alpha even some
// hundred steps away.
func Invert(pValue func(bound float64) float64, estimate, step, alpha float64) float64 {
	f := func(bound float64) float64 { return math.Log(alpha) - math.Log(pValue(bound)) }
	inner, fInner := estimate, f(estimate)
	if fInner >= 0 {
		return estimate
	}
	for range 8 {
		outer := estimate + step
		fOuter := f(outer)
		if fOuter >= 0 {
			return illinois(inner, fInner, outer, fOuter, 1e-3*math.Abs(step), f)
		}
		inner, fInner = outer, fOuter
		step *= 2
	}
	return math.Copysign(math.Inf(1), step)
}

// illinois returns the root of f between lo, where f is negative, and hi, where f is not. It
// uses the Illinois form of false position, which does not stall (Dowell & Jarratt 1971). It
// stops when the ends are within the tolerance.
func illinois(lo, fLo, hi, fHi, tolerance float64, f func(float64) float64) float64 {
	const steps = 60
	moved := 0 // which end moved last
	for range steps {
		if math.Abs(hi-lo) <= tolerance {
			break
		}
		mid := lo - fLo*(hi-lo)/(fHi-fLo)
		if !(min(lo, hi) < mid && mid < max(lo, hi)) { // also true for NaN, after an infinite value
			mid = (lo + hi) / 2
		}
		if v := f(mid); v >= 0 {
			if hi, fHi = mid, v; moved > 0 {
				fLo /= 2
			}
			moved = 1
		} else {
			if lo, fLo = mid, v; moved < 0 {
				fHi /= 2
			}
			moved = -1
		}
	}
	return hi
}

func (t *Tilted) value(lambda float64) (float64, bool) {
	tilted := make([]float64, len(t.sample.shares))
	for i, share := range t.sample.shares {
		tilted[i] = share * math.Exp(lambda*t.influence[i])
	}
	return t.statistic(tilted)
}

// probability returns the probability under the tilted cells of a statistic at least as far
// from the hypothesis as the measured one: above it in the direction 1, below it in -1.
//
// The probability is the sum of the draws' weights under the tilted cells, plus twice its
// standard error. If the tilt is towards the event, the complement is summed instead, because
// weights above 1 vary too much. An undefined draw counts as the event, to be safe.
func (t *Tilted) probability(lambda, direction float64) float64 {
	away := direction*lambda <= 0
	hypothesis, ok := t.value(lambda)
	if !ok {
		return 1
	}
	var norm float64
	for i, share := range t.sample.shares {
		norm += share * math.Exp(lambda*t.influence[i])
	}
	logNorm := t.sample.rows * math.Log(norm)
	measured := (direction*(t.estimate-hypothesis) - t.tie) * t.measured
	var sum, squares float64
	for i := range t.drawn {
		d := &t.drawn[i]
		short := direction*(d.value-hypothesis)*d.scale < measured // false for NaN
		if short == away {
			continue
		}
		weight := math.Exp(lambda*d.score - logNorm)
		sum += weight
		squares += weight * weight
	}
	n := float64(len(t.drawn))
	p := sum / n
	stdErr := math.Sqrt(max(0, squares/n-p*p) / n)
	if !away {
		p = 1 - min(p, 1)
	}
	return min(p+2*stdErr, 1)
}
