package metrics

import (
	"fmt"
	"math"
)

// MeanAbsoluteError returns the mean absolute error, in the unit of the truth.
func MeanAbsoluteError(truth, predicted, weights []float64) (float64, error) {
	const name = "mae"
	if err := checkRegression(name, truth, predicted); err != nil {
		return 0, err
	}
	return mean(name, len(truth), weights, func(i int) float64 {
		return math.Abs(truth[i] - predicted[i])
	})
}

// MeanSquaredError returns the mean squared error, in the square of the truth's unit.
func MeanSquaredError(truth, predicted, weights []float64) (float64, error) {
	return meanSquare("mse", truth, predicted, weights)
}

// RootMeanSquaredError returns the root of the mean squared error, in the unit of the truth.
func RootMeanSquaredError(truth, predicted, weights []float64) (float64, error) {
	mse, err := meanSquare("rmse", truth, predicted, weights)
	return math.Sqrt(mse), err
}

func meanSquare(metric string, truth, predicted, weights []float64) (float64, error) {
	if err := checkRegression(metric, truth, predicted); err != nil {
		return 0, err
	}
	return mean(metric, len(truth), weights, func(i int) float64 {
		return square(truth[i] - predicted[i])
	})
}

// R2Score returns the coefficient of determination: 1 - (squared error) / (squared error of
// always answering the mean of the truth). It is at most 1, and negative for a model that is
// worse than that constant. If all truths are equal, it is undefined; scikit-learn answers 0
// or 1 there.
func R2Score(truth, predicted, weights []float64) (float64, error) {
	const name = "r2"
	if err := checkRegression(name, truth, predicted); err != nil {
		return 0, err
	}
	all, err := total(name, len(truth), weights)
	if err != nil {
		return 0, err
	}
	origin, unit := spacing(truth, weights)
	if unit == 0 {
		return 0, undefined(name, "all truths are equal")
	}
	var center float64 // the mean distance of the truths from the origin
	for i, y := range truth {
		if w := weight(weights, i); w != 0 {
			center += w * ((y - origin) / unit)
		}
	}
	center /= all
	var residual, spread float64
	for i, y := range truth {
		if w := weight(weights, i); w != 0 {
			residual += w * square((y-predicted[i])/unit)
			spread += w * square((y-origin)/unit-center)
		}
	}
	return finite(name, 1-residual/spread)
}

// spacing returns one of the truths and a unit: the largest power of two that is at most the
// largest distance from that truth. The unit is 0 if all truths of positive weight are equal.
//
// The mean cannot tell whether the truths are equal: the mean of equal numbers may be rounded.
// Distances from one truth are exact if the truths are nearly equal, and in this unit their
// squares neither overflow nor underflow.
func spacing(truth, weights []float64) (origin, unit float64) {
	first := true
	var widest float64
	for i, y := range truth {
		switch {
		case weight(weights, i) == 0:
		case first:
			origin, first = y, false
		default:
			widest = max(widest, math.Abs(y-origin))
		}
	}
	if widest == 0 || math.IsInf(widest, 0) {
		return origin, widest
	}
	_, exponent := math.Frexp(widest)
	return origin, math.Ldexp(1, exponent-1)
}

// MeanAbsolutePercentageError returns the mean absolute error relative to the truth, as a
// share: 0.1 is 10 %. A truth of 0 leaves it undefined; scikit-learn answers a very large
// number there.
func MeanAbsolutePercentageError(truth, predicted, weights []float64) (float64, error) {
	const name = "mape"
	if err := checkRegression(name, truth, predicted); err != nil {
		return 0, err
	}
	if err := checkWeights(name, len(truth), weights); err != nil {
		return 0, err
	}
	for i, y := range truth {
		if y == 0 && weight(weights, i) != 0 {
			return 0, undefined(name, fmt.Sprintf("truth[%d] is 0", i))
		}
	}
	return mean(name, len(truth), weights, func(i int) float64 {
		if truth[i] == 0 { // the row has weight 0
			return 0
		}
		return math.Abs((truth[i] - predicted[i]) / truth[i])
	})
}

// Pinball returns the mean pinball loss of predicting a quantile in (0, 1). An answer that is
// too low costs quantile per unit, and one that is too high 1-quantile. At 0.5 the loss is
// half of [MeanAbsoluteError].
func Pinball(truth, predicted []float64, quantile float64, weights []float64) (float64, error) {
	const name = "pinball"
	if !(quantile > 0 && quantile < 1) { // also true for NaN
		return 0, malformed(name, "quantile is %v, want between 0 and 1", quantile)
	}
	if err := checkRegression(name, truth, predicted); err != nil {
		return 0, err
	}
	return mean(name, len(truth), weights, func(i int) float64 {
		d := truth[i] - predicted[i]
		return max(quantile*d, (quantile-1)*d)
	})
}

func checkRegression(metric string, truth, predicted []float64) error {
	if err := checkFinite(metric, "truth", truth, len(truth)); err != nil {
		return err
	}
	return checkFinite(metric, "predicted", predicted, len(truth))
}

func square(x float64) float64 { return x * x }
