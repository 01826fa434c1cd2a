package paired

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Errors that callers branch on.
var (
	// ErrInput means that an argument is malformed.
	ErrInput = errors.New("paired: malformed input")
	// ErrTooFew means that the rows are too few or too alike to infer anything.
	ErrTooFew = errors.New("paired: too few rows")
)

// Result is the outcome of a test.
type Result struct {
	Statistic float64 // defined by the function
	PValue    float64 // in [0, 1]
}

// Interval is a confidence interval. An end is infinite if the data do not bound it.
type Interval struct {
	Lo, Hi float64
	Level  float64 // such as 0.95
}

func malformed(method, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrInput, method, fmt.Sprintf(format, args...))
}

func tooFew(method, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrTooFew, method, fmt.Sprintf(format, args...))
}

func checkLevel(method string, level float64) error {
	if !(level > 0 && level < 1) { // also true for NaN
		return malformed(method, "level is %v, want between 0 and 1", level)
	}
	return nil
}

// quantile returns the standard normal quantile of p, in [0, 1].
func quantile(p float64) float64 { return distuv.UnitNormal.Quantile(p) }

// cdf returns the standard normal probability of at most z.
func cdf(z float64) float64 { return distuv.UnitNormal.CDF(z) }

// twoSided returns the two-sided p-value of a standard normal statistic.
func twoSided(z float64) float64 { return math.Erfc(math.Abs(z) / math.Sqrt2) }
