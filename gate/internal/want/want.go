// Package want words what is wrong with a field of a config or a criterion.
package want

import "fmt"

// That returns an error that names the field, its value and what is wanted, unless ok.
func That(ok bool, field string, value any, want string) error {
	if ok {
		return nil
	}
	return fmt.Errorf("%s is %v, want %s", field, value, want)
}
