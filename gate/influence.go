package gate

import (
	"math"

	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// influences returns one number for each row whose spread is that of the shadow's gain:
// the gain is their mean plus a constant, exactly for a mean of losses, and to first
// order (the delta method) for roots and ratios of such means.
func influences(m Metric, truth, production, shadow Answers) ([]float64, error) {
	loss := rowLoss(m)
	if loss == nil {
		return nil, notMeasurable("%s has no paired interval; compare it by Improvement or NotWorse", m.Title())
	}
	n := truth.n()
	a, b := make([]float64, n), make([]float64, n)
	var sumA, sumB float64
	for i := range n {
		a[i], b[i] = loss(truth, production, i), loss(truth, shadow, i)
		sumA += a[i]
		sumB += b[i]
	}
	influence := make([]float64, n)
	switch m {
	case RMSE:
		// d sqrt(mean) = d mean / (2 sqrt(mean)); a perfect model has no spread.
		rootA, rootB := math.Sqrt(sumA/float64(n)), math.Sqrt(sumB/float64(n))
		for i := range n {
			if rootA > 0 {
				influence[i] += a[i] / (2 * rootA)
			}
			if rootB > 0 {
				influence[i] -= b[i] / (2 * rootB)
			}
		}
	case R2, BrierSkill:
		// The gain is mean(a-b) / mean(base), base being the loss of the constant answer.
		base, mean := baseLosses(truth, len(shadow.Probability))
		ratio := (sumA - sumB) / float64(n) / mean
		for i := range n {
			influence[i] = (a[i] - b[i] - ratio*base[i]) / mean
		}
	default:
		for i := range n {
			influence[i] = a[i] - b[i]
		}
	}
	return influence, nil
}

// rowLoss returns the loss of one row whose mean the metric is made of, nil if it is not
// made of such a mean.
func rowLoss(m Metric) func(truth, answers Answers, i int) float64 {
	switch m {
	case Brier, BrierSkill:
		return brierLoss
	case LogLoss:
		return func(truth, answers Answers, i int) float64 {
			return metrics.NegativeLog(answers.Probability[truth.Class[i]][i])
		}
	case MAE:
		return func(truth, answers Answers, i int) float64 {
			return math.Abs(truth.Value[i] - answers.Value[i])
		}
	case MAPE:
		return func(truth, answers Answers, i int) float64 {
			return math.Abs((truth.Value[i] - answers.Value[i]) / truth.Value[i])
		}
	case RMSE, R2:
		return func(truth, answers Answers, i int) float64 {
			d := truth.Value[i] - answers.Value[i]
			return d * d
		}
	}
	return nil
}

// brierLoss is of the positive class if there are two, else summed over the classes, as
// package metrics defines Brier's score.
func brierLoss(truth, answers Answers, i int) float64 {
	first := 0
	if len(answers.Probability) == 2 {
		first = 1
	}
	var sum float64
	for k := first; k < len(answers.Probability); k++ {
		d := answers.Probability[k][i]
		if truth.Class[i] == k {
			d--
		}
		sum += d * d
	}
	return sum
}

// baseLosses returns the squared error of each row for the best constant answer, and
// their mean.
func baseLosses(truth Answers, classes int) (losses []float64, mean float64) {
	n := truth.n()
	constant := Answers{Value: make([]float64, n)}
	loss := rowLoss(R2)
	if truth.Value == nil {
		loss = brierLoss
		constant = shares(truth.Class, classes)
	} else {
		for _, y := range truth.Value {
			mean += y / float64(n)
		}
		for i := range constant.Value {
			constant.Value[i] = mean
		}
		mean = 0
	}
	losses = make([]float64, n)
	for i := range losses {
		losses[i] = loss(truth, constant, i)
		mean += losses[i] / float64(n)
	}
	return losses, mean
}

// shares answers every row with the shares of the classes.
func shares(truth []int, classes int) Answers {
	share := make([]float64, classes)
	for _, k := range truth {
		share[k] += 1 / float64(len(truth))
	}
	a := Answers{Probability: make([][]float64, classes)}
	for k := range a.Probability {
		a.Probability[k] = make([]float64, len(truth))
		for i := range truth {
			a.Probability[k][i] = share[k]
		}
	}
	return a
}
