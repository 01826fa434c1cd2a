package metrics

import "math"

const eceBins = 10

// eceBin returns the bin, from 0, of a probability in [BinaryECE].
func eceBin(probability float64) int { return min(int(probability*eceBins), eceBins-1) }

// BinaryECE returns the expected calibration error, in [0, 1]. The rows are put into 10 bins
// of equal width by probability: [0, 0.1), [0.1, 0.2), ... [0.9, 1]. The gap of a bin is the
// distance between the mean probability and the share of positives in the bin. The result is
// the mean gap, weighted by the rows of each bin. For several classes, pass the probability of
// the predicted class, and as truth whether the prediction was right.
func BinaryECE(truth []bool, probability, weights []float64) (float64, error) {
	const name = "ece"
	if err := checkProbabilities(name, "probability", probability, len(truth)); err != nil {
		return 0, err
	}
	all, err := total(name, len(truth), weights)
	if err != nil {
		return 0, err
	}
	var gaps [eceBins]float64 // per bin the sum of weight * (probability - truth)
	for i, p := range probability {
		gaps[eceBin(p)] += weight(weights, i) * (p - indicator(truth[i]))
	}
	var sum float64
	for _, gap := range gaps {
		sum += math.Abs(gap)
	}
	return finite(name, sum/all)
}
