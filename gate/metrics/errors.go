package metrics

import (
	"errors"
	"fmt"
)

// Errors that callers branch on.
var (
	// ErrUndefined means that the measure has no value on well-formed rows, for example
	// because there are none or all are of one class.
	ErrUndefined = errors.New("metrics: undefined")
	// ErrInput means that the arguments are malformed.
	ErrInput = errors.New("metrics: malformed input")
)

type failure struct {
	metric, what string // the metric may be empty
	sentinel     error
}

func (e *failure) Error() string {
	if e.metric == "" {
		return "metrics: " + e.what
	}
	return fmt.Sprintf("metrics: %s: %s", e.metric, e.what)
}

func (e *failure) Unwrap() error { return e.sentinel }

func undefined(metric, why string) error {
	return &failure{metric, "undefined: " + why, ErrUndefined}
}

func malformed(metric, format string, args ...any) error {
	return &failure{metric, fmt.Sprintf(format, args...), ErrInput}
}
