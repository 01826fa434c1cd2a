package metrics

// BinaryBrier returns the mean squared difference between the probability of the positive
// class and what was true (1 or 0), in [0, 1].
func BinaryBrier(truth []bool, probability, weights []float64) (float64, error) {
	const name = "brier"
	if err := checkProbabilities(name, "probability", probability, len(truth)); err != nil {
		return 0, err
	}
	return mean(name, len(truth), weights, func(i int) float64 {
		return square(probability[i] - indicator(truth[i]))
	})
}

// MulticlassBrier returns Brier's score of several classes: the mean over the rows of
// the squared differences summed over the classes, in [0, 2]. probability[k][i] is the
// probability of class k for row i. With two classes it is twice [BinaryBrier].
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
