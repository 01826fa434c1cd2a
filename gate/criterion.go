package gate

import (
	"errors"
	"reflect"
)

// Criterion is one rule of a [Policy]. A host's own rules implement it.
//
// Check judges the evidence, which is valid, and must not modify it. Evidence of no
// production model and of no rows is valid too. It is called by one goroutine, must
// depend on the evidence alone, and fills Verdict and Reason at least. A Pass whose
// Statistic is NaN counts as [Errored], and so does a Check with an unknown verdict or a
// number that JSON cannot hold, in its Segments too; only a Statistic or Threshold may be
// NaN, and an interval open on either side. If the criterion also has a method
// Validate() error, it is not asked to judge while that returns an error.
//
// To judge a part of the rows, as the recent ones or those of one customer, take it by
// [Evidence.Subset] and give that to a criterion of this package. A copy of the evidence
// that is cut by hand works too, if every column is cut.
type Criterion interface {
	Check(e *Evidence) Check
}

// CriterionFunc makes a function a [Criterion].
type CriterionFunc func(e *Evidence) Check

// Check calls f.
func (f CriterionFunc) Check(e *Evidence) Check { return f(e) }

// validate asks a criterion whether it is well formed, if it can tell. A host's own
// Validate comes before the method of a criterion of this package that the host embeds.
func validate(c Criterion) error {
	if isNil(c) {
		return errNilCriterion
	}
	switch v := c.(type) {
	case interface{ Validate() error }:
		return v.Validate()
	case interface{ validate() error }:
		return v.validate()
	}
	return nil
}

var errNilCriterion = errors.New("the criterion is nil")

// isNil reports whether there is nothing to call: nil itself, or a nil pointer or
// function.
func isNil(c Criterion) bool {
	v := reflect.ValueOf(c)
	return !v.IsValid() || (v.Kind() == reflect.Pointer || v.Kind() == reflect.Func) && v.IsNil()
}

// valueType returns the type of a criterion, or of what it points to.
func valueType(c Criterion) reflect.Type { return reflect.Indirect(reflect.ValueOf(c)).Type() }
