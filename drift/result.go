package drift

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// ErrInvalidInput means a mistake in the data of the caller. An [*InputError], found with
// [errors.As], says where in a sample the mistake is.
var ErrInvalidInput = errors.New("drift: invalid input")

// ErrCorrupt means that a stored [Reference] or [Profile] is truncated or modified, or has an
// unknown kind or version.
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

func invalidColumn(name, format string, args ...any) error {
	return invalid(fmt.Sprintf("column %q", name), format, args...)
}

// Result is the outcome of comparing a current sample with a reference sample.
type Result struct {
	// Statistic is in the units that the method documents.
	Statistic float64
	// PValue is the probability of a statistic at least as extreme if both samples come from
	// one distribution. PValue is NaN if the method has no null distribution.
	PValue float64
	// EffectSize is the size of the observed change, from 0 (none) to 1 (the largest
	// possible). With more rows EffectSize approaches the true size. With few rows or many
	// cells, noise makes it larger on average even if nothing changed. A [Test] of a
	// [Detector] corrects for that.
	EffectSize float64
	// NReference and NCurrent are the numbers of observations.
	NReference, NCurrent int
	// Warnings say why a valid result is weak evidence.
	Warnings []error
}

// MarshalJSON returns strict JSON. A number that is NaN or infinite is null, and warnings are
// their texts.
func (r Result) MarshalJSON() ([]byte, error) { return json.Marshal(r.wire()) }

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

// finiteOrNil returns nil for NaN and infinities, which JSON cannot hold.
func finiteOrNil(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// ProfileResult is a [Result] from counts on cells, with bounds for the rows.
type ProfileResult struct {
	Result
	// Lo and Hi bound the statistic of the rows themselves. All three are equal if counting
	// loses nothing.
	Lo, Hi float64
}

// MarshalJSON returns the JSON of [Result.MarshalJSON], with lo and hi.
func (r ProfileResult) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		resultWire
		Lo *float64 `json:"lo"`
		Hi *float64 `json:"hi"`
	}{r.wire(), finiteOrNil(r.Lo), finiteOrNil(r.Hi)})
}
