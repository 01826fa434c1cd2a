package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/selfheal-ml/selfheal/gate/internal/wire"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// Kinded is a host's [Criterion] that can be written in the JSON of a [Policy]. The criteria
// of this package can be written without it.
type Kinded interface {
	Criterion
	// Kind returns the "type" of the criterion in JSON, such as "min_cost". It is the same for
	// all values of a Go type, and unique to the type. The JSON of the criterion must be an
	// object without a member "type". A type that embeds [Cooldown], [ErrorBudget], [Maturity]
	// or [MaxLatency] inherits MarshalJSON and UnmarshalJSON, which leave out the host's
	// additions: the type needs its own methods.
	Kind() string
}

// Kind tells [ParsePolicy] how to read a host's criteria ([KindOf]) or a host's metric
// ([KindOfMetric]).
type Kind struct {
	name   string
	of     reflect.Type // the criterion's type, without a pointer
	read   func(data []byte) (Criterion, error)
	err    error           // why the kind is invalid
	metric *metrics.Metric // nil for a kind of criteria
}

// KindOf returns the kind of the criterion that fresh returns. Package json reads each
// criterion of the kind into a new result of fresh. The result holds the defaults and whatever
// JSON does not hold, such as a table of prices. Two results must share no map, slice or
// pointer that JSON reaches.
//
// A member of the JSON that is unknown, missing, null or repeated is an error, as for the
// criteria of this package. A field may be missing if its tag says omitempty or omitzero. A
// type with its own UnmarshalJSON is as strict as that method.
func KindOf[C Kinded](fresh func() C) Kind {
	if fresh == nil {
		return Kind{err: errors.New("a kind has no function that makes its criterion")}
	}
	c := fresh()
	if isNil(c) {
		return Kind{err: errNilCriterion}
	}
	k := Kind{name: c.Kind(), of: valueType(c), read: func(data []byte) (Criterion, error) {
		c := fresh()
		if isNil(c) {
			return nil, errNilCriterion
		}
		v := reflect.New(reflect.TypeOf(c)) // C may be an interface, whose JSON form is unknown
		v.Elem().Set(reflect.ValueOf(c))
		err := wire.Unmarshal(data, v.Interface())
		return v.Elem().Interface().(Criterion), err
	}}
	if k.name == "" {
		k.err = fmt.Errorf("%T has an empty kind", c)
	}
	return k
}

// KindOfMetric tells [ParsePolicy] and [Recompute] about a host's metric. Criteria name it in
// JSON like the metrics of package metrics.
func KindOfMetric(m metrics.Metric) Kind {
	return Kind{name: m.String(), metric: &m, err: m.Validate()}
}

func ownKind[C Criterion](name string) Kind {
	return Kind{name: name, of: reflect.TypeFor[C](), read: func(data []byte) (Criterion, error) {
		var c C
		err := wire.UnmarshalStruct(data, &c, 0)
		return c, err
	}}
}

func ownKinds() []Kind {
	return []Kind{
		ownKind[Cooldown]("cooldown"),
		ownKind[ErrorBudget]("error_budget"),
		ownKind[Floor]("floor"),
		ownKind[Improvement]("improvement"),
		ownKind[Maturity]("maturity"),
		ownKind[MaxLatency]("max_latency"),
		ownKind[MinCoverage]("min_coverage"),
		ownKind[MinSamples]("min_samples"),
		ownKind[NonInferior]("non_inferior"),
		ownKind[NotWorse]("not_worse"),
		ownKind[SegmentVeto]("segments"),
		ownKind[Superior]("superior"),
	}
}

type kinds map[string]Kind

// newKinds returns the kinds of this package and the host. A name with two kinds is an error.
func newKinds(host ...Kind) (kinds, error) {
	all := kinds{}
	var errs []error
	for _, k := range slices.Concat(ownKinds(), host) {
		switch other, taken := all[k.name]; {
		case k.err != nil:
			errs = append(errs, k.err)
		case k.metric != nil:
		case k.read == nil:
			errs = append(errs, errors.New("a zero Kind, want one made by KindOf"))
		case taken:
			errs = append(errs, fmt.Errorf("%v has the kind %q, which is that of %v", k.of, k.name, other.of))
		default:
			all[k.name] = k
		}
	}
	return all, errors.Join(errs...)
}

const typeMember = "type"

// marshal returns a criterion's JSON, its kind first. ks are the kinds of this package.
func (ks kinds) marshal(c Criterion) (json.RawMessage, error) {
	if isNil(c) {
		return nil, errNilCriterion
	}
	for _, k := range ks {
		if k.of == valueType(c) {
			body, err := wire.MarshalStruct(reflect.Indirect(reflect.ValueOf(c)).Interface(), 0)
			return withType(k.name, body), err
		}
	}
	k, ok := c.(Kinded)
	if !ok {
		return nil, fmt.Errorf("a %T cannot be written: give it a method Kind() string", c)
	}
	if _, taken := ks[k.Kind()]; taken || k.Kind() == "" {
		return nil, fmt.Errorf("%T has the kind %q, want one of its own", c, k.Kind())
	}
	body, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	object, err := decodeObject(body)
	if err != nil {
		return nil, fmt.Errorf("%T: %w", c, err)
	}
	if _, taken := object[typeMember]; taken {
		return nil, fmt.Errorf("the JSON of a %T has a member %q, which is for its kind", c, typeMember)
	}
	return withType(k.Kind(), body), nil
}

func withType(kind string, body []byte) json.RawMessage {
	name, _ := json.Marshal(kind) // a text can always be written
	separator := ","
	if string(body) == "{}" {
		separator = ""
	}
	return json.RawMessage(`{"` + typeMember + `":` + string(name) + separator + strings.TrimPrefix(string(body), "{"))
}

var errUnknownKind = errors.New("unknown type")

func (ks kinds) unmarshal(data json.RawMessage) (Criterion, error) {
	object, err := decodeObject(data)
	if err != nil {
		return nil, err
	}
	var name string
	if kind, ok := object[typeMember]; ok {
		if err := json.Unmarshal(kind, &name); err != nil {
			return nil, fmt.Errorf("%s: %w", typeMember, err)
		}
	}
	kind, ok := ks[name]
	if !ok {
		return nil, fmt.Errorf("%w %q, want one of %q", errUnknownKind, name, slices.Sorted(maps.Keys(ks)))
	}
	delete(object, typeMember)
	body, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	c, err := kind.read(body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

func decodeObject(data []byte) (object map[string]json.RawMessage, err error) {
	if err = wire.Unmarshal(data, &object); err == nil && object == nil {
		err = errors.New("null is not a JSON object")
	}
	return object, err
}

// hostMetricsByName returns the metrics among the kinds. A repeated name is an error.
func hostMetricsByName(host []Kind) (map[string]metrics.Metric, error) {
	named := map[string]metrics.Metric{}
	for _, k := range host {
		if k.metric == nil {
			continue
		}
		if m, taken := named[k.name]; taken && m != *k.metric {
			return nil, fmt.Errorf("two metrics have the name %q", k.name)
		}
		named[k.name] = *k.metric
	}
	return named, nil
}

// withMetrics replaces the names of metrics by the metrics in criteria that were just read, in
// every field that package json sets, at any depth.
func withMetrics(criteria []Criterion, named map[string]metrics.Metric) {
	if len(named) == 0 {
		return
	}
	for i, c := range criteria {
		own := reflect.New(reflect.TypeOf(c)).Elem()
		own.Set(reflect.ValueOf(c))
		setMetrics(own, named, map[pointer]bool{})
		criteria[i] = own.Interface().(Criterion)
	}
}

// setMetrics is withMetrics for one value. It follows each pointer once.
func setMetrics(v reflect.Value, named map[string]metrics.Metric, followed map[pointer]bool) {
	switch kind := v.Kind(); {
	case v.Type() == reflect.TypeFor[metrics.Metric]():
		if !v.CanSet() {
			return
		}
		if m, ok := named[v.Interface().(metrics.Metric).String()]; ok {
			v.Set(reflect.ValueOf(m))
		}
	case kind == reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			embedded := f.Anonymous && inner.Kind() == reflect.Struct
			if f.Tag.Get("json") != "-" && (f.IsExported() || embedded) {
				setMetrics(v.Field(i), named, followed)
			}
		}
	case kind == reflect.Slice, kind == reflect.Array:
		for i := range v.Len() {
			setMetrics(v.Index(i), named, followed)
		}
	case kind == reflect.Pointer && !v.IsNil():
		at := pointer{v.Type(), v.Pointer()}
		if !followed[at] {
			followed[at] = true
			setMetrics(v.Elem(), named, followed)
		}
	}
}

// pointer is a pointer that was followed. Its type matters, because a struct and its first
// field have one address.
type pointer struct {
	to reflect.Type
	at uintptr
}
