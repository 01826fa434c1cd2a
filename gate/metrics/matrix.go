package metrics

import "math"

// Matrix counts the answers of a classifier: Matrix[t][p] is the weight of the rows of
// class t that were predicted to be of class p. It is square.
type Matrix [][]float64

// NewMatrix counts the rows of a classifier with the given number of classes, which are
// numbered from 0. No rows give a Matrix of zeros.
func NewMatrix(truth, predicted []int, classes int, weights []float64) (Matrix, error) {
	const name = "confusion matrix"
	if classes < 1 {
		return nil, malformed(name, "classes is %d, want 1 or more", classes)
	}
	if err := checkLength(name, "predicted", len(predicted), len(truth)); err != nil {
		return nil, err
	}
	if err := checkWeights(name, len(truth), weights); err != nil {
		return nil, err
	}
	m := make(Matrix, classes)
	for t := range m {
		m[t] = make([]float64, classes)
	}
	for i, t := range truth {
		p := predicted[i]
		if t < 0 || t >= classes {
			return nil, malformed(name, "truth[%d] is class %d, want 0 to %d", i, t, classes-1)
		}
		if p < 0 || p >= classes {
			return nil, malformed(name, "predicted[%d] is class %d, want 0 to %d", i, p, classes-1)
		}
		m[t][p] += weight(weights, i)
	}
	return m, nil
}

// Average says how the measures of the classes become one number.
type Average uint8

// The averages.
const (
	// Macro weighs every class alike that occurs among the truths or the predictions.
	Macro Average = iota
	// Micro counts all classes' hits and misses together. Where each row has one class,
	// micro precision, recall and F1 all equal accuracy.
	Micro
	// Weighted weighs every class by its share of the truths.
	Weighted
)

// OneVsRest returns the counts of class k, as positive, against all other classes. It
// panics if there is no class k, as an index does.
func (m Matrix) OneVsRest(k int) Confusion {
	var c Confusion
	for t := range m {
		for p, w := range m[t] {
			switch {
			case t == k && p == k:
				c.TP += w
			case p == k:
				c.FP += w
			case t == k:
				c.FN += w
			default:
				c.TN += w
			}
		}
	}
	return c
}

// classes returns the counts of every class against the rest.
func (m Matrix) classes() []Confusion {
	classes := make([]Confusion, len(m))
	var total float64
	for t, row := range m {
		for p, w := range row {
			total += w
			if p == t {
				classes[t].TP = w
			} else {
				classes[t].FN += w
				classes[p].FP += w
			}
		}
	}
	for k := range classes {
		c := &classes[k]
		c.TN = max(0, total-c.TP-c.FN-c.FP) // rounding must not make it negative
	}
	return classes
}

// Total returns the number of rows counted.
func (m Matrix) Total() float64 {
	var sum float64
	for t := range m {
		for _, w := range m[t] {
			sum += w
		}
	}
	return sum
}

// Accuracy returns the share of rows that were answered right.
func (m Matrix) Accuracy() (float64, error) {
	var hits float64
	for k := range m {
		hits += m[k][k]
	}
	return ratio("accuracy", hits, m.Total(), "no rows")
}

// Precision returns the averaged precision. A class that is never predicted counts 0.
func (m Matrix) Precision(a Average) (float64, error) {
	return m.average("precision", a, Confusion.Precision)
}

// Recall returns the averaged recall. A class that never occurs, but is predicted,
// counts 0.
func (m Matrix) Recall(a Average) (float64, error) {
	return m.average("recall", a, Confusion.Recall)
}

// F1 returns the averaged F1 of the classes.
func (m Matrix) F1(a Average) (float64, error) {
	return m.average("f1", a, Confusion.F1)
}

// average averages a measure of the classes. Within an average an undefined measure
// counts 0, as in scikit-learn: leaving the class out would reward never answering it.
func (m Matrix) average(metric string, a Average, measure func(Confusion) (float64, error)) (float64, error) {
	if a == Micro {
		hits, err := m.Accuracy()
		if err != nil {
			return 0, undefined(metric, "no rows")
		}
		return hits, nil
	}
	var sum, weights float64
	for _, c := range m.classes() {
		if c.TP+c.FP+c.FN == 0 {
			continue
		}
		w := 1.0
		if a == Weighted {
			w = c.TP + c.FN
		}
		if v, err := measure(c); err == nil {
			sum += w * v
		}
		weights += w
	}
	return ratio(metric, sum, weights, "no rows")
}

// BalancedAccuracy returns the mean recall of the classes that occur.
func (m Matrix) BalancedAccuracy() (float64, error) {
	var sum, classes float64
	for _, c := range m.classes() {
		if recall, err := c.Recall(); err == nil {
			sum += recall
			classes++
		}
	}
	return ratio("balanced_accuracy", sum, classes, "no rows")
}

// MCC returns the multiclass Matthews correlation coefficient (Gorodkin 2004), in
// [-1, 1]. Two classes must occur among the truths and two among the predictions;
// scikit-learn answers 0 otherwise.
//
// It is computed from the counts of each class against the rest, and from sums of which
// nothing is subtracted: those are 0 just where there is a single class, however light the
// others are.
func (m Matrix) MCC() (float64, error) {
	classes := m.classes()
	truths, predictions := make([]float64, len(classes)), make([]float64, len(classes))
	for k, c := range classes {
		truths[k], predictions[k] = c.TP+c.FN, c.TP+c.FP
	}
	notTrue, notPredicted := others(truths), others(predictions)
	var both, tt, pp float64
	for k, c := range classes {
		// Of two differences the smaller loses less.
		tn := notPredicted[k] - c.FN
		if notTrue[k] < notPredicted[k] {
			tn = notTrue[k] - c.FP
		}
		// Converted, products are rounded on every processor, and not only on those that
		// cannot add to them at once.
		both += float64(c.TP*max(tn, 0)) - float64(c.FP*c.FN)
		tt += float64(truths[k] * notTrue[k])
		pp += float64(predictions[k] * notPredicted[k])
	}
	mcc, err := ratio("mcc", both, math.Sqrt(tt)*math.Sqrt(pp), "all rows are of one class or predicted to be")
	return min(max(mcc, -1), 1), err // rounding must not take it out of its range
}

// others returns for each number the sum of all others, by addition alone: the sum of all
// less the number is rounded as the sum is, and may be anything where the others are small.
func others(x []float64) []float64 {
	sums := make([]float64, len(x))
	var before, after float64
	for i := range x {
		sums[i] += before
		before += x[i]
	}
	for i := len(x) - 1; i >= 0; i-- {
		sums[i] += after
		after += x[i]
	}
	return sums
}
