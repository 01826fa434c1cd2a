package gate

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// unmarshalStrict reads one JSON object into a struct. At any depth it refuses a member
// that its struct does not have in just these letters, one that occurs twice, one that is
// null, and the lack of one that is never omitted: its zero value could be the most
// lenient. Null is read only where it is written: for a [number], and for a nil list or
// map that is not omitted.
//
// The bytes of a type that has an UnmarshalJSON of its own are only searched for members
// that occur twice.
func unmarshalStrict(data []byte, v any) error {
	return unmarshalShape(data, v, shapeOf(reflect.TypeOf(v).Elem()))
}

// unmarshalOver reads one JSON object into a host's type, and leaves as it is what the
// object does not name. A member of a struct must be one that it has, and none may occur
// twice at any depth; the rest is the host's.
func unmarshalOver(data []byte, v any) error {
	s := anything
	if t := reflect.TypeOf(v).Elem(); t.Kind() == reflect.Struct {
		s = &shape{kind: objectShape, loose: true}
		s.addFields(t, func(reflect.Type) *shape { return anything })
	}
	return unmarshalShape(data, v, s)
}

func unmarshalShape(data []byte, v any, s *shape) error {
	misshapen := checkShape(data, s)
	if misshapen != nil && !errors.Is(misshapen, errNoJSON) {
		return misshapen
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields() // in what is nested in a host's type
	if err := d.Decode(v); err != nil {
		return err
	}
	return cmp.Or(ended(d), misshapen)
}

// ended returns an error unless the decoder is at the end.
func ended(d *json.Decoder) error {
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("data after the value")
	}
	return nil
}

// shape is what the JSON of a type looks like.
type shape struct {
	kind     shapeKind
	want     string       // names it where something else is found
	nullable bool         // null is one of its values
	loose    bool         // any member of an object may be missing or null
	element  *shape       // of a list or a map
	members  memberShapes // of an object
}

type shapeKind uint8

const (
	otherShape shapeKind = iota // nothing is known of what is in it
	listShape
	mapShape
	objectShape
)

type memberShapes []memberShape

type memberShape struct {
	name     string
	value    *shape
	optional bool // it is left out rather than written as null
}

// anything is the shape of a type of which nothing is known.
var anything = &shape{want: "a value", nullable: true}

var (
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// shapes are those found before, by their reflect.Type.
var shapes sync.Map

// shapeOf returns the shape of a type that does not contain itself.
func shapeOf(t reflect.Type) *shape {
	if known, ok := shapes.Load(t); ok {
		return known.(*shape)
	}
	s := newShape(t)
	shapes.Store(t, s)
	return s
}

func newShape(t reflect.Type) *shape {
	pointer := reflect.PointerTo(t)
	switch {
	case t == reflect.TypeFor[number]():
		return &shape{want: "a number", nullable: true}
	case t == reflect.TypeFor[json.RawMessage]():
		return anything
	case t == reflect.TypeFor[time.Time]():
		return &shape{want: "a time"} // null would leave the zero time
	case pointer.Implements(unmarshaler):
		return &shape{want: "a value"}
	case pointer.Implements(textUnmarshaler):
		return &shape{want: "a text"}
	}
	switch t.Kind() {
	case reflect.Bool:
		return &shape{want: "true or false"}
	case reflect.String:
		return &shape{want: "a text"}
	case reflect.Pointer:
		s := *shapeOf(t.Elem())
		s.nullable = true
		return &s
	case reflect.Slice, reflect.Array:
		return &shape{kind: listShape, want: "a list", nullable: true, element: shapeOf(t.Elem())}
	case reflect.Map:
		return &shape{kind: mapShape, want: "an object", nullable: true, element: shapeOf(t.Elem())}
	case reflect.Struct:
		s := &shape{kind: objectShape, want: "an object"}
		s.addFields(t, shapeOf)
		return s
	case reflect.Interface:
		return anything
	}
	return &shape{want: "a number"}
}

// addFields adds the fields of a struct, and then those of the structs that it embeds, by
// depth as package json does. A struct may embed itself by a pointer: each is looked at
// once.
func (s *shape) addFields(t reflect.Type, of func(reflect.Type) *shape) {
	structs := []reflect.Type{t}
	for next := 0; next < len(structs); next++ {
		for i := range structs[next].NumField() {
			f := structs[next].Field(i)
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			base := f.Type
			if f.Anonymous && base.Kind() == reflect.Pointer {
				base = base.Elem()
			}
			inner := f.Anonymous && base.Kind() == reflect.Struct
			switch {
			case f.Tag.Get("json") == "-" || !f.IsExported() && !inner:
			case inner && name == "":
				if !slices.Contains(structs, base) {
					structs = append(structs, base)
				}
			default:
				if name = cmp.Or(name, f.Name); s.members.named(name) < 0 {
					s.members = append(s.members, memberShape{name: name, value: of(f.Type), optional: strings.Contains(options, "omit")})
				}
			}
		}
	}
}

// named returns the index of a member, -1 if there is none.
func (m memberShapes) named(name string) int {
	return slices.IndexFunc(m, func(m memberShape) bool { return m.name == name })
}

// names returns the names of all members.
func (m memberShapes) names() []string {
	names := make([]string, len(m))
	for i := range m {
		names[i] = m[i].name
	}
	return names
}

// misfit is JSON that has not the shape wanted, and where it is.
type misfit struct{ path, what string }

func (m *misfit) Error() string {
	return strings.TrimLeft(strings.TrimPrefix(m.path, ".")+m.what, ": ")
}

func misfits(format string, args ...any) error {
	return &misfit{what: fmt.Sprintf(format, args...)}
}

// within puts the place of a value before that of what is wrong in it.
func within(err error, format string, args ...any) error {
	var m *misfit
	if errors.As(err, &m) {
		m.path = fmt.Sprintf(format, args...) + m.path
	}
	return err
}

// errNoJSON means that package json will say what is wrong.
var errNoJSON = errors.New("malformed JSON")

// checkShape checks that the data are one value of the shape.
func checkShape(data []byte, s *shape) error {
	r := shapeReader{data: data}
	if err := r.value(s); err != nil {
		return err
	}
	if r.peek() != end {
		return misfits(": data after the value")
	}
	return nil
}

// shapeReader goes through JSON once. It is several times as fast as the tokens of package
// json, because evidence may be of a million rows.
type shapeReader struct {
	data  []byte
	at    int
	depth int
}

const (
	end      = 0      // what peek returns there; no JSON contains it
	maxDepth = 10_000 // that of package json, which keeps the stack small
)

// peek skips white space and returns the next byte.
func (r *shapeReader) peek() byte {
	for ; r.at < len(r.data); r.at++ {
		switch c := r.data[r.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return end
}

// value goes through a value of the shape.
func (r *shapeReader) value(s *shape) error {
	c := r.peek()
	switch {
	case c == 'n' && !s.nullable:
		return misfits(" is null, want %s", s.want)
	case s.kind == objectShape && c != '{' && c != end:
		begin := r.at
		if err := r.value(anything); err != nil {
			return err
		}
		return misfits(": %.20s is not a JSON object", r.data[begin:r.at])
	case c == '"':
		_, err := r.text()
		return err
	case c == '{':
		return r.nested(s, r.object)
	case c == '[':
		return r.nested(s, r.list)
	}
	return r.literal()
}

// nested goes through a list or an object.
func (r *shapeReader) nested(s *shape, through func(*shape) error) error {
	r.at++
	r.depth++
	if r.depth > maxDepth {
		return errNoJSON
	}
	err := through(s)
	r.depth--
	return err
}

// literal goes through a number, true, false or null.
func (r *shapeReader) literal() error {
	from := r.at
	for ; r.at < len(r.data); r.at++ {
		if c := r.data[r.at]; c == ',' || c == ']' || c == '}' || c <= ' ' {
			break
		}
	}
	if r.at == from {
		return errNoJSON
	}
	return nil
}

// text goes through a text and returns it with its quotes.
func (r *shapeReader) text() ([]byte, error) {
	from := r.at
	for r.at++; r.at < len(r.data); r.at++ {
		switch r.data[r.at] {
		case '\\':
			r.at++
		case '"':
			r.at++
			return r.data[from:r.at], nil
		}
	}
	return nil, errNoJSON
}

// more reports whether there is another of the i values before, and goes to it.
func (r *shapeReader) more(i int, closing byte) (bool, error) {
	switch c := r.peek(); {
	case c == closing:
		r.at++
		return false, nil
	case i == 0:
		return true, nil
	case c == ',':
		r.at++
		return true, nil
	}
	return false, errNoJSON
}

// list goes through the rest of a list.
func (r *shapeReader) list(s *shape) error {
	element := s.element
	if s.kind != listShape {
		element = anything
	}
	for i := 0; ; i++ {
		if more, err := r.more(i, ']'); !more {
			return err
		}
		if err := r.value(element); err != nil {
			return within(err, "[%d]", i)
		}
	}
}

// object goes through the rest of an object.
func (r *shapeReader) object(s *shape) error {
	seen := map[string]bool{}
	for i := 0; ; i++ {
		if more, err := r.more(i, '}'); err != nil {
			return err
		} else if !more {
			break
		}
		name, err := r.name()
		if err != nil {
			return err
		}
		if seen[name] {
			return misfits(": field %q occurs twice", name)
		}
		seen[name] = true
		value := anything
		switch s.kind {
		case mapShape:
			value = s.element
		case objectShape:
			k := s.members.named(name)
			if k < 0 { // package json would take "Rows" for "rows"
				return misfits(": unknown field %q, want one of %q", name, s.members.names())
			}
			value = s.members[k].value
			if s.members[k].optional && !s.loose && r.peek() == 'n' {
				return within(misfits(" is null, want %s or no such field", value.want), ".%s", name)
			}
		}
		if err := r.value(value); err != nil {
			return within(err, ".%s", name)
		}
	}
	for _, m := range s.members {
		if !m.optional && !s.loose && !seen[m.name] {
			return misfits(": field %q is missing", m.name)
		}
	}
	return nil
}

// name goes through the name of a member and returns it as package json reads it.
func (r *shapeReader) name() (string, error) {
	if r.peek() != '"' {
		return "", errNoJSON
	}
	quoted, err := r.text()
	if err != nil || r.peek() != ':' {
		return "", errNoJSON
	}
	r.at++
	if inner := quoted[1 : len(quoted)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner), nil
	}
	var name string
	if json.Unmarshal(quoted, &name) != nil {
		return "", errNoJSON
	}
	return name, nil
}
