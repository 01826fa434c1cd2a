package registry

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// maxDocument keeps documents small enough to be read whole into memory.
const maxDocument = 16 << 20

// Validate returns an error that says everything that is wrong with the draft, nil if
// nothing is.
func (d Draft) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if d.Key == "" {
		wrong("Key is empty")
	}
	if !isText(d.Key) {
		wrong("Key is %q, want UTF-8 without NUL", d.Key)
	}
	if !isStorable(d.Time) {
		wrong("Time is in the year %d, want 0 to 9999", d.Time.UTC().Year())
	}
	for _, name := range slices.Sorted(maps.Keys(d.Documents)) {
		if !isFileName(name) || name == ModelFile {
			wrong("Documents has the name %q, want letters, digits, '.', '-' and '_', no leading '.', and not %q", name, ModelFile)
		}
		if size := len(d.Documents[name]); size > maxDocument {
			wrong("Documents[%q] has %d bytes, want at most %d", name, size, maxDocument)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Tags)) {
		if name == "" || !isText(name) || !isText(d.Tags[name]) {
			wrong("Tags[%q] is %q, want a name, and both UTF-8 without NUL", name, d.Tags[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Metrics)) {
		if name == "" || !isText(name) {
			wrong("Metrics has the name %q, want UTF-8 without NUL", name)
		}
		if v := d.Metrics[name]; math.IsNaN(v) || math.IsInf(v, 0) {
			wrong("Metrics[%q] is %v, want a finite number", name, v)
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("registry: invalid Draft: %w", errors.Join(errs...))
	}
	return nil
}

// isText reports whether every store can keep s as it is: JSON cannot keep broken UTF-8,
// and PostgreSQL cannot keep NUL.
func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}

// isStorable reports whether RFC 3339, and so JSON, can express t.
func isStorable(t time.Time) bool {
	year := t.UTC().Year()
	return 0 <= year && year <= 9999
}

func isFileName(s string) bool {
	for _, c := range s {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("._-", c)) {
			return false
		}
	}
	return s != "" && s[0] != '.'
}
