package metrics

import (
	"fmt"
	"math"
)

// columnOf returns an error unless the column has n values and all of them are ok.
func columnOf[T any](name string, column []T, n int, ok func(T) bool, want string) error {
	if len(column) != n {
		return fmt.Errorf("%s has %d values, want %d", name, len(column), n)
	}
	for i, v := range column {
		if !ok(v) {
			return fmt.Errorf("%s[%d] is %v, want %s", name, i, v, want)
		}
	}
	return nil
}

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func isProbability(v float64) bool { return v >= 0 && v <= 1 } // false for NaN

// inMetric adds the metric's name to an error about an argument.
func inMetric(metric string, err error) error {
	if err == nil {
		return nil
	}
	return malformed(metric, "%v", err)
}

func checkFinite(metric, column string, x []float64, n int) error {
	return inMetric(metric, columnOf(column, x, n, isFinite, "a finite number"))
}

func checkProbabilities(metric, column string, p []float64, n int) error {
	return inMetric(metric, columnOf(column, p, n, isProbability, "0 to 1"))
}

func checkClasses(metric, column string, classes []int, n, of int) error {
	ok := func(k int) bool { return k >= 0 && k < of }
	return inMetric(metric, columnOf(column, classes, n, ok, fmt.Sprintf("class 0 to %d", of-1)))
}

// total returns the sum of the weights of n rows. A sum of 0 is an error.
func total(metric string, n int, weights []float64) (float64, error) {
	if weights == nil {
		if n == 0 {
			return 0, undefined(metric, "no rows")
		}
		return float64(n), nil
	}
	if err := checkWeights(metric, n, weights); err != nil {
		return 0, err
	}
	var sum float64
	for _, w := range weights {
		sum += w
	}
	if sum == 0 {
		return 0, undefined(metric, "no rows of positive weight")
	}
	return finite(metric, sum)
}

// Weights other than 0 lie in this range, so that their products do not underflow.
const (
	minWeight = 1e-100
	maxWeight = 1e100
)

// checkWeights returns an error unless weights is nil or holds n weights.
func checkWeights(metric string, n int, weights []float64) error {
	if weights == nil {
		return nil
	}
	if err := checkFinite(metric, "weights", weights, n); err != nil {
		return err
	}
	for i, w := range weights {
		if w != 0 && !(w >= minWeight && w <= maxWeight) {
			return malformed(metric, "weights[%d] is %v, want 0 or %v to %v", i, w, minWeight, maxWeight)
		}
	}
	return nil
}

func weight(weights []float64, i int) float64 {
	if weights == nil {
		return 1
	}
	return weights[i]
}

// indicator returns 1 for true and 0 for false. It compiles without a branch: a branch would
// take longer than the rest of a loss.
func indicator(truth bool) float64 {
	var one int
	if truth {
		one = 1
	}
	return float64(one)
}

func mean(metric string, n int, weights []float64, loss func(i int) float64) (float64, error) {
	all, err := total(metric, n, weights)
	if err != nil {
		return 0, err
	}
	var sum float64
	for i := range n {
		sum += weight(weights, i) * loss(i)
	}
	return finite(metric, sum/all)
}

// ratio returns a/b, or [ErrUndefined] with the reason if b is 0.
func ratio(metric string, a, b float64, why string) (float64, error) {
	if b == 0 {
		return 0, undefined(metric, why)
	}
	return finite(metric, a/b)
}

// finite returns v, or [ErrUndefined] if v is beyond the range of float64.
func finite(metric string, v float64) (float64, error) {
	if !isFinite(v) {
		return 0, undefined(metric, "the numbers are too large to compute with")
	}
	return v, nil
}
