package predictlog

import (
	"fmt"
	"math"
	"strconv"
)

// Kind says how the values of a column are to be read.
type Kind uint8

// The kinds of a column. The zero Kind is the kind of a missing value and is not
// valid for a column.
const (
	Numeric     Kind = iota + 1 // a float64; NaN and infinities are values, not missing
	Categorical                 // a string; the empty string is a value, not missing
)

// String returns "numeric", "categorical" or "missing".
func (k Kind) String() string {
	switch k {
	case Numeric:
		return "numeric"
	case Categorical:
		return "categorical"
	}
	return "missing"
}

// MarshalText returns "numeric" or "categorical".
func (k Kind) MarshalText() ([]byte, error) {
	if k != Numeric && k != Categorical {
		return nil, fmt.Errorf("predictlog: unknown kind %d", k)
	}
	return []byte(k.String()), nil
}

// UnmarshalText reads what [Kind.MarshalText] wrote.
func (k *Kind) UnmarshalText(text []byte) error {
	switch string(text) {
	case "numeric":
		*k = Numeric
	case "categorical":
		*k = Categorical
	default:
		return fmt.Errorf("predictlog: unknown kind %q, want numeric or categorical", text)
	}
	return nil
}

// Value is one cell of a [Row]: a number, a category, or missing. The zero Value is
// missing, which is neither 0 nor the empty string. Values are immutable.
type Value struct {
	number float64
	text   string
	kind   Kind
}

// Number returns a numeric value.
func Number(x float64) Value { return Value{number: x, kind: Numeric} }

// Category returns a categorical value.
func Category(s string) Value { return Value{text: s, kind: Categorical} }

// Missing returns the missing value, which is also the zero Value.
func Missing() Value { return Value{} }

// Kind returns the kind of the value, 0 if it is missing.
func (v Value) Kind() Kind { return v.kind }

// IsMissing reports whether the value is missing.
func (v Value) IsMissing() bool { return v.kind == 0 }

// Number returns the number held, and whether v holds one.
func (v Value) Number() (float64, bool) { return v.number, v.kind == Numeric }

// Category returns the category held, and whether v holds one.
func (v Value) Category() (string, bool) { return v.text, v.kind == Categorical }

// Equal reports whether v and w are the same value. NaN equals NaN, so that a record written
// twice is recognised; 0 and -0 differ.
func (v Value) Equal(w Value) bool {
	return v.kind == w.kind && v.text == w.text && sameNumber(v.number, w.number)
}

// sameNumber reports whether a and b are stored alike. Stores that write text do not keep the
// payload of a NaN.
func sameNumber(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) || math.IsNaN(a) && math.IsNaN(b)
}

// String returns the shortest decimal that reads back as the same number, the
// category itself, or "missing".
func (v Value) String() string {
	switch v.kind {
	case Numeric:
		return strconv.FormatFloat(v.number, 'g', -1, 64)
	case Categorical:
		return v.text
	}
	return "missing"
}

// Row is the input of one prediction: a value for each column of a [Schema], in the
// schema's order.
type Row []Value

// Equal reports whether both rows hold equal values in the same order.
func (r Row) Equal(s Row) bool {
	if len(r) != len(s) {
		return false
	}
	for i := range r {
		if !r[i].Equal(s[i]) {
			return false
		}
	}
	return true
}
