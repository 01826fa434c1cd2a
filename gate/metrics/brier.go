package metrics

// BinaryBrier returns the mean squared difference between the probability of the positive
// class and the truth (1 or 0), in [0, 1].
func BinaryBrier(truth []bool, probability, weights []float64) (float64, error) {
	const name = "brier"
	if err := checkProbabilities(name, "probability", probability, len(truth)); err != nil {
		return 0, err
	}
	return mean(name, len(truth), weights, func(i int) float64 {
		return square(probability[i] - indicator(truth[i]))
	})
}

// MulticlassBrier returns Brier's score of several classes, in [0, 2]: for each row the
// squared differences are summed over the classes, and the sums are averaged over the rows.
// probability[k][i] is the probability of class k for row i. With two classes the score is
// twice [BinaryBrier].
func MulticlassBrier(truth []int, probability [][]float64, weights []float64) (float64, error) {
	const name = "brier"
	if err := checkClassProbabilities(name, truth, probability); err != nil {
		return 0, err
	}
	return mean(name, len(truth), weights, func(i int) float64 {
		var sum float64
		for k, column := range probability {
			sum += square(column[i] - indicator(truth[i] == k))
		}
		return sum
	})
}
