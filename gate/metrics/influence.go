package metrics

import (
	"math"
	"slices"

	"github.com/selfheal-ml/selfheal/gate/paired"
)

type losses = func(*Rows) []float64

func meanLoss(metric string, of losses) measure {
	return func(r *Rows) (float64, error) {
		return finite(metric, average(of(r)))
	}
}

func lossInfluence(of losses) influence {
	return func(r *Rows) ([]float64, float64, error) { return of(r), math.Inf(1), nil }
}

// rootInfluence returns the influence of the root mean square: d sqrt(x) = dx / (2 sqrt(x)).
func rootInfluence(r *Rows) ([]float64, float64, error) {
	influence := squares(r)
	if root := math.Sqrt(average(influence)); root > 0 {
		for i := range influence {
			influence[i] /= 2 * root
		}
	}
	return influence, math.Inf(1), nil
}

// skillInfluence returns the influence of 1 - mean(loss) / mean(base), where base is the loss
// of the best constant answer.
func skillInfluence(of, constant losses) influence {
	return func(r *Rows) ([]float64, float64, error) {
		influence, bases := of(r), constant(r)
		mean, base := average(influence), average(bases)
		for i := range influence {
			influence[i] = (mean/base*bases[i] - influence[i]) / base
		}
		return influence, math.Inf(1), nil
	}
}

func average(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// rankInfluence returns the influences on a ranking of one class against the rest. With two
// classes the positive class is ranked; with more, the result is the mean over the classes.
// The smallest class bounds the degrees of freedom.
func (r *Rows) rankInfluence(of func(is []bool, p []float64) ([]float64, error)) (influence []float64, degrees float64, err error) {
	counts := make([]int, len(r.answers.Probability))
	for _, k := range r.truth.Class {
		counts[k]++
	}
	smallest, first := slices.Min(counts), r.ranked()
	influence = make([]float64, r.n())
	for k := first; k < len(counts); k++ {
		values, err := of(isClass(r.truth.Class, k), r.answers.Probability[k])
		if err != nil {
			return nil, 0, err
		}
		for i, v := range values {
			influence[i] += v / float64(len(counts)-first)
		}
	}
	return influence, float64(max(smallest-1, 1)), nil
}

// areaInfluence returns the influences on the area under the ROC curve, scaled so that their
// spread equals the variance by the method of DeLong.
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

// calibrationInfluence returns the influence of ECE. The gap of a row's bin grows with the
// row's own distance if both have the same sign.
func (r *Rows) calibrationInfluence() ([]float64, float64, error) {
	right, confidence := r.confidence()
	influence := make([]float64, len(right))
	var gaps [eceBins]float64
	for i, p := range confidence {
		influence[i] = p
		if right[i] {
			influence[i]--
		}
		gaps[eceBin(p)] += influence[i]
	}
	for i, p := range confidence {
		if gaps[eceBin(p)] < 0 {
			influence[i] = -influence[i]
		}
	}
	return influence, math.Inf(1), nil
}

// brierLosses returns the row losses of [BinaryBrier] or [MulticlassBrier].
func (r *Rows) brierLosses() []float64 {
	return squaredDistances(r.truth.Class, r.answers.Probability)
}

// squaredDistances returns the squared distance of each row: of the positive class if there
// are two classes, else summed over the classes.
func squaredDistances(truth []int, probability [][]float64) []float64 {
	losses := make([]float64, len(truth))
	for k, column := range probability {
		if k == 0 && len(probability) == 2 {
			continue
		}
		for i, p := range column {
			d := p - indicator(truth[i] == k)
			losses[i] += d * d
		}
	}
	return losses
}

// shareLosses returns the row losses of Brier's score if every answer is the class shares.
func (r *Rows) shareLosses() []float64 {
	truth, classes := r.truth.Class, len(r.answers.Probability)
	share := make([]float64, classes)
	for _, k := range truth {
		share[k] += 1 / float64(len(truth))
	}
	probability := make([][]float64, classes)
	for k := range probability {
		probability[k] = slices.Repeat(share[k:k+1], len(truth))
	}
	return squaredDistances(truth, probability)
}

// logLosses returns the row losses of [BinaryLogLoss] or [MulticlassLogLoss].
func (r *Rows) logLosses() []float64 {
	losses := make([]float64, r.truth.N())
	p := r.answers.Probability
	for i, k := range r.truth.Class {
		if k == 0 && len(p) == 2 {
			losses[i] = NegativeLog(1 - p[1][i])
		} else {
			losses[i] = NegativeLog(p[k][i])
		}
	}
	return losses
}

// valueLosses returns the loss of each row of a regression. y is the truth and d the distance
// of the answer from y.
func valueLosses(loss func(y, d float64) float64) losses {
	return func(r *Rows) []float64 {
		losses := make([]float64, r.truth.N())
		for i, y := range r.truth.Value {
			losses[i] = loss(y, y-r.answers.Value[i])
		}
		return losses
	}
}

var squares = valueLosses(func(y, d float64) float64 { return d * d })

// constantLosses returns the squared error of each row for the best constant answer.
func (r *Rows) constantLosses() []float64 {
	// Distances from one of the truths are exact if the truths are nearly equal. The rounded
	// mean of equal truths may differ from all of them.
	truth := r.truth.Value
	n, origin := float64(len(truth)), truth[0]
	var center float64
	for _, y := range truth {
		center += (y - origin) / n
	}
	losses := make([]float64, len(truth))
	for i, y := range truth {
		d := y - origin - center
		losses[i] = d * d
	}
	return losses
}
