package gate

import (
	"math"
	"slices"

	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/gate/paired"
)

// influences returns for each row how much the metric of one model changes, to first
// order, with the row's weight: the spread of the mean of these numbers is that of the
// metric. They are defined up to a constant. Degrees bounds the degrees of freedom of
// that spread. The metric must have a value on these answers, and be none of classes.
func influences(m Metric, truth, answers Answers) (influence []float64, degrees float64, err error) {
	switch m {
	case ROCAUC:
		return classInfluences(truth, answers, areaInfluence)
	case PRAUC:
		return classInfluences(truth, answers, paired.AveragePrecisionInfluence)
	case ECE:
		return calibrationInfluences(truth, answers), math.Inf(1), nil
	}
	losses, mean := rowLosses(m, truth, answers)
	switch m {
	case RMSE:
		// d sqrt(mean) = d mean / (2 sqrt(mean)); a perfect model has no spread.
		for i := range losses {
			if mean > 0 {
				losses[i] /= 2 * math.Sqrt(mean)
			}
		}
	case R2, BrierSkill:
		// 1 - mean(loss) / mean(base), base being the loss of the best constant answer.
		bases, base := baseLosses(truth, len(answers.Probability))
		for i := range losses {
			losses[i] = (mean/base*bases[i] - losses[i]) / base
		}
	}
	return losses, math.Inf(1), nil
}

// classInfluences takes the influences on a ranking of one class against the rest: of the
// positive class if there are two, else their mean over the classes. The spread of a
// ranking is no better known than the smallest of the classes allows.
func classInfluences(truth, answers Answers, of func(is []bool, p []float64) ([]float64, error)) (influence []float64, degrees float64, err error) {
	n := truth.n()
	counts := make([]int, len(answers.Probability))
	for _, k := range truth.Class {
		counts[k]++
	}
	smallest := slices.Min(counts)
	first := 0
	if len(counts) == 2 {
		first = 1
	}
	influence = make([]float64, n)
	for k := first; k < len(counts); k++ {
		values, err := of(isClass(truth.Class, k), answers.Probability[k])
		if err != nil {
			return nil, 0, err
		}
		for i, v := range values {
			influence[i] += v / float64(len(counts)-first)
		}
	}
	return influence, float64(max(smallest-1, 1)), nil
}

// areaInfluence returns the influences on the area under the ROC curve, scaled so that
// their spread is that of the method of DeLong.
func areaInfluence(is []bool, p []float64) ([]float64, error) {
	placed, err := paired.Placements(is, p)
	if err != nil {
		return nil, err
	}
	var area, positives float64
	for i, positive := range is {
		if positive {
			area += placed[i]
			positives++
		}
	}
	area /= positives
	n := float64(len(is))
	scale := func(rows float64) float64 { return math.Sqrt(n * (n - 1) / (rows * max(rows-1, 1))) }
	scalePositive, scaleNegative := scale(positives), scale(n-positives)
	for i, positive := range is {
		if positive {
			placed[i] = scalePositive * (placed[i] - area)
		} else {
			placed[i] = scaleNegative * (placed[i] - area)
		}
	}
	return placed, nil
}

// calibrationInfluences returns the influences on ECE: the distance of a row's bin from
// its diagonal grows with the row's own distance, if that is on the same side.
func calibrationInfluences(truth, answers Answers) []float64 {
	var right []bool
	var confidence []float64
	if len(answers.Probability) == 2 {
		right, confidence = isClass(truth.Class, 1), answers.Probability[1]
	} else {
		right, confidence = topClass(truth.Class, answers.Probability)
	}
	influence := make([]float64, len(right))
	var gaps [metrics.ECEBins]float64
	for i, p := range confidence {
		influence[i] = p
		if right[i] {
			influence[i]--
		}
		gaps[metrics.ECEBin(p)] += influence[i]
	}
	for i, p := range confidence {
		if gaps[metrics.ECEBin(p)] < 0 {
			influence[i] = -influence[i]
		}
	}
	return influence
}

// rowLosses returns the loss of each row whose mean the metric is made of, and that mean.
func rowLosses(m Metric, truth, answers Answers) (losses []float64, mean float64) {
	switch m {
	case Brier, BrierSkill:
		losses = brierLosses(truth, answers)
	case LogLoss:
		losses = logLosses(truth, answers)
	default:
		losses = valueLosses(m, truth, answers)
	}
	for _, l := range losses {
		mean += l
	}
	return losses, mean / float64(len(losses))
}

// brierLosses are of the positive class if there are two, else summed over the classes, as
// package metrics defines Brier's score.
func brierLosses(truth, answers Answers) []float64 {
	losses := make([]float64, truth.n())
	for k, column := range answers.Probability {
		if k == 0 && len(answers.Probability) == 2 {
			continue
		}
		for i, p := range column {
			var is int // without a branch that nobody could foresee
			if truth.Class[i] == k {
				is = 1
			}
			d := p - float64(is)
			losses[i] += d * d
		}
	}
	return losses
}

// logLosses are from the probability of the positive class if there are two, as package
// metrics defines log loss.
func logLosses(truth, answers Answers) []float64 {
	losses := make([]float64, truth.n())
	for i, k := range truth.Class {
		if k == 0 && len(answers.Probability) == 2 {
			losses[i] = metrics.NegativeLog(1 - answers.Probability[1][i])
		} else {
			losses[i] = metrics.NegativeLog(answers.Probability[k][i])
		}
	}
	return losses
}

func valueLosses(m Metric, truth, answers Answers) []float64 {
	losses := make([]float64, truth.n())
	for i, y := range truth.Value {
		d := y - answers.Value[i]
		switch m {
		case MAE:
			losses[i] = math.Abs(d)
		case MAPE:
			losses[i] = math.Abs(d / y)
		default: // RMSE, R2
			losses[i] = d * d
		}
	}
	return losses
}

// baseLosses returns the squared error of each row for the best constant answer, and
// their mean.
func baseLosses(truth Answers, classes int) (losses []float64, mean float64) {
	if truth.Value == nil {
		return rowLosses(Brier, truth, shares(truth.Class, classes))
	}
	// Distances from one of the truths are exact where truths are nearly equal. Their mean
	// is not, and a little off all of equal truths.
	n, origin := float64(len(truth.Value)), truth.Value[0]
	var center float64
	for _, y := range truth.Value {
		center += (y - origin) / n
	}
	losses = make([]float64, len(truth.Value))
	for i, y := range truth.Value {
		d := y - origin - center
		losses[i] = d * d
		mean += losses[i]
	}
	return losses, mean / n
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
