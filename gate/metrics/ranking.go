package metrics

import (
	"math"

	"github.com/selfheal-ml/selfheal/gate/internal/radix"
)

// tie is the weight of the positive and of the negative rows that share one score.
type tie struct{ positive, negative float64 }

// rank calls each for every distinct score, highest first, and returns the weight of
// each class. Infinite scores are scores.
func rank(metric string, truth []bool, score, weights []float64, each func(tie)) (positive, negative float64, err error) {
	if err := checkLength(metric, "score", len(score), len(truth)); err != nil {
		return 0, 0, err
	}
	if err := checkWeights(metric, len(truth), weights); err != nil {
		return 0, 0, err
	}
	// The weight of a row of the negative class is negative.
	rows := make([]radix.Item[float64], len(truth))
	for i, s := range score {
		if math.IsNaN(s) {
			return 0, 0, malformed(metric, "score[%d] is NaN", i)
		}
		rows[i] = radix.Item[float64]{Key: radix.Descending(s), Value: weight(weights, i)}
		if !truth[i] {
			rows[i].Value = -rows[i].Value
		}
	}
	rows = radix.Sort(rows)
	for i := 0; i < len(rows); {
		var t tie
		for key := rows[i].Key; i < len(rows) && rows[i].Key == key; i++ {
			if w := rows[i].Value; w > 0 {
				t.positive += w
			} else {
				t.negative -= w
			}
		}
		each(t)
		positive += t.positive
		negative += t.negative
	}
	return positive, negative, nil
}
