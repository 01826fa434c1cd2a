package metrics

import (
	"fmt"
	"math"
)

// clip bounds the loss of one answer. It is the spacing of float64 at 1, as in scikit-learn.
const clip = 0x1p-52

// BinaryLogLoss returns the mean of -ln(p) in nats, where p is the probability given to the
// true class. Probabilities are clipped to [2^-52, 1-2^-52], so that a loss is at most 36.04.
func BinaryLogLoss(truth []bool, probability, weights []float64) (float64, error) {
	const name = "log_loss"
	if err := checkProbabilities(name, "probability", probability, len(truth)); err != nil {
		return 0, err
	}
	return mean(name, len(truth), weights, func(i int) float64 {
		return NegativeLog(math.Abs(indicator(!truth[i]) - probability[i])) // of p, or of 1-p
	})
}

// NegativeLog returns -ln p with p clipped as in [BinaryLogLoss]. It is the loss of one row
// whose true class was given the probability p.
func NegativeLog(p float64) float64 { return -math.Log(min(max(p, clip), 1-clip)) }

// MulticlassLogLoss returns the log loss of a classifier of several classes. probability[k][i]
// is the probability of class k for row i. The probabilities of a row sum up to 1 within
// [SumTolerance].
func MulticlassLogLoss(truth []int, probability [][]float64, weights []float64) (float64, error) {
	const name = "log_loss"
	if err := checkClassProbabilities(name, truth, probability); err != nil {
		return 0, err
	}
	return mean(name, len(truth), weights, func(i int) float64 { return NegativeLog(probability[truth[i]][i]) })
}

// SumTolerance is the largest distance from 1 that the sum of a row's probabilities may have.
// A softmax over a thousand classes in float32 misses 1 by about 1e-6. A model that overstates
// all of its probabilities gains at most SumTolerance in log loss.
const SumTolerance = 1e-5

// checkClassProbabilities returns an error unless every class has a column of probabilities,
// the probabilities of each row sum up to 1 and every truth is one of the classes.
func checkClassProbabilities(metric string, truth []int, probability [][]float64) error {
	n := len(truth)
	for k, column := range probability {
		if err := checkProbabilities(metric, fmt.Sprintf("probability[%d]", k), column, n); err != nil {
			return err
		}
	}
	if len(probability) > 0 {
		if err := checkSums(probability, n); err != nil {
			return inMetric(metric, err)
		}
	}
	return checkClasses(metric, "truth", truth, n, len(probability))
}
