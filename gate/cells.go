package gate

import (
	"math"

	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// cells are the kinds of rows that a classification can have, as a bootstrap draws them.
type cells struct {
	kinds         []Tally   // without their numbers of rows
	counts, prior []float64 // of each kind
}

// newCells returns the cells of the tallies, and a prior that keeps a bootstrap from
// taking it for impossible that the models differ in a way that happened not to be seen:
// for each truth as many rows won as lost by the shadow, 2 divided by the number of
// classes either way. They are divided among the ways in which the models were seen to
// differ, each as often as its opposite.
//
// So two classes add four rows. Simulation shows that they keep the level where few rows
// differ; where many do, they change nothing.
func newCells(tallies []Tally, classes int) *cells {
	c := &cells{}
	index := map[Tally]int{}
	add := func(kind Tally, count, prior float64) {
		i, ok := index[kind]
		if !ok {
			i = len(c.kinds)
			index[kind] = i
			c.kinds, c.counts, c.prior = append(c.kinds, kind), append(c.counts, 0), append(c.prior, 0)
		}
		c.counts[i] += count
		c.prior[i] += prior
	}
	rows, differ := make([]float64, classes), make([]float64, classes) // by truth
	for _, t := range tallies {
		add(t.answers(), float64(t.Rows), 0)
		rows[t.Truth] += float64(t.Rows)
		if t.Production != t.Shadow {
			differ[t.Truth] += float64(t.Rows)
		}
	}
	either := 2 / float64(classes)
	addPair := func(truth, a, b int, prior float64) {
		add(Tally{Truth: truth, Production: a, Shadow: b}, 0, prior)
		add(Tally{Truth: truth, Production: b, Shadow: a}, 0, prior)
	}
	for _, t := range tallies {
		if t.Production != t.Shadow {
			addPair(t.Truth, t.Production, t.Shadow, either*float64(t.Rows)/differ[t.Truth])
		}
	}
	for truth := range classes {
		if rows[truth] > 0 && differ[truth] == 0 {
			addPair(truth, truth, (truth+1)%classes, either)
		}
	}
	return c
}

// sum overwrites both models' counts with those of the cells.
func (c *cells) sum(counts []float64, production, shadow classCounts) {
	production.clear()
	shadow.clear()
	for i, kind := range c.kinds {
		production.add(kind.Truth, kind.Production, counts[i])
		shadow.add(kind.Truth, kind.Shadow, counts[i])
	}
}

// classCounts are what the metrics of classes need of a confusion matrix. They are as many
// as there are classes, where the matrix has the square of that, and would be filled anew
// for each draw of a bootstrap. The metrics are those of package metrics, in the same steps
// but to the bit the same on every processor: the slope of a metric is taken from its
// values, and magnifies the least difference.
type classCounts struct {
	right  []float64 // the rows of each class that were answered so
	missed []float64 // its other rows
	wrong  []float64 // the rows of other classes that were answered so

	notTrue, notAnswered []float64 // room for mcc
}

func newClassCounts(classes int) classCounts {
	column := func() []float64 { return make([]float64, classes) }
	return classCounts{column(), column(), column(), column(), column()}
}

func (c classCounts) clear() {
	clear(c.right)
	clear(c.missed)
	clear(c.wrong)
}

func (c classCounts) add(truth, answer int, rows float64) {
	if truth == answer {
		c.right[truth] += rows
		return
	}
	c.missed[truth] += rows
	c.wrong[answer] += rows
}

// measure returns a metric of classes, false if it has no value. Two classes are a binary
// target, whose second class is the positive one.
func (c classCounts) measure(m Metric) (float64, bool) {
	if len(c.right) == 2 {
		return c.measureBinary(m)
	}
	switch m {
	case Accuracy:
		return c.accuracy()
	case MCC:
		return c.mcc()
	case Precision, Recall, F1:
		return c.macro(m)
	default:
		return c.balancedAccuracy()
	}
}

func (c classCounts) measureBinary(m Metric) (float64, bool) {
	tp, fp, tn, fn := c.right[1], c.wrong[1], c.right[0], c.missed[1]
	switch m {
	case Accuracy:
		return divide(tp+tn, tp+fp+tn+fn)
	case Precision:
		return divide(tp, tp+fp)
	case Recall:
		return divide(tp, tp+fn)
	case F1:
		return divide(2*tp, 2*tp+fp+fn)
	case Specificity:
		return divide(tn, tn+fp)
	case MCC:
		d := math.Sqrt(tp+fp) * math.Sqrt(tp+fn) * math.Sqrt(tn+fp) * math.Sqrt(tn+fn)
		return divide(float64(tp*tn)-float64(fp*fn), d)
	default:
		recall, ok := divide(tp, tp+fn)
		specificity, also := divide(tn, tn+fp)
		return (recall + specificity) / 2, ok && also
	}
}

func (c classCounts) accuracy() (float64, bool) {
	var right, rows float64
	for k, r := range c.right {
		right += r
		rows += r + c.missed[k]
	}
	return divide(right, rows)
}

// macro averages over the classes that occur among the truths or the answers. Where a
// class has no value it counts 0.
func (c classCounts) macro(m Metric) (float64, bool) {
	var sum, classes float64
	for k, right := range c.right {
		missed, wrong := c.missed[k], c.wrong[k]
		if right+missed+wrong == 0 {
			continue
		}
		classes++
		if right == 0 {
			continue
		}
		switch m {
		case Precision:
			sum += right / (right + wrong)
		case Recall:
			sum += right / (right + missed)
		default:
			sum += 2 * right / (2*right + wrong + missed)
		}
	}
	return divide(sum, classes)
}

func (c classCounts) balancedAccuracy() (float64, bool) {
	var sum, classes float64
	for k, right := range c.right {
		if recall, ok := divide(right, right+c.missed[k]); ok {
			sum += recall
			classes++
		}
	}
	return divide(sum, classes)
}

// mcc is that of Matrix.MCC, by sums of which nothing is subtracted.
func (c classCounts) mcc() (float64, bool) {
	c.others(c.missed, c.notTrue)
	c.others(c.wrong, c.notAnswered)
	var both, tt, pp float64
	for k, right := range c.right {
		missed, wrong, notTrue, notAnswered := c.missed[k], c.wrong[k], c.notTrue[k], c.notAnswered[k]
		neither := notAnswered - missed
		if notTrue < notAnswered {
			neither = notTrue - wrong
		}
		both += float64(right*max(neither, 0)) - float64(wrong*missed)
		tt += float64((right + missed) * notTrue)
		pp += float64((right + wrong) * notAnswered)
	}
	mcc, ok := divide(both, math.Sqrt(tt)*math.Sqrt(pp))
	return min(max(mcc, -1), 1), ok
}

// others overwrites sums with the rows of all other classes, a class having those that
// were answered right and those that were not.
func (c classCounts) others(not, sums []float64) {
	var before, after float64
	for k, right := range c.right {
		sums[k] = before
		before += right + not[k]
	}
	for k := len(sums) - 1; k >= 0; k-- {
		sums[k] += after
		after += c.right[k] + not[k]
	}
}

// divide returns a/b, false if that is not a number.
func divide(a, b float64) (float64, bool) {
	v := a / b
	return v, b != 0 && isFinite(v)
}

// ofTallies measures a metric of classes on the answers of one model.
func (m Metric) ofTallies(tallies []Tally, classes int, answer func(Tally) int) (float64, error) {
	counts := newClassCounts(classes)
	for _, t := range tallies {
		counts.add(t.Truth, answer(t), float64(t.Rows))
	}
	if v, ok := counts.measure(m); ok {
		return settle(v), nil
	}
	// The matrix says why there is none.
	matrix := make(metrics.Matrix, classes)
	for t := range matrix {
		matrix[t] = make([]float64, classes)
	}
	for _, t := range tallies {
		matrix[t.Truth][answer(t)] += float64(t.Rows)
	}
	v, err := m.ofMatrix(matrix)
	return settle(v), err
}
