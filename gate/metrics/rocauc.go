package metrics

// ROCAUC returns the area under the ROC curve: the probability that a random positive
// row scores above a random negative one, a tie counting half. Both classes must occur.
func ROCAUC(truth []bool, score, weights []float64) (float64, error) {
	r, err := rank("roc_auc", truth, score, weights)
	if err != nil {
		return 0, err
	}
	return r.ROCAUC()
}
