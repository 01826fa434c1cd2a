package paired

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/selfheal-ml/selfheal/gate/internal/digits"
)

// Studentized is an estimate that, divided by its standard error, follows Student's
// distribution approximately. The skewness corrects the approximation. If the fields are
// impossible, such as a negative standard error, p-values are 1 and the interval is unbounded.
type Studentized struct {
	Estimate float64
	StdErr   float64
	// Degrees is the degrees of freedom of the standard error.
	Degrees float64
	// Skewness is the skewness of the estimate's distribution. For a mean it is the skewness
	// of the values over the root of their number.
	Skewness float64
}

// Mean estimates the mean of the distribution of the values. For a statistic that has
// influence values, such as a root mean square, pass those values and set Estimate. Fewer than
// two values are [ErrTooFew]. A value that is not finite or too large to compute with is an
// error.
func Mean(values []float64) (Studentized, error) {
	const name = "mean"
	for i, v := range values {
		if !digits.IsFinite(v) {
			return Studentized{}, malformed(name, "values[%d] is %v, want a finite number", i, v)
		}
	}
	n := float64(len(values))
	if n < 2 {
		return Studentized{}, tooFew(name, "%d values, want two", len(values))
	}
	var mean float64
	for _, v := range values {
		mean += v / n
	}
	var squares, cubes float64
	for _, v := range values {
		d := v - mean
		squares += d * d
		cubes += d * d * d
	}
	s := Studentized{Estimate: mean, StdErr: math.Sqrt(squares / (n - 1) / n), Degrees: n - 1}
	if squares > 0 {
		s.Skewness = cubes / math.Pow(squares, 1.5)
	}
	if !s.valid() {
		return Studentized{}, malformed(name, "the values are too large to compute with")
	}
	return s, nil
}

// Greater returns the p-value of the hypothesis that the true value is at most bound.
//
// Student's test errs for skewed values, such as log losses. The correction of Hall (1992)
// errs for few values. Greater returns the larger of the two p-values. Without any spread the
// p-value is 0 or 1.
func (s Studentized) Greater(bound float64) float64 {
	return s.tail(s.Estimate-bound, s.Skewness)
}

// Less is [Studentized.Greater] for the hypothesis that the true value is at least bound.
func (s Studentized) Less(bound float64) float64 {
	return s.tail(bound-s.Estimate, -s.Skewness)
}

// tail returns the p-value of an estimate at this distance above the hypothesis.
func (s Studentized) tail(distance, skewness float64) float64 {
	switch {
	case !s.valid():
		return 1
	case s.StdErr == 0 && distance > 0:
		return 0
	case s.StdErr == 0:
		return 1
	}
	t := distance / s.StdErr
	return s.survival(min(t, hall(t, skewness)))
}

func (s Studentized) valid() bool {
	return digits.IsFinite(s.Estimate) && digits.IsFinite(s.Skewness) &&
		s.StdErr >= 0 && s.StdErr <= math.MaxFloat64 && s.Degrees >= 1 && s.Degrees <= math.MaxFloat64
}

// CI returns the interval of the values that neither [Studentized.Greater] nor
// [Studentized.Less] rejects at (1-level)/2. A level outside (0, 1) is an error.
func (s Studentized) CI(level float64) (Interval, error) {
	if err := checkLevel("studentized", level); err != nil {
		return Interval{}, err
	}
	switch {
	case !s.valid():
		return Interval{math.Inf(-1), math.Inf(1), level}, nil
	case s.StdErr == 0:
		return Interval{s.Estimate, s.Estimate, level}, nil
	}
	t := s.quantile(0.5 + level/2)
	return Interval{
		Lo:    s.Estimate - s.StdErr*max(t, hallInverse(t, s.Skewness)),
		Hi:    s.Estimate + s.StdErr*max(t, hallInverse(t, -s.Skewness)),
		Level: level,
	}, nil
}

// From manyDegrees on, Student's distribution equals the normal one to six digits.
const manyDegrees = 1e6

// survival returns the probability that Student's t exceeds t.
func (s Studentized) survival(t float64) float64 {
	switch {
	case math.IsNaN(t):
		return 1 // the fields are out of the computable range
	case math.IsInf(t, 0) || s.Degrees >= manyDegrees:
		return cdf(-t)
	}
	return distuv.StudentsT{Sigma: 1, Nu: s.Degrees}.Survival(t)
}

func (s Studentized) quantile(p float64) float64 {
	if s.Degrees >= manyDegrees {
		return quantile(p)
	}
	return distuv.StudentsT{Sigma: 1, Nu: s.Degrees}.Quantile(p)
}

// hall maps a t statistic to one without skewness, by a monotone cubic.
func hall(t, skewness float64) float64 {
	if math.Abs(skewness) < 1e-6 {
		return t
	}
	root := 1 + skewness*t/3
	return (root*root*root-1)/skewness + skewness/6
}

// hallInverse returns the t statistic that hall maps to y.
func hallInverse(y, skewness float64) float64 {
	if math.Abs(skewness) < 1e-6 {
		return y
	}
	return 3 / skewness * (math.Cbrt(1+skewness*(y-skewness/6)) - 1)
}
