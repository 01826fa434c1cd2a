package metrics

// PRAUC returns the area under the precision-recall curve as average precision: the sum
// over the distinct scores, highest first, of the precision at that score times the
// recall gained there. There is no interpolation. A positive row must occur.
func PRAUC(truth []bool, score, weights []float64) (float64, error) {
	r, err := rank("pr_auc", truth, score, weights)
	if err != nil {
		return 0, err
	}
	return r.PRAUC()
}
