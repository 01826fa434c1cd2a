package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// Kinded is a [Criterion] that can be written in the JSON of a [Policy]. All of this
// package's are; a host's own is if it says its kind.
//
// Kind returns the name of the criterion's type in JSON, such as "min_samples": the same
// for all its values, and no other type's. The JSON of the criterion itself must be an
// object without a member "type", which holds the kind.
type Kinded interface {
	Criterion
	Kind() string
}

// builtins holds a value of each kind that this package knows.
var builtins = []Kinded{
	Cooldown{}, ErrorBudget{}, Floor{}, Improvement{}, Maturity{}, MaxLatency{}, MinCoverage{}, MinSamples{},
	NonInferior{}, NotWorse{}, Segments{}, Superior{},
}

// Kind returns "cooldown".
func (Cooldown) Kind() string { return "cooldown" }

// Kind returns "error_budget".
func (ErrorBudget) Kind() string { return "error_budget" }

// Kind returns "floor".
func (Floor) Kind() string { return "floor" }

// Kind returns "improvement".
func (Improvement) Kind() string { return "improvement" }

// Kind returns "maturity".
func (Maturity) Kind() string { return "maturity" }

// Kind returns "max_latency".
func (MaxLatency) Kind() string { return "max_latency" }

// Kind returns "min_coverage".
func (MinCoverage) Kind() string { return "min_coverage" }

// Kind returns "min_samples".
func (MinSamples) Kind() string { return "min_samples" }

// Kind returns "non_inferior".
func (NonInferior) Kind() string { return "non_inferior" }

// Kind returns "not_worse".
func (NotWorse) Kind() string { return "not_worse" }

// Kind returns "segments".
func (Segments) Kind() string { return "segments" }

// Kind returns "superior".
func (Superior) Kind() string { return "superior" }

// kinds are criteria by the name of their kind.
type kinds map[string]Kinded

// newKinds returns the kinds of this package and those of the host. A host's that is
// nil, has no name, or has the name of another is an error.
func newKinds(host ...Kinded) (kinds, error) {
	all := make(kinds, len(builtins)+len(host))
	var errs []error
	for _, c := range slices.Concat(builtins, host) {
		if isNil(c) {
			errs = append(errs, errNilCriterion)
			continue
		}
		kind := c.Kind()
		switch other, taken := all[kind]; {
		case kind == "":
			errs = append(errs, fmt.Errorf("%T has an empty kind", c))
		case taken:
			errs = append(errs, fmt.Errorf("%T has the kind %q, which is that of %T", c, kind, other))
		default:
			all[kind] = c
		}
	}
	return all, errors.Join(errs...)
}

// marshal returns a criterion's JSON, its kind first.
func (ks kinds) marshal(c Criterion) (json.RawMessage, error) {
	if isNil(c) {
		return nil, errNilCriterion
	}
	k, ok := c.(Kinded)
	if !ok {
		return nil, fmt.Errorf("a %T cannot be written: give it a method Kind() string", c)
	}
	kind := k.Kind()
	if known, ok := ks[kind]; kind == "" || ok && valueType(known) != valueType(k) {
		return nil, fmt.Errorf("%T has the kind %q, want one of its own", c, kind)
	}
	body, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	object, err := members(body)
	if err != nil {
		return nil, fmt.Errorf("%T: %w", c, err)
	}
	name, err := json.Marshal(kind)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(object, func(m member) bool { return m.name == typeMember }) {
		return nil, fmt.Errorf("the JSON of a %T has a member %q, which is for its kind", c, typeMember)
	}
	data := append([]byte(`{"`+typeMember+`":`), name...)
	if len(object) > 0 {
		data = append(data, ',')
	}
	return append(data, body[1:]...), nil
}

// typeMember is where the JSON of a criterion holds its kind.
const typeMember = "type"

// unmarshal reads a criterion. What its JSON does not name is as in the value of its
// kind.
func (ks kinds) unmarshal(data []byte) (Criterion, error) {
	object, err := members(data)
	if err != nil {
		return nil, err
	}
	var kind string
	rest := make(map[string]json.RawMessage, len(object))
	for _, m := range object {
		if m.name != typeMember {
			rest[m.name] = m.value
		} else if err := json.Unmarshal(m.value, &kind); err != nil {
			return nil, fmt.Errorf("%s: %w", typeMember, err)
		}
	}
	known, ok := ks[kind]
	if !ok {
		return nil, fmt.Errorf("unknown type %q, want one of %q", kind, sortedKeys(ks))
	}
	body, err := json.Marshal(rest)
	if err != nil {
		return nil, err
	}
	value := reflect.New(valueType(known))
	value.Elem().Set(reflect.Indirect(reflect.ValueOf(known)))
	detach(value.Elem(), false, map[reference]reflect.Value{})
	read := unmarshalOver
	if _, ok := value.Interface().(json.Unmarshaler); ok {
		read = json.Unmarshal // which is as strict as the type makes it
	} else if slices.ContainsFunc(builtins, func(b Kinded) bool { return b.Kind() == kind }) {
		read = unmarshalStrict
	}
	if err := read(body, value.Interface()); err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	if reflect.TypeOf(known).Kind() != reflect.Pointer {
		value = value.Elem()
	}
	return value.Interface().(Criterion), nil
}

// reference is what a value shares with its copies.
type reference struct {
	at, n  uintptr
	of     reflect.Type
	within bool // as in detach
}

// detach replaces all that a value shares with the one it was copied from and that decoding
// JSON could write to: package json decodes into the maps, slices and pointers that are
// there. What was replaced before is in done, so that a value that contains itself does
// not go on for ever.
//
// A type with a method of its own to read JSON could write to anything in it: the value is
// then within it, and all its fields are detached. But no pointer is followed there, because
// a type may be told by where its pointers point, as a netip.Addr is.
func detach(v reflect.Value, within bool, done map[reference]reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		if v.IsNil() || within && v.Kind() == reflect.Pointer {
			return
		}
		r := reference{at: v.Pointer(), of: v.Type(), within: within}
		if v.Kind() == reflect.Slice {
			r.n = uintptr(v.Len())
		}
		if own, ok := done[r]; ok {
			v.Set(own)
			return
		}
		shared := reflect.ValueOf(v.Interface())
		own := emptyLike(shared)
		done[r] = own
		v.Set(own)
		fill(own, shared, within, done)
	case reflect.Interface:
		if !v.IsNil() && !within {
			own := reflect.New(v.Elem().Type()).Elem()
			own.Set(v.Elem())
			detach(own, within, done)
			v.Set(own)
		}
	case reflect.Array:
		for i := range v.Len() {
			detach(v.Index(i), within, done)
		}
	case reflect.Struct:
		reads := readsItself(v.Type())
		for i := range v.NumField() {
			f, field := v.Type().Field(i), v.Field(i)
			if !f.IsExported() {
				field = reflect.NewAt(f.Type, field.Addr().UnsafePointer()).Elem()
			}
			// JSON reaches what is exported in an unexported struct that is embedded.
			reached := f.Tag.Get("json") != "-" && (f.IsExported() || f.Anonymous)
			switch {
			case within || reads && !reached:
				detach(field, true, done)
			case reached:
				detach(field, false, done)
			}
		}
	}
}

// readsItself reports whether a type has a method of its own to read JSON.
func readsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(unmarshaler) || p.Implements(textUnmarshaler)
}

// emptyLike returns a pointer, map or slice with room for what another holds.
func emptyLike(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer:
		return reflect.New(v.Type().Elem())
	case reflect.Map:
		return reflect.MakeMapWithSize(v.Type(), v.Len())
	}
	return reflect.MakeSlice(v.Type(), v.Len(), v.Len())
}

// fill copies what a pointer, map or slice holds, detached.
func fill(own, shared reflect.Value, within bool, done map[reference]reflect.Value) {
	switch own.Kind() {
	case reflect.Pointer:
		own.Elem().Set(shared.Elem())
		detach(own.Elem(), within, done)
	case reflect.Map:
		for key, element := range shared.Seq2() {
			copied := reflect.New(element.Type()).Elem()
			copied.Set(element)
			detach(copied, within, done)
			own.SetMapIndex(key, copied)
		}
	case reflect.Slice:
		reflect.Copy(own, shared)
		for i := range own.Len() {
			detach(own.Index(i), within, done)
		}
	}
}

// valueType returns the type of a criterion, or of what it points to.
func valueType(c Criterion) reflect.Type { return reflect.Indirect(reflect.ValueOf(c)).Type() }

var errNilCriterion = errors.New("the criterion is nil")

// isNil reports whether there is nothing to call: nil itself, or a nil pointer or
// function, on which methods are bound to panic.
func isNil(c Criterion) bool {
	v := reflect.ValueOf(c)
	return !v.IsValid() || (v.Kind() == reflect.Pointer || v.Kind() == reflect.Func) && v.IsNil()
}
