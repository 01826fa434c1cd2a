package metrics

import (
	"math"

	"github.com/selfheal-ml/selfheal/gate/internal/radix"
)

// Ranking is what the order of the scores says of the rows. [BinaryROCAUC] and [BinaryPRAUC] are
// shorter where only one of them is wanted; a Ranking is half of the work where both
// are.
type Ranking struct {
	positive, negative float64 // the weight of each class
	roc, pr            float64 // the areas, not yet normalised
}

// NewRanking ranks the rows by their scores. Infinite scores are scores, and a NaN is an
// error. Its time grows with n, not with n log n, because the scores are sorted by radix.
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
	if weights == nil {
		// Without weights there is half as much to sort.
		classes := split(truth, score, func(int) struct{} { return struct{}{} })
		return merge(classes, func(struct{}) float64 { return 1 }), nil
	}
	classes := split(truth, score, func(i int) float64 { return weights[i] })
	return merge(classes, func(w float64) float64 { return w }), nil
}

// split returns the rows of the negative class and those of the positive one, each in
// the order of their scores, the highest first.
func split[T any](truth []bool, score []float64, value func(i int) T) [2][]radix.Item[T] {
	positives := 0
	for _, positive := range truth {
		if positive {
			positives++
		}
	}
	classes := [2][]radix.Item[T]{
		make([]radix.Item[T], 0, len(truth)-positives),
		make([]radix.Item[T], 0, positives),
	}
	for i, positive := range truth {
		class := 0
		if positive {
			class = 1
		}
		classes[class] = append(classes[class], radix.Item[T]{Value: value(i), Key: radix.Descending(score[i])})
	}
	for class := range classes {
		classes[class] = radix.Sort(classes[class])
	}
	return classes
}

// merge goes through the distinct scores and adds up the areas.
func merge[T any](classes [2][]radix.Item[T], weight func(T) float64) Ranking {
	var r Ranking
	negatives, positives := classes[0], classes[1]
	for len(negatives) > 0 || len(positives) > 0 {
		var key uint64
		if len(positives) == 0 || len(negatives) > 0 && negatives[0].Key < positives[0].Key {
			key = negatives[0].Key
		} else {
			key = positives[0].Key
		}
		var positive, negative float64 // the weights that share this score
		for len(positives) > 0 && positives[0].Key == key {
			positive += weight(positives[0].Value)
			positives = positives[1:]
		}
		for len(negatives) > 0 && negatives[0].Key == key {
			negative += weight(negatives[0].Value)
			negatives = negatives[1:]
		}
		// The positives so far score higher, those of this score are ties.
		r.roc += negative * (r.positive + positive/2)
		r.positive += positive
		r.negative += negative
		if positive > 0 {
			r.pr += positive * r.positive / (r.positive + r.negative)
		}
	}
	return r
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
