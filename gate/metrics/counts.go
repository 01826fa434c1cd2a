package metrics

import (
	"errors"
	"math"
)

// Counts hold the answers of a classifier, one [Confusion] for each class: Counts[k] takes
// class k as positive and all other classes as negative. For a binary target, Counts[1] is the
// Confusion of the positive class.
type Counts []Confusion

// NewCounts counts the rows of a classifier, with classes from 0. No rows give zeros.
func NewCounts(truth, predicted []int, classes int, weights []float64) (Counts, error) {
	const name = "confusion matrix"
	if classes < 1 {
		return nil, malformed(name, "classes is %d, want 1 or more", classes)
	}
	if err := errors.Join(
		checkClasses(name, "truth", truth, len(truth), classes),
		checkClasses(name, "predicted", predicted, len(truth), classes),
		checkWeights(name, len(truth), weights),
	); err != nil {
		return nil, err
	}
	c := make(Counts, classes)
	for i, t := range truth {
		c.Add(t, predicted[i], weight(weights, i))
	}
	c.complete()
	return c, nil
}

// Add counts rows of class truth that were predicted as class predicted. Add does not change
// any TN: [Metric.MeasureCounts] computes them.
func (c Counts) Add(truth, predicted int, rows float64) {
	if truth == predicted {
		c[truth].TP += rows
		return
	}
	c[truth].FN += rows
	c[predicted].FP += rows
}

// complete sets the TN of every class.
func (c Counts) complete() {
	if len(c) == 2 {
		c[0].TN, c[1].TN = c[1].TP, c[0].TP
		return
	}
	total := c.Total()
	for k := range c {
		c[k].TN = max(0, total-c[k].TP-c[k].FN-c[k].FP) // rounding must not make it negative
	}
}

// Average says how the values of the classes become one number.
type Average uint8

// The averages.
const (
	// Macro weighs all classes that occur among truths or predictions alike.
	Macro Average = iota
	// Micro adds up the hits and misses of all classes. If each row has one class, micro
	// precision, recall and F1 all equal accuracy.
	Micro
	// Weighted weighs every class by its share of the truths.
	Weighted
)

// Total returns the number of rows counted.
func (c Counts) Total() float64 {
	var sum float64
	for _, k := range c {
		sum += k.TP + k.FN
	}
	return sum
}

// Accuracy returns the share of rows with a right answer.
func (c Counts) Accuracy() (float64, error) {
	var hits float64
	for _, k := range c {
		hits += k.TP
	}
	return ratio("accuracy", hits, c.Total(), "no rows")
}

// Precision returns the averaged precision. A class that is never predicted counts 0.
func (c Counts) Precision(a Average) (float64, error) {
	return c.average("precision", a, Confusion.Precision)
}

// Recall returns the averaged recall. A class that is predicted but never occurs counts 0.
func (c Counts) Recall(a Average) (float64, error) {
	return c.average("recall", a, Confusion.Recall)
}

// F1 returns the averaged F1 of the classes.
func (c Counts) F1(a Average) (float64, error) {
	return c.average("f1", a, Confusion.F1)
}

// average averages a measure over the classes. An undefined measure counts 0, as in
// scikit-learn: leaving the class out would reward never answering it.
func (c Counts) average(metric string, a Average, measure func(Confusion) (float64, error)) (float64, error) {
	var sum, weights float64
	if a == Micro {
		for _, k := range c {
			sum += k.TP
		}
		return ratio(metric, sum, c.Total(), "no rows")
	}
	for _, k := range c {
		if k.TP+k.FP+k.FN == 0 {
			continue
		}
		w := 1.0
		if a == Weighted {
			w = k.TP + k.FN
		}
		if k.TP > 0 { // otherwise the measure is 0 or undefined
			if v, err := measure(k); err == nil {
				sum += w * v
			}
		}
		weights += w
	}
	return ratio(metric, sum, weights, "no rows")
}

// BalancedAccuracy returns the mean recall of the classes that occur.
func (c Counts) BalancedAccuracy() (float64, error) {
	var sum, classes float64
	for _, k := range c {
		if k.TP+k.FN > 0 {
			sum += k.TP / (k.TP + k.FN)
			classes++
		}
	}
	return ratio("balanced_accuracy", sum, classes, "no rows")
}

// MCC returns the multiclass Matthews correlation coefficient (Gorodkin 2004), in [-1, 1]. At
// least two classes must occur among the truths and two among the predictions; scikit-learn
// answers 0 otherwise.
//
// The sums below contain no subtraction. Such a sum is 0 only if there is a single class,
// however light the other classes are.
func (c Counts) MCC() (float64, error) {
	truths, predictions := make([]float64, len(c)), make([]float64, len(c))
	for i, k := range c {
		truths[i], predictions[i] = k.TP+k.FN, k.TP+k.FP
	}
	notTrue, notPredicted := others(truths), others(predictions)
	var both, tt, pp float64
	for i, k := range c {
		// The smaller of two differences loses fewer digits.
		tn := notPredicted[i] - k.FN
		if notTrue[i] < notPredicted[i] {
			tn = notTrue[i] - k.FP
		}
		// The conversion rounds the product before the addition, on every processor alike.
		both += float64(k.TP*max(tn, 0)) - float64(k.FP*k.FN)
		tt += float64(truths[i] * notTrue[i])
		pp += float64(predictions[i] * notPredicted[i])
	}
	mcc, err := ratio("mcc", both, math.Sqrt(tt)*math.Sqrt(pp), "all rows are of one class or predicted to be")
	return min(max(mcc, -1), 1), err // rounding must not leave the range
}

// others returns for each number the sum of all other numbers. It only adds: subtracting a
// number from the total would leave only noise if the others are small.
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
