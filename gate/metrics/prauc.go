package metrics

// PRAUC returns the area under the precision-recall curve as average precision: the sum
// over the distinct scores, highest first, of the precision at that score times the
// recall gained there. There is no interpolation. A positive row must occur.
func PRAUC(truth []bool, score, weights []float64) (float64, error) {
	const name = "pr_auc"
	var hits, answered, area float64
	positive, _, err := rank(name, truth, score, weights, func(t tie) {
		hits += t.positive
		answered += t.positive + t.negative
		if t.positive > 0 {
			area += t.positive * hits / answered
		}
	})
	if err != nil {
		return 0, err
	}
	return ratio(name, area, positive, "no row is positive")
}
