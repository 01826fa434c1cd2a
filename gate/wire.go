package gate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
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
