package gate

import (
	"errors"
	"fmt"
	"reflect"
)

// Criterion is one rule of a [Policy]. A host implements it for its own rules.
//
// To judge a part of the rows, such as the recent ones, pass [Evidence.Subset] to a criterion
// of this package. A copy of the evidence with every column cut also works.
//
// A criterion may also have a method Validate() error. If Validate returns an error, Check is
// not called, and the verdict is [Errored].
type Criterion interface {
	// Check judges the evidence and must not modify it. The evidence is valid, but may have no
	// production model and no rows. Check is called by one goroutine and must depend on the
	// evidence alone. It must set Verdict and Reason. The verdict becomes [Errored] if it is
	// unknown, if a Pass has a Statistic of NaN, or if JSON cannot hold a number of the Check
	// or its Segments. Statistic and Threshold may be NaN, and an end of the interval may be
	// infinite.
	Check(e *Evidence) Check
}

// CriterionFunc makes a function a [Criterion].
type CriterionFunc func(e *Evidence) Check

// Check calls f.
func (f CriterionFunc) Check(e *Evidence) Check { return f(e) }

// wellFormed returns the error of a criterion's Validate or, if it has none, of its validate.
func wellFormed(c Criterion) error {
	if isNil(c) {
		return errNilCriterion
	}
	if embedsNil(c) {
		return fmt.Errorf("a %T embeds a criterion that is nil", c)
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

func isNil(c Criterion) bool {
	v := reflect.ValueOf(c)
	return !v.IsValid() || isNilValue(v)
}

func isNilValue(v reflect.Value) bool {
	return (v.Kind() == reflect.Pointer || v.Kind() == reflect.Func) && v.IsNil()
}

// embedsNil reports whether a host's type embeds a nil criterion of this package, or a
// criterion inside a nil struct. Its methods would panic.
func embedsNil(c Criterion) bool {
	v := reflect.Indirect(reflect.ValueOf(c))
	if v.Kind() != reflect.Struct {
		return false
	}
	for _, f := range reflect.VisibleFields(v.Type()) {
		of := f.Type
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if !f.Anonymous || !ofThisPackage(of) || !of.Implements(reflect.TypeFor[Criterion]()) {
			continue
		}
		embedded, err := v.FieldByIndexErr(f.Index)
		if err != nil || isNilValue(embedded) {
			return true
		}
	}
	return false
}

// as returns the criterion as a T, if it is a T whose methods can be called.
func as[T any](c Criterion) (T, bool) {
	t, ok := c.(T)
	return t, ok && !isNil(c) && !embedsNil(c)
}

func valueType(c Criterion) reflect.Type { return reflect.Indirect(reflect.ValueOf(c)).Type() }

func isOwn(c Criterion) bool { return ofThisPackage(valueType(c)) }

func ofThisPackage(t reflect.Type) bool {
	return t.PkgPath() == reflect.TypeFor[CriterionFunc]().PkgPath()
}
