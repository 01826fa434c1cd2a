package metrics

import "math"

// clip keeps one wrong answer of certainty from costing infinitely much; it is the
// spacing of float64 at 1, as in scikit-learn.
const clip = 0x1p-52

// BinaryLogLoss returns the mean of -ln of the probability given to what was true, in nats.
// Probabilities are clipped to [2^-52, 1-2^-52], so that a loss is at most 36.04.
func BinaryLogLoss(truth []bool, probability, weights []float64) (float64, error) {
	const name = "log_loss"
	if err := checkProbabilities(name, "probability", probability, len(truth)); err != nil {
		return 0, err
	}
	// What was given to the truth is p, or 1-p.
	given := func(i int) float64 { return math.Abs(indicator(!truth[i]) - probability[i]) }
	return meanNegativeLog(name, len(truth), weights, given)
}

// NegativeLog returns -ln p with p clipped as in [BinaryLogLoss]: the loss of one row whose
// truth was given the probability p.
func NegativeLog(p float64) float64 { return -math.Log(clipped(p)) }

func clipped(p float64) float64 {
	switch {
	case p < clip:
		return clip
	case p > 1-clip:
		return 1 - clip
	}
	return p
}

// meanNegativeLog returns the weighted mean over n rows of [NegativeLog] of what is given
// to the truth of each.
func meanNegativeLog(metric string, n int, weights []float64, given func(i int) float64) (float64, error) {
	if weights != nil {
		return mean(metric, n, weights, func(i int) float64 { return NegativeLog(given(i)) })
	}
	all, err := total(metric, n, weights)
	if err != nil {
		return 0, err
	}
	// The logarithm of a product is the sum of those of its factors, as exactly, and one is
	// faster than many. Of so many factors a product is above 2^-832, far from subnormal.
	const factors = 16
	var sum float64
	for first := 0; first < n; first += factors {
		product := 1.0
		for i := first; i < min(first+factors, n); i++ {
			product *= clipped(given(i))
		}
		sum -= math.Log(product)
	}
	return finite(metric, sum/all)
}

// MulticlassLogLoss returns the log loss of a classifier of several classes:
// probability[k][i] is the probability of class k for row i. Those of a row sum up to 1
// within [SumTolerance].
func MulticlassLogLoss(truth []int, probability [][]float64, weights []float64) (float64, error) {
	const name = "log_loss"
	if err := checkClassProbabilities(name, truth, probability); err != nil {
		return 0, err
	}
	return meanNegativeLog(name, len(truth), weights, func(i int) float64 { return probability[truth[i]][i] })
}

// SumTolerance is by how much the probabilities of a row's classes may miss a sum of 1. A
// softmax over a thousand classes in float32 misses by about 1e-6. A model gains at most
// as much log loss by overstating all of its probabilities.
const SumTolerance = 1e-5

// checkClassProbabilities returns an error unless every class has a column of
// probabilities, those of each row sum up to 1 and every truth is one of the classes.
func checkClassProbabilities(metric string, truth []int, probability [][]float64) error {
	for k, column := range probability {
		if err := checkLength(metric, "a class of probability", len(column), len(truth)); err != nil {
			return err
		}
		for i, p := range column {
			if !(p >= 0 && p <= 1) { // also true of NaN
				return malformed(metric, "probability[%d][%d] is %v, want 0 to 1", k, i, p)
			}
		}
	}
	for i, t := range truth {
		var sum float64
		for _, column := range probability {
			sum += column[i]
		}
		if math.Abs(sum-1) > SumTolerance && len(probability) > 0 {
			return malformed(metric, "the probabilities of row %d sum up to %v, want 1", i, sum)
		}
		if t < 0 || t >= len(probability) {
			return malformed(metric, "truth[%d] is class %d, want 0 to %d", i, t, len(probability)-1)
		}
	}
	return nil
}
