package gate

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/gate/paired"
)

// minPaired is the number of rows below which no interval keeps its level.
const minPaired = 30

// pairing says how to compare both models in a metric.
type pairing struct {
	metric   Metric // resolved by [Metric.For]
	relative bool   // gains are shares of production's value
	draws    int
	seed     uint64
}

// subset is a part of the evidence's rows. The zero subset is all of them.
type subset struct {
	segment string // such as "region=north", which another may spell alike
	key     string // of the segment, unlike any other's
	n       int
	// What a metric of classes needs is in tallies, what another needs in rows.
	tallies []Tally
	rows    []int
}

// inference is what identical rows say of the shadow's gain over production. Gains are
// positive if the shadow is better, whatever the direction of the metric.
type inference struct {
	production, shadow float64 // the metric of both
	gain               float64
	stdErr             float64 // of the gain
	bounds
	// differ is the number of rows on which the models differ, if the metric depends on
	// these alone; -1 if it does not.
	differ int
}

// bounds are the tests and intervals of package paired.
type bounds interface {
	// Greater returns the p-value of the hypothesis that the gain is at most the bound,
	// Less of that it is at least the bound.
	Greater(bound float64) float64
	Less(bound float64) float64
	CI(level float64) (paired.Interval, error)
}

// settledBounds are bounds in as many digits as they are known to.
type settledBounds struct {
	bounds
	estimate float64
}

func (b settledBounds) Greater(bound float64) float64 {
	return round(b.bounds.Greater(bound), inferenceDigits)
}

func (b settledBounds) Less(bound float64) float64 {
	return round(b.bounds.Less(bound), inferenceDigits)
}

// CI rounds both ends outwards, so that no claim becomes stronger, and to the same
// decimals: one that is near zero by chance is not known any better than the other.
func (b settledBounds) CI(level float64) (paired.Interval, error) {
	ci, err := b.bounds.CI(level)
	var largest float64
	for _, v := range []float64{b.estimate, ci.Lo, ci.Hi} {
		if isFinite(v) {
			largest = max(largest, math.Abs(v))
		}
	}
	ci.Lo, ci.Hi = roundTo(ci.Lo, largest, inferenceDigits, math.Floor), roundTo(ci.Hi, largest, inferenceDigits, math.Ceil)
	return ci, err
}

// compare infers the gain on a subset of the rows: of a metric of classes by a bootstrap
// of the joint confusion matrix, of any other from the influence that each row has on it.
func (p pairing) compare(e *Evidence, s subset) (inference, error) {
	if err := s.check(e, p.metric); err != nil {
		return inference{}, err
	}
	if p.metric.info().source == fromClasses {
		return p.bootstrap(e, s)
	}
	what := "gain"
	if p.relative {
		what = "relative gain"
	}
	values, err := p.fact(e, s, what, 5, p.studentize)
	if err != nil {
		return inference{}, err
	}
	r := inference{production: values[0], shadow: values[1], stdErr: values[2], differ: -1}
	if r.gain, err = p.gain(r.production, r.shadow); err != nil {
		return inference{}, err
	}
	r.bounds = settledBounds{paired.Studentized{Estimate: r.gain, StdErr: r.stdErr, Degrees: values[3], Skewness: values[4]}, r.gain}
	return r, nil
}

// measure returns the metric of both models on a subset of the rows.
func (p pairing) measure(e *Evidence, s subset) (production, shadow float64, err error) {
	if err := s.check(e, p.metric); err != nil {
		return 0, 0, err
	}
	if p.metric.info().source == fromClasses {
		return p.ofTallies(s.tallies, classCount(e.Target))
	}
	values, err := p.fact(e, s, "values", 2, p.measureRows)
	if err != nil {
		return 0, 0, err
	}
	return values[0], values[1], nil
}

// fact returns so many numbers that are found of single rows.
func (p pairing) fact(e *Evidence, s subset, what string, n int, find func(e *Evidence, truth, production, shadow Answers) ([]float64, error)) ([]float64, error) {
	key := string(p.metric) + " " + what
	if s.key != "" {
		key += " in " + s.key
	}
	return e.fact(key, n, func() ([]float64, error) {
		if s.rows == nil {
			return find(e, e.Truth, *e.Production, e.Shadow)
		}
		return find(e, e.Truth.pick(s.rows), e.Production.pick(s.rows), e.Shadow.pick(s.rows))
	})
}

// check returns the error of [checkAnswers]. Of a segment there is none: [subsets] looked
// at all rows, and to do so again for each segment would take the square of the time.
func (s subset) check(e *Evidence, m Metric) error {
	if s.segment != "" {
		return nil
	}
	return checkAnswers(e, m)
}

// checkAnswers returns an error if the metric does not suit the target, or an answer is
// missing or malformed, which counting the answers would panic on.
func checkAnswers(e *Evidence, m Metric) error {
	if err := m.measurable(e.Target); err != nil {
		return err
	}
	if classes := classCount(e.Target); m.info().source == fromClasses && classes > maxTallyClasses {
		return fmt.Errorf("gate: models of %s classes cannot be compared by %s, of at most %s they can", count(classes), m.Title(), count(maxTallyClasses))
	}
	if e.memo() != nil {
		return nil // the evidence was validated
	}
	for _, c := range []struct {
		name string
		*Answers
	}{{"truth", &e.Truth}, {"production", e.Production}, {"shadow", &e.Shadow}} {
		if err := c.validate(e.Target, e.N()); err != nil {
			return fmt.Errorf("%w: %s: %w", metrics.ErrInput, c.name, err)
		}
	}
	return nil
}

// gain returns the gain in the unit that is asked for.
func (p pairing) gain(production, shadow float64) (float64, error) {
	if !p.relative {
		return p.metric.settledGain(production, shadow), nil
	}
	gain, ok := relativeGain(p.metric, production, shadow)
	if !ok {
		return 0, fmt.Errorf("%w: production's %s is %s, and a share of that means nothing", metrics.ErrUndefined, p.metric.Title(), p.metric.format(production))
	}
	return gain, nil
}

// bootstrap infers the gain in a metric of classes from the cells of the joint confusion
// matrix.
func (p pairing) bootstrap(e *Evidence, s subset) (inference, error) {
	classes := classCount(e.Target)
	if s.segment == "" {
		s.tallies = overall(e)
	}
	var r inference
	var err error
	if r.production, r.shadow, err = p.ofTallies(s.tallies, classes); err != nil {
		return r, err
	}
	if r.gain, err = p.gain(r.production, r.shadow); err != nil {
		return r, err
	}
	rows := 0
	for _, t := range s.tallies {
		rows += t.Rows
		if t.Production != t.Shadow {
			r.differ += t.Rows
		}
	}
	if err := enough(rows); err != nil {
		return r, err
	}
	cells := newCells(s.tallies, classes)
	share := 0.0
	if p.relative {
		share = r.gain
	}
	tilted, err := paired.NewTilted(cells.counts, cells.prior, p.statistic(cells, classes, share), p.draws, p.seed)
	if err != nil {
		return r, fmt.Errorf("%w: %w", metrics.ErrUndefined, err)
	}
	r.bounds, r.stdErr = tilted, round(tilted.StdErr(), inferenceDigits)
	if p.relative {
		r.stdErr /= math.Abs(r.production)
		test := func(share float64) (*paired.Tilted, error) {
			return tilted.Of(p.statistic(cells, classes, share))
		}
		r.bounds = contrasts{test: test, gain: r.gain, stdErr: r.stdErr}
	}
	r.bounds = settledBounds{r.bounds, r.gain}
	return r, nil
}

// contrasts infers a relative gain. A ratio of two metrics is too skewed to be tested where
// few rows decide: "the gain is a share of production's value" is tested as "the gain less
// that share of production's value is 0", each share by its own statistic of the same draws.
type contrasts struct {
	test         func(share float64) (*paired.Tilted, error)
	gain, stdErr float64
}

// Greater returns the p-value of the hypothesis that the relative gain is at most bound.
func (c contrasts) Greater(bound float64) float64 {
	t, err := c.test(bound)
	if err != nil {
		return 1
	}
	return t.Greater(0)
}

// Less returns the p-value of the hypothesis that the relative gain is at least bound.
func (c contrasts) Less(bound float64) float64 {
	t, err := c.test(bound)
	if err != nil {
		return 1
	}
	return t.Less(0)
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

// statistic returns the gain, less a share of production's value, as a function of the
// counts of the cells.
func (p pairing) statistic(c *cells, classes int, share float64) paired.Statistic {
	production, shadow := newClassCounts(classes), newClassCounts(classes)
	return func(counts []float64) (float64, bool) {
		c.sum(counts, production, shadow)
		a, okA := production.measure(p.metric)
		b, okB := shadow.measure(p.metric)
		return p.metric.gain(a, b) - float64(share*math.Abs(a)), okA && okB
	}
}

// ofTallies measures a metric of classes for both models. Production's is returned with an
// [*omissionError] too.
func (p pairing) ofTallies(tallies []Tally, classes int) (production, shadow float64, err error) {
	if production, err = p.metric.ofTallies(tallies, classes, Tally.production); err != nil {
		return 0, 0, fmt.Errorf("production: %w", err)
	}
	if shadow, err = p.metric.ofTallies(tallies, classes, Tally.shadow); err != nil {
		err = fmt.Errorf("shadow: %w", err)
		if omits(tallies, classes) {
			return production, 0, &omissionError{err}
		}
		return 0, 0, err
	}
	return production, shadow, nil
}

// omits reports whether the shadow never answers a class that occurs among the truths.
func omits(tallies []Tally, classes int) bool {
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

// omissionError says why a metric has no value for a shadow that never answers a class
// that occurs, where it has one for production. Where no row is positive, F1 and Precision
// have none for a shadow that answers no positive, and that is as it should be.
type omissionError struct{ error }

func (e *omissionError) Unwrap() error { return e.error }

// measureRows measures another metric for both models.
func (p pairing) measureRows(e *Evidence, truth, production, shadow Answers) ([]float64, error) {
	a, err := p.metric.Measure(e.Target, truth, production)
	if err != nil {
		return nil, fmt.Errorf("production: %w", err)
	}
	b, err := p.metric.Measure(e.Target, truth, shadow)
	if err != nil {
		return nil, fmt.Errorf("shadow: %w", err)
	}
	return []float64{settle(a), settle(b)}, nil
}

// studentize returns what an inference needs that rests on single rows: the metric of
// both models, and the standard error, degrees of freedom and skewness of the gain.
func (p pairing) studentize(e *Evidence, truth, production, shadow Answers) ([]float64, error) {
	values, err := p.measureRows(e, truth, production, shadow)
	if err != nil {
		return nil, err
	}
	a, b := values[0], values[1]
	if _, err := p.gain(a, b); err != nil {
		return nil, err
	}
	if err := enough(truth.n()); err != nil {
		return nil, err
	}
	var influence [2][]float64
	var degrees [2]float64
	var errs [2]error
	each(2, func(i int) {
		influence[i], degrees[i], errs[i] = influences(p.metric, truth, []Answers{production, shadow}[i])
	})
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	// By the chain rule, the influence on the gain.
	weightA, weightB := 1.0, 1.0
	if p.relative { // which is (b-a)/|a|, or its negative
		weightB = 1 / math.Abs(a)
		weightA = weightB * (b / a)
	}
	if !p.metric.HigherIsBetter() {
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
	// A skewness of about 0 is what large cubes leave of each other: no digit of it means much.
	skewness := math.Round(mean.Skewness*1e9) / 1e9
	return []float64{a, b, mean.StdErr, min(degrees[0], mean.Degrees), skewness}, nil
}

// enough returns an error if the rows are too few for an interval.
func enough(rows int) error {
	if rows < minPaired {
		return fmt.Errorf("%w: fewer than %d rows bear no interval", metrics.ErrUndefined, minPaired)
	}
	return nil
}

// coin returns the p-value of the rows on which the models differ if even all of them
// had fallen the same way: no inference about which model is better can be stronger than
// this exact sign test.
func (r inference) coin() float64 {
	if r.differ < 0 {
		return 0
	}
	return math.Exp2(-float64(r.differ))
}

// worse returns the p-value of the hypothesis that the shadow is not worse.
func (r inference) worse() float64 { return max(r.Less(0), r.coin()) }

// ci returns the interval that bounds the gain on either side with an error of alpha.
func (r inference) ci(alpha float64) (*Interval, error) {
	ci, err := r.CI(1 - 2*alpha)
	if err != nil {
		return nil, err
	}
	if r.coin() > alpha {
		ci.Lo, ci.Hi = min(ci.Lo, 0), max(ci.Hi, 0)
	}
	return &Interval{Lo: ci.Lo, Hi: ci.Hi, Level: 1 - 2*alpha}, nil
}

// z returns the standard errors between a bound and a gain that is proven to be above it
// with an error of alpha and the power that samples are sized for.
func z(alpha float64) float64 {
	return distuv.UnitNormal.Quantile(1-alpha) + distuv.UnitNormal.Quantile(power)
}

// power is what is usual in planning.
const power = 0.8

// needed returns the rows at which a gain like this one would be proven above the bound
// with an error of alpha, 0 if it is not above it.
func (r inference) needed(n int, bound, alpha float64) int {
	distance := r.gain - bound
	if !(distance > 0) || r.stdErr == 0 {
		return 0
	}
	return atLeast(n+1, rowsFor(n, z(alpha)*r.stdErr/distance))
}

// rowsFor returns how many rows make the standard error of n rows smaller by the factor,
// 0 if they are out of reach.
func rowsFor(n int, factor float64) int {
	rows := math.Ceil(round(float64(n)*factor*factor, inferenceDigits))
	if !(rows <= math.MaxInt32) {
		return 0
	}
	return int(rows)
}

// atLeast returns the number of rows, or the least if it is lower, but 0 if it is out of
// reach.
func atLeast(least, rows int) int {
	if rows == 0 {
		return 0
	}
	return max(least, rows)
}
