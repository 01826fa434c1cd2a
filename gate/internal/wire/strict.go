// Package wire holds the mechanics of the JSON that package gate stores: a strict reader,
// numbers that need not be finite, durations as text, and enumerations.
package wire

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Unmarshal reads one JSON value into what v points to. At any depth it rejects
//
//   - a member that the struct does not have in exactly these letters;
//   - a repeated member;
//   - a missing member, unless the tag of its field says omitempty or omitzero: the zero
//     value could be the most lenient;
//   - null, unless the value is a [Number], a pointer, an interface, or a list or map whose
//     tag does not omit an empty one.
//
// For a type with its own UnmarshalJSON, Unmarshal only rejects repeated members.
func Unmarshal(data []byte, v any) error {
	if !json.Valid(data) {
		return json.Unmarshal(data, v) // says what is malformed and writes nothing
	}
	r := reader{json.NewDecoder(bytes.NewReader(data))}
	r.UseNumber() // a number may be larger than a float64
	if err := r.value(formOf(reflect.TypeOf(v).Elem())); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

type form struct {
	want     string       // the name of the form in errors
	of       reflect.Type // a list, a map or a struct; nil if the contents are unknown
	nullable bool
}

var anything = form{want: "a value", nullable: true}

func formOf(t reflect.Type) form {
	f := form{nullable: t.Kind() == reflect.Pointer}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch p, kind := reflect.PointerTo(t), t.Kind(); {
	case t == reflect.TypeFor[json.RawMessage](), kind == reflect.Interface:
		return anything
	case t == reflect.TypeFor[Number]():
		f.want, f.nullable = "a number", true
	case t == reflect.TypeFor[time.Time]():
		f.want = "a time"
	case p.Implements(reflect.TypeFor[json.Unmarshaler]()):
		f.want = "a value"
	case p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()), kind == reflect.String:
		f.want = "a text"
	case kind == reflect.Bool:
		f.want = "true or false"
	case kind == reflect.Slice, kind == reflect.Array:
		return form{"a list", t, true}
	case kind == reflect.Map:
		return form{"an object", t, true}
	case kind == reflect.Struct:
		f.want, f.of = "an object", t
	default:
		f.want = "a number"
	}
	return f
}

// kind returns the kind of the contents, [reflect.Invalid] if unknown.
func (f form) kind() reflect.Kind {
	if f.of == nil {
		return reflect.Invalid
	}
	return f.of.Kind()
}

// members returns the names of a struct's fields as package json sees them, the forms of the
// fields, and whether each field may be omitted.
func members(t reflect.Type) (names []string, forms []form, optional []bool) {
	var whole [][]int // the embedded fields whose own fields are not members of t
	for _, f := range reflect.VisibleFields(t) {
		if slices.ContainsFunc(whole, func(outer []int) bool {
			return len(outer) < len(f.Index) && slices.Equal(outer, f.Index[:len(outer)])
		}) {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		embedded := f.Anonymous && inner.Kind() == reflect.Struct
		if embedded && name == "" {
			continue // the fields of the struct are visible too
		}
		if f.Anonymous {
			whole = append(whole, f.Index)
		}
		name = cmp.Or(name, f.Name)
		if f.Tag.Get("json") == "-" || !f.IsExported() && !embedded || slices.Contains(names, name) {
			continue
		}
		names, forms, optional = append(names, name), append(forms, formOf(f.Type)), append(optional, strings.Contains(options, "omit"))
	}
	return names, forms, optional
}

type misfit struct{ path, what string }

func (m *misfit) Error() string {
	return strings.TrimLeft(strings.TrimPrefix(m.path, ".")+m.what, ": ")
}

func misfits(format string, args ...any) error { return &misfit{what: fmt.Sprintf(format, args...)} }

// within puts an outer path before the path of the error.
func within(outer string, err error) error {
	if m := (*misfit)(nil); errors.As(err, &m) {
		m.path = outer + m.path
	}
	return err
}

type reader struct{ *json.Decoder }

func (r reader) value(f form) error {
	t, err := r.Token()
	switch isObject := f.kind() == reflect.Struct || f.kind() == reflect.Map; {
	case err != nil:
		return err
	case t == nil && !f.nullable:
		return misfits(" is null, want %s", f.want)
	case t == nil:
		return nil
	case t == json.Delim('{'):
		return r.object(f)
	case t == json.Delim('[') && isObject:
		return misfits(": a list is not a JSON object")
	case isObject:
		written, _ := json.Marshal(t) // can be written, because it was read
		return misfits(": %.20s is not a JSON object", written)
	case t == json.Delim('['):
		return r.list(f)
	}
	return nil
}

func (r reader) list(f form) error {
	element := anything
	if kind := f.kind(); kind == reflect.Slice || kind == reflect.Array {
		element = formOf(f.of.Elem())
	}
	for i := 0; r.More(); i++ {
		if err := r.value(element); err != nil {
			return within(fmt.Sprintf("[%d]", i), err)
		}
	}
	_, err := r.Token()
	return err
}

func (r reader) object(f form) error {
	var names []string
	var forms []form
	var optional []bool
	element, isStruct := anything, f.kind() == reflect.Struct
	if isStruct {
		names, forms, optional = members(f.of)
	} else if f.kind() == reflect.Map {
		element = formOf(f.of.Elem())
	}
	seen := map[string]bool{}
	for r.More() {
		t, err := r.Token()
		if err != nil {
			return err
		}
		name := t.(string) // a JSON object has no other keys
		if seen[name] {
			return misfits(": field %q occurs twice", name)
		}
		seen[name] = true
		if isStruct {
			i := slices.Index(names, name)
			if i < 0 { // package json would take "Rows" for "rows"
				return misfits(": unknown field %q, want one of %q", name, names)
			}
			if element = forms[i]; optional[i] {
				element.nullable = false
				element.want += " or no such field"
			}
		}
		if err := r.value(element); err != nil {
			return within("."+name, err)
		}
	}
	for i, name := range names {
		if !optional[i] && !seen[name] {
			return misfits(": field %q is missing", name)
		}
	}
	_, err := r.Token()
	return err
}
