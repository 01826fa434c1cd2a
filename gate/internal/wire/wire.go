package wire

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"
)

// Number is a float64 that need not be finite: what is not finite is null in JSON, and
// null is read as NaN.
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

// Or returns the number, or another in place of NaN.
func (n Number) Or(other float64) float64 {
	if math.IsNaN(float64(n)) {
		return other
	}
	return float64(n)
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

// MarshalTexts writes a struct of exported fields as package json does, but the fields
// that are a time.Duration as text.
func MarshalTexts(v any) ([]byte, error) {
	from := reflect.ValueOf(v)
	to := reflect.New(withTexts(from.Type())).Elem()
	convertFields(to, from)
	return json.Marshal(to.Interface())
}

// UnmarshalTexts reads what [MarshalTexts] wrote into the struct that v points to, as
// strictly as [Unmarshal]. An error leaves the struct as it was.
func UnmarshalTexts(data []byte, v any) error {
	to := reflect.ValueOf(v).Elem()
	from := reflect.New(withTexts(to.Type()))
	if err := Unmarshal(data, from.Interface()); err != nil {
		return err
	}
	convertFields(to, from.Elem())
	return nil
}

// withTexts returns the struct type with [Duration] in place of time.Duration.
func withTexts(t reflect.Type) reflect.Type {
	fields := reflect.VisibleFields(t)
	for i := range fields {
		if fields[i].Type == reflect.TypeFor[time.Duration]() {
			fields[i].Type = reflect.TypeFor[Duration]()
		}
	}
	return reflect.StructOf(fields)
}

// convertFields sets each field to that of a struct of convertible fields.
func convertFields(to, from reflect.Value) {
	for i := range to.NumField() {
		to.Field(i).Set(from.Field(i).Convert(to.Field(i).Type()))
	}
}

// Names are the texts of an enumeration, by its values.
type Names []string

// Name returns the text of a value. The text of an unknown value is such as "Verdict(9)".
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
