package gate

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// minPaired is the number of rows below which neither a bootstrap nor a t interval keeps
// its level.
const minPaired = 30

// paired is what identical rows say of the shadow's gain over production. Gains are
// positive if the shadow is better, whatever the direction of the metric.
type paired struct {
	production, shadow float64 // the metric of both
	gain               float64
	// lo and hi each bound the true gain on one side at the level 1-alpha.
	lo, hi float64
	stdErr float64 // of the gain
	// worse is the p-value of the hypothesis that the shadow is not worse.
	worse float64
}

// pairing says how to compare.
type pairing struct {
	metric Metric // resolved by [Metric.For]
	alpha  float64
	draws  int
	seed   uint64
}

// compare infers the gain from identical rows. Metrics of classes are bootstrapped over
// the cells of the joint confusion matrix, so that the cost does not grow with the rows;
// means of a loss, and smooth functions of them, are linearised to one number per row,
// whose mean has a t interval.
func (p pairing) compare(target predictlog.Target, truth, production, shadow Answers) (paired, error) {
	var r paired
	var err error
	if r.production, err = p.metric.Measure(target, truth, production); err != nil {
		return r, fmt.Errorf("production: %w", err)
	}
	if r.shadow, err = p.metric.Measure(target, truth, shadow); err != nil {
		return r, fmt.Errorf("shadow: %w", err)
	}
	r.gain = p.metric.gain(r.production, r.shadow)
	n := truth.n()
	if n < minPaired {
		return r, fmt.Errorf("%w: fewer than %d rows bear no interval", metrics.ErrUndefined, minPaired)
	}
	if p.metric.info().source == fromClasses {
		classes := classCount(target)
		p.bootstrap(&r, cellsOf(truth.Class, production.Class, shadow.Class, classes), classes)
		return r, nil
	}
	influence, err := influences(p.metric, truth, production, shadow)
	if err != nil {
		return r, err
	}
	err = p.studentize(&r, influence)
	return r, err
}

// cell counts the rows of one combination of truth and both answers.
type cell struct{ truth, production, shadow, count int }

// cellsOf returns the combinations that occur, in a fixed order.
func cellsOf(truth, production, shadow []int, classes int) []cell {
	counts := map[int]int{} // by the number whose digits are the combination
	for i, t := range truth {
		counts[(t*classes+production[i])*classes+shadow[i]]++
	}
	cells := make([]cell, 0, len(counts))
	for _, digits := range slices.Sorted(maps.Keys(counts)) {
		cells = append(cells, cell{digits / classes / classes, digits / classes % classes, digits % classes, counts[digits]})
	}
	return cells
}

// bootstrap fills the interval and p-value of a metric of classes. Resampling the rows
// is one multinomial draw over the cells. The interval is the percentile one; a draw for
// which the metric is undefined counts against both of its ends.
func (p pairing) bootstrap(r *paired, cells []cell, classes int) {
	n, differ := 0, 0
	for _, c := range cells {
		n += c.count
		if c.production != c.shadow {
			differ += c.count
		}
	}
	source := rand.NewPCG(p.seed, 0)
	production, shadow := newMatrix(classes), newMatrix(classes)
	gains := make([]float64, 0, p.draws)
	notWorse := 0
	for range p.draws {
		drawCells(source, cells, n, production, shadow)
		a, errA := p.metric.ofMatrix(production)
		b, errB := p.metric.ofMatrix(shadow)
		if errA != nil || errB != nil {
			continue
		}
		gain := p.metric.gain(a, b)
		gains = append(gains, gain)
		if gain >= 0 {
			notWorse++
		}
	}
	undefined := p.draws - len(gains)
	slices.Sort(gains)
	r.lo, r.hi = math.Inf(-1), math.Inf(1)
	if tail := int(p.alpha*float64(p.draws)) - undefined; tail > 0 {
		r.lo, r.hi = gains[tail-1], gains[len(gains)-tail]
	}
	r.worse = float64(1+undefined+notWorse) / float64(1+p.draws)
	if len(gains) > 1 {
		r.stdErr = stat.StdDev(gains, nil)
	}
	// The sign of the gain rests on the rows on which the models differ. If even all of
	// them falling the same way were no proof (the exact sign test), a bootstrap, which
	// sees no other outcome than those, is none either.
	if least := math.Exp2(-float64(differ)); least > p.alpha {
		r.lo, r.hi, r.worse = min(r.lo, 0), max(r.hi, 0), max(r.worse, least)
	}
}

func newMatrix(classes int) metrics.Matrix {
	m := make(metrics.Matrix, classes)
	for t := range m {
		m[t] = make([]float64, classes)
	}
	return m
}

// drawCells resamples n rows and counts them in both confusion matrices.
func drawCells(source rand.Source, cells []cell, n int, production, shadow metrics.Matrix) {
	for t := range production {
		clear(production[t])
		clear(shadow[t])
	}
	rows, left := float64(n), float64(n) // to draw, and of the cells to come
	for _, c := range cells {
		drawn := rows
		if share := float64(c.count) / left; share < 1 && rows > 0 {
			drawn = distuv.Binomial{N: rows, P: share, Src: source}.Rand()
		}
		production[c.truth][c.production] += drawn
		shadow[c.truth][c.shadow] += drawn
		rows -= drawn
		left -= float64(c.count)
	}
}

// studentize fills the interval and p-value of a gain that is, but for terms of higher
// order, the mean of one number for each row.
func (p pairing) studentize(r *paired, influence []float64) error {
	n := float64(len(influence))
	r.stdErr = stat.StdDev(influence, nil) / math.Sqrt(n)
	if math.IsNaN(r.stdErr) || math.IsInf(r.stdErr, 0) {
		return fmt.Errorf("%w: the differences are too large to compute with", metrics.ErrUndefined)
	}
	t := distuv.StudentsT{Sigma: 1, Nu: n - 1}
	reach := t.Quantile(1-p.alpha) * r.stdErr
	r.lo, r.hi = r.gain-reach, r.gain+reach
	switch {
	case r.stdErr > 0:
		r.worse = t.CDF(r.gain / r.stdErr)
	case r.gain >= 0:
		r.worse = 1
	}
	return nil
}

// needed returns the rows at which a gain like this one would be proven above the bound
// with a power of 80 %, 0 if it is not above it.
func (p pairing) needed(r paired, n int, bound float64) int {
	distance := r.gain - bound
	if !(distance > 0) || r.stdErr == 0 {
		return 0
	}
	z := distuv.UnitNormal.Quantile(1-p.alpha) + distuv.UnitNormal.Quantile(0.8)
	rows := float64(n) * math.Pow(z*r.stdErr/distance, 2)
	if rows > math.MaxInt32 {
		return 0 // out of reach
	}
	return max(int(math.Ceil(rows)), n+1)
}
