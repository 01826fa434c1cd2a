package predictlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// ParseJSON reads a row from a JSON object with a member for each column, by its exact name,
// in any order. A member that is null or absent is a missing value. Members that are not
// columns are ignored. A numeric column takes a number; a categorical column takes a string,
// or a boolean as "true" or "false". The error names every column that cannot be used, with
// what was expected and what was found. A body that is not one object, that names a column
// twice or that is not UTF-8 is an error too.
func (s *Schema) ParseJSON(body []byte) (Row, error) {
	row := make(Row, len(s.columns))
	seen := make([]bool, len(s.columns))
	var errs []error
	err := eachMember(body, func(name, value []byte) {
		i, ok := s.index[string(name)]
		if !ok {
			return
		}
		v, err := parseValue(s.columns[i].Kind, value)
		if seen[i] {
			err = errors.New("is given twice")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("column %q %w", name, err))
		}
		row[i], seen[i] = v, true
	})
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("predictlog: row from JSON: %w", err)
	}
	return row, nil
}

func parseValue(kind Kind, raw []byte) (Value, error) {
	switch c := raw[0]; {
	case c == 'n':
		return Missing(), nil
	case kind == Numeric:
		x, err := parseNumber(raw)
		return Number(x), err
	case c == 't' || c == 'f':
		return Category(string(raw)), nil
	}
	text, err := parseString(raw)
	return Category(text), err
}

// MarshalRow writes the row as the JSON object that [Schema.ParseJSON] reads, in the order of
// the columns. A missing value is null. The error names every column that cannot be written:
// a value of another kind, NaN and infinities, which JSON does not have.
func (s *Schema) MarshalRow(row Row) ([]byte, error) {
	if len(row) != len(s.columns) {
		return nil, fmt.Errorf("predictlog: row to JSON: has %d values, want %d", len(row), len(s.columns))
	}
	var errs []error
	body := []byte{'{'}
	for i, v := range row {
		value, err := marshalValue(v, s.columns[i].Kind)
		if err != nil {
			errs = append(errs, fmt.Errorf("column %q %w", s.columns[i].Name, err))
			continue
		}
		name, err := json.Marshal(s.columns[i].Name)
		errs = append(errs, err)
		if i > 0 {
			body = append(body, ',')
		}
		body = append(append(append(body, name...), ':'), value...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("predictlog: row to JSON: %w", err)
	}
	return append(body, '}'), nil
}

func marshalValue(v Value, want Kind) ([]byte, error) {
	switch {
	case v.IsMissing():
		return []byte("null"), nil
	case v.kind != want:
		return nil, fmt.Errorf("is %s, want %s", v.kind, want)
	case want == Categorical && !utf8.ValidString(v.text):
		return nil, fmt.Errorf("is %q, want valid UTF-8", v.text)
	case want == Categorical:
		return json.Marshal(v.text)
	case math.IsNaN(v.number) || math.IsInf(v.number, 0):
		return nil, fmt.Errorf("is %v, which JSON does not have", v.number)
	}
	return json.Marshal(v.number)
}
