package metrics

import "math"

// Confusion counts the right and wrong answers of a binary classifier. With weights the counts
// are sums of weights. A method returns [ErrUndefined] where it would divide by zero;
// scikit-learn answers 0 there, with a warning.
type Confusion struct {
	TP float64 `json:"tp"` // positive, predicted positive
	FP float64 `json:"fp"` // negative, predicted positive
	TN float64 `json:"tn"` // negative, predicted negative
	FN float64 `json:"fn"` // positive, predicted negative
}

// NewConfusion counts the rows; true is the positive class. No rows give the zero Confusion.
func NewConfusion(truth, predicted []bool, weights []float64) (Confusion, error) {
	var c Confusion
	if len(predicted) != len(truth) {
		return c, malformed("confusion", "predicted has %d values, want %d", len(predicted), len(truth))
	}
	if err := checkWeights("confusion", len(truth), weights); err != nil {
		return c, err
	}
	for i, positive := range truth {
		w := weight(weights, i)
		switch {
		case positive && predicted[i]:
			c.TP += w
		case predicted[i]:
			c.FP += w
		case positive:
			c.FN += w
		default:
			c.TN += w
		}
	}
	return c, nil
}

// Total returns the number of rows counted.
func (c Confusion) Total() float64 { return c.TP + c.FP + c.TN + c.FN }

// Accuracy returns the share of rows with a right answer.
func (c Confusion) Accuracy() (float64, error) {
	return ratio("accuracy", c.TP+c.TN, c.Total(), "no rows")
}

// Precision returns the share of positives among the rows predicted positive.
func (c Confusion) Precision() (float64, error) {
	return ratio("precision", c.TP, c.TP+c.FP, "no row is predicted positive")
}

// Recall returns the share of the positive rows that were predicted positive.
func (c Confusion) Recall() (float64, error) {
	return ratio("recall", c.TP, c.TP+c.FN, "no row is positive")
}

// Specificity returns the share of the negative rows that were predicted negative.
func (c Confusion) Specificity() (float64, error) {
	return ratio("specificity", c.TN, c.TN+c.FP, "no row is negative")
}

// F1 returns the harmonic mean of precision and recall, 2TP / (2TP + FP + FN). F1 is 0 if
// there are positive rows and none of them was found.
func (c Confusion) F1() (float64, error) {
	return ratio("f1", 2*c.TP, 2*c.TP+c.FP+c.FN, "no row is positive or predicted positive")
}

// BalancedAccuracy returns the mean of recall and specificity. Both classes must occur;
// scikit-learn leaves an absent class out of the mean.
func (c Confusion) BalancedAccuracy() (float64, error) {
	if c.TP+c.FN == 0 || c.TN+c.FP == 0 {
		return 0, undefined("balanced_accuracy", "all rows are of one class")
	}
	return finite("balanced_accuracy", (c.TP/(c.TP+c.FN)+c.TN/(c.TN+c.FP))/2)
}

// MCC returns the Matthews correlation coefficient, in [-1, 1]. Both classes must occur
// among the truths and among the predictions; scikit-learn answers 0 otherwise.
func (c Confusion) MCC() (float64, error) {
	// Roots before products keep large counts from overflowing.
	d := math.Sqrt(c.TP+c.FP) * math.Sqrt(c.TP+c.FN) * math.Sqrt(c.TN+c.FP) * math.Sqrt(c.TN+c.FN)
	// The conversions round each product, on every processor alike, as in [Counts.MCC].
	return ratio("mcc", float64(c.TP*c.TN)-float64(c.FP*c.FN), d, "all rows are of one class or predicted to be")
}
