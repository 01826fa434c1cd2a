package metrics

// ROCAUC returns the area under the ROC curve: the probability that a random positive
// row scores above a random negative one, a tie counting half. Both classes must occur.
// Its time grows with n, not with n log n, because the scores are sorted by radix.
func ROCAUC(truth []bool, score, weights []float64) (float64, error) {
	const name = "roc_auc"
	var above, area float64 // above is the weight of the positives that score higher
	positive, negative, err := rank(name, truth, score, weights, func(t tie) {
		area += t.negative * (above + t.positive/2)
		above += t.positive
	})
	if err != nil {
		return 0, err
	}
	return ratio(name, area, positive*negative, "rows of both classes are wanted")
}
