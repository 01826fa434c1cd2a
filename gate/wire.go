package gate

import (
	"bytes"
	"encoding/json"
	"fmt"
)

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
	return object, nil
}
