package predictlog

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// SchemaOf derives a schema from the exported fields of the struct T, in their order, with a
// binary target; [Schema.WithTarget] changes the target. The json tag names the column.
// Without a tag the column has the name of the field, and "-" leaves the field out. The
// validate tag is the rule. Floats and integers are numeric, strings and booleans
// categorical; a pointer to one of these may be missing. Embedded structs are flattened, but
// not pointers to structs. The error names every field of another type.
func SchemaOf[T any]() (*Schema, error) {
	t := reflect.TypeFor[T]()
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("predictlog: SchemaOf: %s is not a struct", t)
	}
	columns, err := columnsOf(t)
	if err != nil {
		return nil, fmt.Errorf("predictlog: SchemaOf %s: %w", t, err)
	}
	return NewSchema(columns, Target{})
}

func columnsOf(t reflect.Type) ([]Column, error) {
	var (
		columns []Column
		errs    []error
	)
	for i := range t.NumField() {
		field := t.Field(i)
		wire := field.Tag.Get("json")
		name, _, _ := strings.Cut(wire, ",")
		embedded := field.Anonymous && name == ""
		switch {
		case wire == "-":
			continue
		case embedded && field.Type.Kind() == reflect.Struct:
			inner, err := columnsOf(field.Type)
			columns, errs = append(columns, inner...), append(errs, err)
			continue
		case embedded && field.Type.Kind() == reflect.Pointer:
			errs = append(errs, fmt.Errorf("field %s: an embedded struct is flattened, but not a pointer to one", field.Name))
			continue
		case !field.IsExported():
			continue
		}
		if name == "" {
			name = field.Name
		}
		kind, ok := kindOf(field.Type)
		if !ok {
			errs = append(errs, fmt.Errorf("field %s: a column is a number, a string or a bool (or a pointer to one), not %s", field.Name, field.Type))
			continue
		}
		columns = append(columns, Column{Name: name, Kind: kind, Rule: field.Tag.Get("validate")})
	}
	return columns, errors.Join(errs...)
}

func kindOf(t reflect.Type) (Kind, bool) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return Numeric, true
	case reflect.String, reflect.Bool:
		return Categorical, true
	}
	return 0, false
}
