package paired

import (
	"math"
	"slices"
)

// Percentile returns the interval of the given level between two order statistics of
// bootstrap draws: the quantiles of type 1, without interpolation. No draws, a draw that
// is not finite, and a level outside (0, 1) are an error.
func Percentile(draws []float64, level float64) (Interval, error) {
	const name = "percentile"
	sorted, err := sortedDraws(name, draws, level)
	if err != nil {
		return Interval{}, err
	}
	return Interval{order(sorted, (1-level)/2), order(sorted, (1+level)/2), level}, nil
}

// BCaResult is a bootstrap interval and the corrections that it was made with.
type BCaResult struct {
	Interval
	Bias         float64 // z0: how far the median of the draws is from the estimate
	Acceleration float64 // a: how fast the standard error changes with the value
	// LevelLo and LevelHi are the shares of the draws below the ends.
	LevelLo, LevelHi float64
}

// BCa returns the bias-corrected and accelerated bootstrap interval (Efron 1987), which
// is more exact than [Percentile] for skewed statistics. The estimate is the statistic of
// all rows, and leftOut holds its value without each row in turn. If it does not change
// with any row, the acceleration is 0. It is [ErrTooFew] if all draws are on one side of
// the estimate; other errors are those of Percentile.
func BCa(estimate float64, draws, leftOut []float64, level float64) (BCaResult, error) {
	const name = "bca"
	sorted, err := sortedDraws(name, draws, level)
	if err != nil {
		return BCaResult{}, err
	}
	if math.IsNaN(estimate) || math.IsInf(estimate, 0) {
		return BCaResult{}, malformed(name, "estimate is %v, want a finite number", estimate)
	}
	if err := checkFinite(name, "leftOut", leftOut); err != nil {
		return BCaResult{}, err
	}
	below, _ := slices.BinarySearch(sorted, estimate)
	if below == 0 || below == len(sorted) {
		return BCaResult{}, tooFew(name, "%d of %d draws are below the estimate", below, len(sorted))
	}
	r := BCaResult{
		Bias:         quantile(float64(below) / float64(len(sorted))),
		Acceleration: acceleration(leftOut),
	}
	corrected := func(z float64) float64 {
		shifted := r.Bias + z
		return cdf(r.Bias + shifted/(1-r.Acceleration*shifted))
	}
	z := quantile(0.5 + level/2)
	r.LevelLo, r.LevelHi = corrected(-z), corrected(z)
	r.Interval = Interval{order(sorted, r.LevelLo), order(sorted, r.LevelHi), level}
	return r, nil
}

// acceleration returns the skewness of a statistic from its values without each row.
func acceleration(leftOut []float64) float64 {
	var mean float64
	for _, v := range leftOut {
		mean += v / float64(len(leftOut))
	}
	var squares, cubes float64
	for _, v := range leftOut {
		d := mean - v
		squares += d * d
		cubes += d * d * d
	}
	if squares == 0 {
		return 0
	}
	return cubes / (6 * math.Pow(squares, 1.5))
}

// sortedDraws checks the arguments and returns the draws in order.
func sortedDraws(method string, draws []float64, level float64) ([]float64, error) {
	if err := checkLevel(method, level); err != nil {
		return nil, err
	}
	if err := checkFinite(method, "draws", draws); err != nil {
		return nil, err
	}
	if len(draws) == 0 {
		return nil, malformed(method, "no draws")
	}
	return slices.Sorted(slices.Values(draws)), nil
}

// order returns the quantile of type 1: the lowest value that a share p of the sorted
// values does not exceed.
func order(sorted []float64, p float64) float64 {
	// A share that only rounding lifts above a whole number is that number.
	rank := int(math.Ceil(p*float64(len(sorted)) - 1e-9))
	return sorted[min(max(rank, 1), len(sorted))-1]
}
