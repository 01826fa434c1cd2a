package metrics

import (
	"cmp"
	"math"
	"slices"
)

// Ranking is what the order of the scores says of the rows. [BinaryROCAUC] and [BinaryPRAUC] are
// shorter where only one of them is wanted; a Ranking is half of the work where both
// are.
type Ranking struct {
	positive, negative float64 // the weight of each class
	roc, pr            float64 // the areas, not yet normalised
}

// NewRanking ranks the rows by their scores. Infinite scores are scores, and a NaN is an
// error.
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

// rank is NewRanking on behalf of a metric.
func rank(metric string, truth []bool, score, weights []float64) (Ranking, error) {
	if err := checkLength(metric, "score", len(score), len(truth)); err != nil {
		return Ranking{}, err
	}
	if err := checkWeights(metric, len(truth), weights); err != nil {
		return Ranking{}, err
	}
	for i, s := range score {
		if math.IsNaN(s) {
			return Ranking{}, malformed(metric, "score[%d] is NaN", i)
		}
	}
	type row struct{ score, weight float64 } // the weight of a negative row is below 0
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
		// The positives so far score higher, those of this score are ties.
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
// row scores above a random negative one, a tie counting half. Both classes must occur.
func BinaryROCAUC(truth []bool, score, weights []float64) (float64, error) {
	r, err := rank("roc_auc", truth, score, weights)
	if err != nil {
		return 0, err
	}
	return r.ROCAUC()
}

// BinaryPRAUC returns the area under the precision-recall curve as average precision: the sum
// over the distinct scores, highest first, of the precision at that score times the
// recall gained there. There is no interpolation. A positive row must occur.
func BinaryPRAUC(truth []bool, score, weights []float64) (float64, error) {
	r, err := rank("pr_auc", truth, score, weights)
	if err != nil {
		return 0, err
	}
	return r.PRAUC()
}
