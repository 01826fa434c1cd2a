package metrics

import "fmt"

// MulticlassROCAUC returns the averaged area under the ROC curves of each class against the
// rest. probability[k][i] is the probability of class k for row i. Every class must occur, and
// no class may be the only one. Micro ranks all pairs of a row and a class together, as one
// list.
func MulticlassROCAUC(truth []int, probability [][]float64, a Average, weights []float64) (float64, error) {
	return oneVsRest("roc_auc", truth, probability, a, weights, Ranking.ROCAUC)
}

// MulticlassPRAUC returns the averaged area under the precision-recall curves of each class
// against the rest. Otherwise it is like [MulticlassROCAUC].
func MulticlassPRAUC(truth []int, probability [][]float64, a Average, weights []float64) (float64, error) {
	return oneVsRest("pr_auc", truth, probability, a, weights, Ranking.PRAUC)
}

func oneVsRest(metric string, truth []int, probability [][]float64, a Average, weights []float64, area func(Ranking) (float64, error)) (float64, error) {
	if err := checkClassProbabilities(metric, truth, probability); err != nil {
		return 0, err
	}
	if err := checkWeights(metric, len(truth), weights); err != nil {
		return 0, err
	}
	if len(truth) == 0 {
		return 0, undefined(metric, "no rows")
	}
	if a == Micro {
		r, err := rankAll(metric, truth, probability, weights)
		if err != nil {
			return 0, err
		}
		return area(r)
	}
	var sum, total float64
	for k, score := range probability {
		r, err := rank(metric, isClass(truth, k), score, weights)
		if err != nil {
			return 0, err
		}
		v, err := area(r)
		if err != nil {
			return 0, fmt.Errorf("class %d: %w", k, err)
		}
		w := 1.0
		if a == Weighted {
			w = r.positive
		}
		sum += w * v
		total += w
	}
	return ratio(metric, sum, total, "no classes")
}

func isClass(truth []int, k int) []bool {
	is := make([]bool, len(truth))
	for i, t := range truth {
		is[i] = t == k
	}
	return is
}

func rankAll(metric string, truth []int, probability [][]float64, weights []float64) (Ranking, error) {
	var is []bool
	var scores, repeated []float64
	for k, score := range probability {
		for _, t := range truth {
			is = append(is, t == k)
		}
		scores = append(scores, score...)
		if weights != nil {
			repeated = append(repeated, weights...)
		}
	}
	return rank(metric, is, scores, repeated)
}
