// Package wire holds the mechanics of the JSON that package gate stores: a strict reader,
// numbers that need not be finite, durations as text, and enumerations.
package wire

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Unmarshal reads one JSON value into what v points to. At any depth it refuses
//
//   - an object's member that the struct does not have in exactly these letters;
//   - a member that occurs twice;
//   - a missing member, unless the tag of its field says omitempty or omitzero: the zero
//     value could be the most lenient;
//   - null, unless the value is a [Number], a pointer, an interface, or a list or map
//     whose tag does not say that an empty one is omitted.
//
// A type that has an UnmarshalJSON of its own reads itself: Unmarshal only refuses members
// that occur twice in its JSON.
func Unmarshal(data []byte, v any) error {
	if !json.Valid(data) {
		return json.Unmarshal(data, v) // says what is malformed and writes nothing
	}
	r := reader{data: data}
	if err := r.value(formOf(reflect.TypeOf(v).Elem())); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// form is what the JSON of a type looks like.
type form struct {
	want     string       // the name of the form in errors
	of       reflect.Type // a list, a map or a struct; nil if the form says nothing of what is inside
	nullable bool
}

// anything is the form of a value of which nothing is known.
var anything = form{want: "a value", nullable: true}

func formOf(t reflect.Type) form {
	nullable := t.Kind() == reflect.Pointer
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch p := reflect.PointerTo(t); {
	case t == reflect.TypeFor[Number]():
		return form{want: "a number", nullable: true}
	case t == reflect.TypeFor[json.RawMessage](), t.Kind() == reflect.Interface:
		return anything
	case t == reflect.TypeFor[time.Time]():
		return form{want: "a time", nullable: nullable}
	case p.Implements(reflect.TypeFor[json.Unmarshaler]()):
		return form{want: "a value", nullable: nullable}
	case p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return form{want: "a text", nullable: nullable}
	}
	switch t.Kind() {
	case reflect.Bool:
		return form{want: "true or false", nullable: nullable}
	case reflect.String:
		return form{want: "a text", nullable: nullable}
	case reflect.Slice, reflect.Array:
		return form{"a list", t, true}
	case reflect.Map:
		return form{"an object", t, true}
	case reflect.Struct:
		return form{"an object", t, nullable}
	}
	return form{want: "a number", nullable: nullable}
}

// is reports whether the form is of a type of that kind.
func (f form) is(kind reflect.Kind) bool { return f.of != nil && f.of.Kind() == kind }

// member is a field of a struct as package json sees it.
type member struct {
	name     string
	form     form
	optional bool
}

func membersOf(t reflect.Type) (members []member, names []string) {
	for _, f := range reflect.VisibleFields(t) {
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		base := f.Type
		if f.Anonymous && base.Kind() == reflect.Pointer {
			base = base.Elem()
		}
		if name == "" {
			name = f.Name
			if f.Anonymous && base.Kind() == reflect.Struct {
				continue // its fields are visible themselves
			}
		}
		if tag == "-" || !f.IsExported() || slices.Contains(names, name) {
			continue
		}
		names = append(names, name)
		members = append(members, member{name, formOf(f.Type), strings.Contains(options, "omit")})
	}
	return members, names
}

// misfit is an error about the value at a path.
type misfit struct{ path, what string }

func (m *misfit) Error() string {
	return strings.TrimLeft(strings.TrimPrefix(m.path, ".")+m.what, ": ")
}

func misfits(format string, args ...any) error { return &misfit{what: fmt.Sprintf(format, args...)} }

// within puts the path of an outer value before the path of the error.
func within(outer string, err error) error {
	if m := (*misfit)(nil); errors.As(err, &m) {
		m.path = outer + m.path
	}
	return err
}

// reader goes once through JSON that is known to be valid, which keeps it simple and
// several times as fast as the tokens of package json.
type reader struct {
	data []byte
	at   int
}

// next skips what stands between values and returns the byte after it, 0 at the end.
func (r *reader) next() byte {
	for ; r.at < len(r.data); r.at++ {
		if c := r.data[r.at]; strings.IndexByte(" \t\r\n,:", c) < 0 {
			return c
		}
	}
	return 0
}

// value goes through one value.
func (r *reader) value(f form) error {
	c, begin := r.next(), r.at
	switch {
	case c == 'n' && !f.nullable:
		return misfits(" is null, want %s", f.want)
	case c == '{':
		return r.object(f)
	case f.is(reflect.Struct) && c != 'n':
		if err := r.value(anything); err != nil {
			return err
		}
		return misfits(": %.20s is not a JSON object", r.data[begin:r.at])
	case c == '[':
		return r.list(f)
	case c == '"':
		r.text()
		return nil
	}
	for ; r.at < len(r.data) && strings.IndexByte(" \t\r\n,]}", r.data[r.at]) < 0; r.at++ {
	}
	return nil
}

// text goes through a text and returns it with its quotes.
func (r *reader) text() []byte {
	begin := r.at
	for r.at++; r.data[r.at] != '"'; r.at++ {
		if r.data[r.at] == '\\' {
			r.at++
		}
	}
	r.at++
	return r.data[begin:r.at]
}

func (r *reader) list(f form) error {
	element := anything
	if f.is(reflect.Slice) || f.is(reflect.Array) {
		element = formOf(f.of.Elem())
	}
	r.at++
	for i := 0; r.next() != ']'; i++ {
		if err := r.value(element); err != nil {
			return within(fmt.Sprintf("[%d]", i), err)
		}
	}
	r.at++
	return nil
}

func (r *reader) object(f form) error {
	var members []member
	var names []string
	element := anything
	if f.is(reflect.Struct) {
		members, names = membersOf(f.of)
	} else if f.is(reflect.Map) {
		element = formOf(f.of.Elem())
	}
	seen := map[string]bool{}
	r.at++
	for r.next() != '}' {
		var name string
		if err := json.Unmarshal(r.text(), &name); err != nil {
			return err
		}
		if seen[name] {
			return misfits(": field %q occurs twice", name)
		}
		seen[name] = true
		if f.is(reflect.Struct) {
			i := slices.Index(names, name)
			if i < 0 { // package json would take "Rows" for "rows"
				return misfits(": unknown field %q, want one of %q", name, names)
			}
			element = members[i].form
			if members[i].optional && r.next() == 'n' {
				return within("."+name, misfits(" is null, want %s or no such field", element.want))
			}
		}
		if err := r.value(element); err != nil {
			return within("."+name, err)
		}
	}
	r.at++
	for _, m := range members {
		if !m.optional && !seen[m.name] {
			return misfits(": field %q is missing", m.name)
		}
	}
	return nil
}
