package metrics

import (
	"fmt"
	"math"
)

// MAE returns the mean absolute error, in the unit of the truth.
func MAE(truth, predicted, weights []float64) (float64, error) {
	const name = "mae"
	if err := checkRegression(name, truth, predicted); err != nil {
		return 0, err
	}
	return mean(name, len(truth), weights, func(i int) float64 {
		return math.Abs(truth[i] - predicted[i])
	})
}

// MSE returns the mean squared error, in the square of the unit of the truth.
func MSE(truth, predicted, weights []float64) (float64, error) {
	return meanSquare("mse", truth, predicted, weights)
}

// RMSE returns the root of the mean squared error, in the unit of the truth.
func RMSE(truth, predicted, weights []float64) (float64, error) {
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

// R2 returns the coefficient of determination: 1 - (squared error) / (squared error of
// always answering the mean of the truth). It is at most 1, and negative for a model
// that is worse than that constant. Constant truths leave it undefined; scikit-learn
// answers 0 or 1 there.
func R2(truth, predicted, weights []float64) (float64, error) {
	const name = "r2"
	if err := checkRegression(name, truth, predicted); err != nil {
		return 0, err
	}
	center, err := mean(name, len(truth), weights, func(i int) float64 { return truth[i] })
	if err != nil {
		return 0, err
	}
	var residual, spread float64
	for i, y := range truth {
		w := weight(weights, i)
		residual += w * square(y-predicted[i])
		spread += w * square(y-center)
	}
	share, err := ratio(name, residual, spread, "all truths are equal")
	if err != nil {
		return 0, err
	}
	return 1 - share, nil
}

// MAPE returns the mean absolute error relative to the truth, as a share: 0.1 is 10 %.
// A truth of 0 leaves it undefined; scikit-learn answers an absurdly large number there.
func MAPE(truth, predicted, weights []float64) (float64, error) {
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
		if truth[i] == 0 { // of weight 0
			return 0
		}
		return math.Abs((truth[i] - predicted[i]) / truth[i])
	})
}

// Pinball returns the mean pinball loss of a prediction of the given quantile, in (0, 1):
// an answer that is too low costs quantile per unit, one that is too high 1-quantile. At
// 0.5 it is half of [MAE].
func Pinball(truth, predicted []float64, quantile float64, weights []float64) (float64, error) {
	const name = "pinball"
	if !(quantile > 0 && quantile < 1) { // also true of NaN
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
