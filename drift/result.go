package drift

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// ErrInvalidInput is what every error about the caller's data unwraps to. Use [errors.As]
// with an [*InputError] to learn where in a sample the mistake is.
var ErrInvalidInput = errors.New("drift: invalid input")

// ErrCorrupt is returned for a stored [Reference] or [Profile] that is not as it was
// written: truncated, changed, or of a kind or version that this package does not know.
var ErrCorrupt = errors.New("drift: stored data are corrupt")

// InputError says which value of which sample cannot be used.
type InputError struct {
	Sample string // "reference", "current", or the name of a field or column
	Index  int    // position in the sample; -1 if the sample as a whole is at fault
	What   string // what is wrong and what was expected
}

func (e *InputError) Error() string {
	if e.Index < 0 {
		return fmt.Sprintf("drift: %s: %s", e.Sample, e.What)
	}
	return fmt.Sprintf("drift: %s: index %d: %s", e.Sample, e.Index, e.What)
}

// Unwrap returns [ErrInvalidInput].
func (e *InputError) Unwrap() error { return ErrInvalidInput }

// invalid returns an [*InputError] about a sample as a whole.
func invalid(sample, format string, args ...any) error {
	return &InputError{Sample: sample, Index: -1, What: fmt.Sprintf(format, args...)}
}

// invalidColumn is invalid for the column of this name.
func invalidColumn(name, format string, args ...any) error {
	return invalid(fmt.Sprintf("column %q", name), format, args...)
}

// Result is the outcome of comparing a current sample with a reference sample.
type Result struct {
	// Statistic is the method's own number, in the units that the method names.
	Statistic float64
	// PValue is the probability, if both samples come from one distribution, of a
	// statistic at least as extreme. It is NaN if the method has no null distribution.
	PValue float64
	// EffectSize is the size of the observed change on a scale from 0, none, to 1, the
	// largest possible. With more rows it settles at the true size; with few, or with many
	// cells, noise makes it larger on average even if nothing changed. A [Test] of a
	// [Detector] corrects for that.
	EffectSize float64
	// NReference and NCurrent are the numbers of observations.
	NReference, NCurrent int
	// Warnings say why a valid result is weak evidence.
	Warnings []error
}

// MarshalJSON returns strict JSON: a number that is NaN or infinite is null, such as the
// p-value of a method that has none, and warnings are their texts.
func (r Result) MarshalJSON() ([]byte, error) { return json.Marshal(r.wire()) }

// resultWire is the JSON form of a Result.
type resultWire struct {
	Statistic  *float64 `json:"statistic"`
	PValue     *float64 `json:"p_value"`
	EffectSize *float64 `json:"effect_size"`
	NReference int      `json:"n_reference"`
	NCurrent   int      `json:"n_current"`
	Warnings   []string `json:"warnings,omitempty"`
}

func (r Result) wire() resultWire {
	w := resultWire{
		Statistic:  finiteOrNil(r.Statistic),
		PValue:     finiteOrNil(r.PValue),
		EffectSize: finiteOrNil(r.EffectSize),
		NReference: r.NReference,
		NCurrent:   r.NCurrent,
	}
	for _, warning := range r.Warnings {
		w.Warnings = append(w.Warnings, warning.Error())
	}
	return w
}

// finiteOrNil returns nil for what JSON has no number for.
func finiteOrNil(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// ProfileResult is a [Result] from counts on cells, with what it says about the rows that
// were counted.
type ProfileResult struct {
	Result
	// Lo and Hi bound the statistic that the method finds on the rows themselves. They are
	// equal to Statistic if nothing is lost by counting.
	Lo, Hi float64
}

// MarshalJSON returns what [Result.MarshalJSON] does, with lo and hi.
func (r ProfileResult) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		resultWire
		Lo *float64 `json:"lo"`
		Hi *float64 `json:"hi"`
	}{r.wire(), finiteOrNil(r.Lo), finiteOrNil(r.Hi)})
}
