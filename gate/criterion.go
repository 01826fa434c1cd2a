package gate

import (
	"errors"
	"fmt"
	"reflect"
)

// Criterion is one rule of a [Policy]. A host's own rules implement it.
//
// To judge a part of the rows, such as the recent rows or the rows of one customer, take
// the part by [Evidence.Subset] and give it to a criterion of this package. A copy of the
// evidence that is cut by hand works too, if every column is cut.
//
// A criterion may also have a method Validate() error. While Validate returns an error,
// Check is not called, and the verdict is [Errored].
type Criterion interface {
	// Check judges the evidence, and must not modify it. The evidence is valid: it may have
	// no production model, and no rows. Check is called by one goroutine and must depend on
	// the evidence alone. It fills Verdict and Reason at least. The verdict becomes
	// [Errored] if it is unknown, if a Pass has a Statistic of NaN, or if JSON cannot hold a
	// number of the Check or its Segments. Statistic and Threshold may be NaN, and an end of
	// the interval may be infinite.
	Check(e *Evidence) Check
}

// CriterionFunc makes a function a [Criterion].
type CriterionFunc func(e *Evidence) Check

// Check calls f.
func (f CriterionFunc) Check(e *Evidence) Check { return f(e) }

// wellFormed asks a criterion whether it is well formed, if it can tell. A host's own
// Validate comes before the method of a criterion of this package that the host embeds.
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

// isNil reports whether there is nothing to call: nil itself, or a nil pointer or
// function.
func isNil(c Criterion) bool {
	v := reflect.ValueOf(c)
	return !v.IsValid() || isNilValue(v)
}

func isNilValue(v reflect.Value) bool {
	return (v.Kind() == reflect.Pointer || v.Kind() == reflect.Func) && v.IsNil()
}

// embedsNil reports whether a host's type embeds a criterion of this package that is nil, or
// is in a struct that is nil. A method of the embedded criterion would panic.
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

// valueType returns the type of a criterion, or of what it points to.
func valueType(c Criterion) reflect.Type { return reflect.Indirect(reflect.ValueOf(c)).Type() }

// isOwn reports whether a criterion is of this package, or a pointer to one that is.
func isOwn(c Criterion) bool { return ofThisPackage(valueType(c)) }

func ofThisPackage(t reflect.Type) bool {
	return t.PkgPath() == reflect.TypeFor[CriterionFunc]().PkgPath()
}
