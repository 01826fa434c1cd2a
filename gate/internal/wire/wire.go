package wire

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"
)

// Number is a float64 that may be NaN or infinite. A number that is not finite becomes null in
// JSON, and null is read as NaN.
type Number float64

// MarshalJSON writes the number, or null.
func (n Number) MarshalJSON() ([]byte, error) {
	if v := float64(n); math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON reads a number, or null.
func (n *Number) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	return json.Unmarshal(data, (*float64)(n))
}

// Duration is a time.Duration that is text in JSON, such as "168h0m0s".
type Duration time.Duration

// MarshalText writes the duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads a duration.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("duration %q, want one such as \"168h\" or \"1.5s\"", text)
	}
	*d = Duration(v)
	return nil
}

// MarshalStruct writes a struct of exported fields as package json does, except that
//
//   - a version that is not 0 comes first, as "schema_version";
//   - a field that is a time.Duration becomes text;
//   - a number that is not finite becomes null in a field whose tag says `wire:"null"`. The
//     field may be a float64, a map of them, or a pointer to a struct of such fields.
func MarshalStruct(v any, version int) ([]byte, error) {
	from := reflect.ValueOf(v)
	to := reflect.New(wireType(from.Type(), version)).Elem()
	convert(to, from)
	if version != 0 {
		to.FieldByName(versionField).SetInt(int64(version))
	}
	return json.Marshal(to.Interface())
}

// UnmarshalStruct reads what [MarshalStruct] wrote into the struct that v points to, as
// strictly as [Unmarshal]. Null becomes NaN. Another version is an error. An error leaves the
// struct unchanged.
func UnmarshalStruct(data []byte, v any, version int) error {
	to := reflect.ValueOf(v).Elem()
	from := reflect.New(wireType(to.Type(), version))
	if err := Unmarshal(data, from.Interface()); err != nil {
		return err
	}
	if version != 0 {
		if have := from.Elem().FieldByName(versionField).Int(); have != int64(version) {
			return fmt.Errorf("schema_version is %d, want %d", have, version)
		}
	}
	convert(to, from.Elem())
	return nil
}

const versionField = "SchemaVersion"

func wireType(t reflect.Type, version int) reflect.Type {
	fields := reflect.VisibleFields(t)
	for i := range fields {
		f := &fields[i]
		switch null := f.Tag.Get("wire") == "null"; {
		case f.Type == reflect.TypeFor[time.Duration]():
			f.Type = reflect.TypeFor[Duration]()
		case null && f.Type.Kind() == reflect.Float64:
			f.Type = reflect.TypeFor[Number]()
		case null && f.Type.Kind() == reflect.Map:
			f.Type = reflect.TypeFor[map[string]Number]()
		case null && f.Type.Kind() == reflect.Pointer:
			f.Type = reflect.PointerTo(wireType(f.Type.Elem(), 0))
		}
	}
	if version != 0 {
		first := reflect.StructField{Name: versionField, Type: reflect.TypeFor[int](), Tag: `json:"schema_version"`}
		fields = slices.Insert(fields, 0, first)
	}
	return reflect.StructOf(fields)
}

// convert sets a value from its JSON representation, or the other way round.
func convert(to, from reflect.Value) {
	switch kind := from.Kind(); {
	case from.CanConvert(to.Type()):
		to.Set(from.Convert(to.Type()))
	case kind == reflect.Struct:
		for i := range from.NumField() {
			if f := to.FieldByName(from.Type().Field(i).Name); f.IsValid() {
				convert(f, from.Field(i))
			}
		}
	case from.IsNil():
		to.SetZero()
	case kind == reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		convert(to.Elem(), from.Elem())
	case kind == reflect.Map:
		to.Set(reflect.MakeMap(to.Type()))
		for key, v := range from.Seq2() {
			to.SetMapIndex(key, v.Convert(to.Type().Elem()))
		}
	}
}

// Names are the texts of an enumeration, indexed by value.
type Names []string

// Name returns the text of a value. An unknown value gives a text such as "Verdict(9)".
func (n Names) Name(enumeration string, v uint8) string {
	if int(v) < len(n) {
		return n[v]
	}
	return fmt.Sprintf("%s(%d)", enumeration, v)
}

// Marshal returns the text of a value. An unknown value is an error.
func (n Names) Marshal(what string, v uint8) ([]byte, error) {
	if int(v) >= len(n) {
		return nil, fmt.Errorf("gate: unknown %s %d", what, v)
	}
	return []byte(n[v]), nil
}

// Unmarshal returns the value of a text. An unknown text is an error.
func (n Names) Unmarshal(what string, text []byte) (uint8, error) {
	i := slices.Index(n, string(text))
	if i < 0 {
		return 0, fmt.Errorf("gate: unknown %s %q, want one of %q", what, text, n)
	}
	return uint8(i), nil
}
