package paired

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/selfheal-ml/selfheal/gate/internal/digits"
)

// Studentized is an estimate that has about Student's distribution once it is divided by its
// standard error, with the skewness that says how far off "about" is. If the fields cannot
// be those of an estimate, as with a negative standard error, p-values are 1 and the
// interval is unbounded.
type Studentized struct {
	Estimate float64
	StdErr   float64
	// Degrees of freedom of the standard error.
	Degrees float64
	// Skewness of the estimate's distribution. If the estimate is a mean, it is the skewness
	// of the values over the root of their number.
	Skewness float64
}

// Mean estimates the mean that the values are drawn from. It is also the way to a
// statistic that is not a mean but has influence values, such as a root mean square:
// take those, and set Estimate. Fewer than two values are [ErrTooFew]; a value that is not
// finite, or values too large to compute with, are an error.
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
// Student's test errs where the values are skewed, as log losses are, and Hall's (1992)
// correction for that errs where they are few, so that the larger of their p-values is
// returned. Without any spread it is 0 or 1.
func (s Studentized) Greater(bound float64) float64 {
	return s.tail(s.Estimate-bound, s.Skewness)
}

// Less returns the p-value of the hypothesis that the true value is at least bound; see
// [Studentized.Greater].
func (s Studentized) Less(bound float64) float64 {
	return s.tail(bound-s.Estimate, -s.Skewness)
}

// tail returns the p-value of an estimate that is so far above the hypothesis.
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

// valid reports whether there can be such an estimate.
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

// manyDegrees is from where on Student's distribution is the normal one to six digits.
const manyDegrees = 1e6

// survival returns Student's probability of more than t.
func (s Studentized) survival(t float64) float64 {
	switch {
	case math.IsNaN(t):
		return 1 // the fields are beyond what can be computed with
	case math.IsInf(t, 0) || s.Degrees >= manyDegrees:
		return cdf(-t)
	}
	return distuv.StudentsT{Sigma: 1, Nu: s.Degrees}.Survival(t)
}

// quantile returns Student's quantile of p.
func (s Studentized) quantile(p float64) float64 {
	if s.Degrees >= manyDegrees {
		return quantile(p)
	}
	return distuv.StudentsT{Sigma: 1, Nu: s.Degrees}.Quantile(p)
}

// hall maps a t statistic to one whose distribution is not skewed, by a cubic that is
// monotone.
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
