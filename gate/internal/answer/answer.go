// Package answer checks the answers of models.
package answer

import (
	"fmt"
	"math"
	"slices"

	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// Problem says why an output does not answer the target, or "". Probabilities are optional.
func Problem(o predictlog.Output, target predictlog.Target) string {
	if target.Task == predictlog.Regression {
		if o.Class != "" || o.Probabilities != nil {
			return "answers a class, want a value"
		}
		if math.IsNaN(o.Value) || math.IsInf(o.Value, 0) {
			return fmt.Sprintf("answers %v, want a finite number", o.Value)
		}
		return ""
	}
	if !slices.Contains(target.Classes, o.Class) {
		return fmt.Sprintf("answers class %q, want one of %q", o.Class, target.Classes)
	}
	if o.Value != 0 {
		return fmt.Sprintf("answers the value %v, want a class", o.Value)
	}
	if o.Probabilities == nil {
		return ""
	}
	if have := len(o.Probabilities); have != len(target.Classes) {
		return fmt.Sprintf("gives %d probabilities, want one for each of %q", have, target.Classes)
	}
	var sum float64
	for k, p := range o.Probabilities {
		if !(p >= 0 && p <= 1) { // also true for NaN
			return fmt.Sprintf("gives %q the probability %v, want 0 to 1", target.Classes[k], p)
		}
		sum += p
	}
	if math.Abs(sum-1) > metrics.SumTolerance {
		return fmt.Sprintf("gives probabilities that sum up to %v, want 1", sum)
	}
	return ""
}
