package gate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
)

// number is a float64 that JSON can hold: what is not finite is null, and null is NaN.
type number float64

func (n number) MarshalJSON() ([]byte, error) {
	if v := float64(n); math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

func (n *number) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*n = number(math.NaN())
		return nil
	}
	return json.Unmarshal(data, (*float64)(n))
}

// or returns the number, or another in place of NaN.
func (n number) or(other float64) float64 {
	if math.IsNaN(float64(n)) {
		return other
	}
	return float64(n)
}

// duration is a time.Duration that JSON holds as text, such as "168h0m0s".
type duration time.Duration

func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("duration %q, want one such as \"168h\" or \"1.5s\"", text)
	}
	*d = duration(v)
	return nil
}

// unmarshalStrict reads one JSON object into a struct. It refuses trailing data, a member
// that the struct does not have or that occurs twice, and the lack of one that is never
// omitted: its zero value could be the most lenient.
func unmarshalStrict(data []byte, v any) error { return unmarshalObject(data, v, true) }

// unmarshalOver does the same, but leaves as it is what the object does not name.
func unmarshalOver(data []byte, v any) error { return unmarshalObject(data, v, false) }

func unmarshalObject(data []byte, v any, all bool) error {
	if names, required := fieldNames(reflect.TypeOf(v).Elem()); names != nil {
		object, err := members(data)
		if err != nil {
			return err
		}
		for _, m := range object {
			if !slices.Contains(names, m.name) { // encoding/json would take "Rows" for "rows"
				return fmt.Errorf("unknown field %q, want one of %q", m.name, names)
			}
		}
		for _, name := range required {
			if all && !slices.ContainsFunc(object, func(m member) bool { return m.name == name }) {
				return fmt.Errorf("field %q is missing", name)
			}
		}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields() // in what is nested
	if err := d.Decode(v); err != nil {
		return err
	}
	return ended(d)
}

// ended returns an error unless the decoder is at the end.
func ended(d *json.Decoder) error {
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("data after the value")
	}
	return nil
}

// member is a name and its value in a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// members returns what is in a JSON object, in its order. A name that occurs twice is an
// error.
func members(data []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil {
		return nil, err
	} else if t != json.Delim('{') {
		return nil, fmt.Errorf("%.20s is not a JSON object", data)
	}
	var object []member
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: t.(string)} // a JSON object has no other keys
		if seen[m.name] {
			return nil, fmt.Errorf("field %q occurs twice", m.name)
		}
		seen[m.name] = true
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		object = append(object, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	return object, ended(d)
}

// fieldNames returns the names that the fields of a struct have in JSON, and of those
// that are never omitted; nil if t is no struct.
func fieldNames(t reflect.Type) (names, required []string) {
	if t.Kind() != reflect.Struct {
		return nil, nil
	}
	names = []string{}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" || f.Anonymous && name == "" {
			continue
		}
		name = cmp.Or(name, f.Name)
		names = append(names, name)
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	return names, required
}

// names are the texts of an enumeration, by its values.
type names []string

func (n names) name(kind string, v uint8) string {
	if int(v) < len(n) {
		return n[v]
	}
	return fmt.Sprintf("%s(%d)", kind, v)
}

func (n names) marshal(what string, v uint8) ([]byte, error) {
	if int(v) >= len(n) {
		return nil, fmt.Errorf("gate: unknown %s %d", what, v)
	}
	return []byte(n[v]), nil
}

func (n names) unmarshal(what string, text []byte) (uint8, error) {
	i := slices.Index(n, string(text))
	if i < 0 {
		return 0, fmt.Errorf("gate: unknown %s %q, want one of %q", what, text, n)
	}
	return uint8(i), nil
}
