package metrics

import (
	"cmp"
	"math"
	"slices"
)

// Ranking holds the rows in the order of their scores, for both areas. It takes half the time
// of [BinaryROCAUC] and [BinaryPRAUC] together.
type Ranking struct {
	positive, negative float64 // the weight of each class
	roc, pr            float64 // the areas, not yet normalised
}

// NewRanking ranks the rows by their scores. Scores may be infinite; a NaN is an error.
func NewRanking(truth []bool, score, weights []float64) (Ranking, error) {
	return rank("ranking", truth, score, weights)
}

// ROCAUC returns the area under the ROC curve; see [BinaryROCAUC].
func (r Ranking) ROCAUC() (float64, error) {
	return ratio("roc_auc", r.roc, r.positive*r.negative, "rows of both classes are wanted")
}

// PRAUC returns the area under the precision-recall curve; see [BinaryPRAUC].
func (r Ranking) PRAUC() (float64, error) {
	return ratio("pr_auc", r.pr, r.positive, "no row is positive")
}

// rank is NewRanking with the metric's name in errors.
func rank(metric string, truth []bool, score, weights []float64) (Ranking, error) {
	isNumber := func(v float64) bool { return !math.IsNaN(v) }
	if err := columnOf("score", score, len(truth), isNumber, "a number"); err != nil {
		return Ranking{}, inMetric(metric, err)
	}
	if err := checkWeights(metric, len(truth), weights); err != nil {
		return Ranking{}, err
	}
	type row struct{ score, weight float64 } // a negative row has a negative weight
	rows := make([]row, len(truth))
	for i, positive := range truth {
		w := weight(weights, i)
		if !positive {
			w = -w
		}
		rows[i] = row{score[i], w}
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(b.score, a.score) })
	var r Ranking
	for from := 0; from < len(rows); {
		var positive, negative float64 // the weights that share this score
		to := from
		for ; to < len(rows) && rows[to].score == rows[from].score; to++ {
			positive += max(rows[to].weight, 0)
			negative -= min(rows[to].weight, 0)
		}
		// The positives so far score higher; the positives of this score are ties.
		r.roc += negative * (r.positive + positive/2)
		r.positive += positive
		r.negative += negative
		if positive > 0 {
			r.pr += positive * r.positive / (r.positive + r.negative)
		}
		from = to
	}
	return r, nil
}

// BinaryROCAUC returns the area under the ROC curve: the probability that a random positive
// row scores above a random negative row. A tie counts half. Both classes must occur.
func BinaryROCAUC(truth []bool, score, weights []float64) (float64, error) {
	r, err := rank("roc_auc", truth, score, weights)
	if err != nil {
		return 0, err
	}
	return r.ROCAUC()
}

// BinaryPRAUC returns the average precision: the sum over the distinct scores, highest first,
// of the precision at the score times the recall gained there. There is no interpolation. A
// positive row must occur.
func BinaryPRAUC(truth []bool, score, weights []float64) (float64, error) {
	r, err := rank("pr_auc", truth, score, weights)
	if err != nil {
		return 0, err
	}
	return r.PRAUC()
}
