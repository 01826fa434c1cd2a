package predictlog

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrInvalidRecord is returned for a record that does not follow its schema. Use
// [errors.As] with a [*RecordError] to learn where.
var ErrInvalidRecord = errors.New("predictlog: record does not follow the schema")

// RecordError says which part of a record does not follow the schema.
type RecordError struct {
	ID    string // the record's ID
	Where string // "ID", "time", "model", "version", "latency", "row", `column "age"`, "output", "violations" or "tags"
	What  string // the fault and what was expected
}

func (e *RecordError) Error() string {
	return fmt.Sprintf("predictlog: record %q: %s: %s", e.ID, e.Where, e.What)
}

// Unwrap returns [ErrInvalidRecord].
func (e *RecordError) Unwrap() error { return ErrInvalidRecord }

// maxIDLength is far above a UUID's 36 and bounds what a store's index may hold.
const maxIDLength = 128

// CheckRecord returns a [*RecordError] if the record cannot be stored under the schema:
// a malformed ID, a zero time, a row of another length or kind, a class that the target
// does not have, probabilities of another number or outside [0, 1], text that is not
// valid UTF-8 or holds a NUL byte. Rules are not checked: a row that breaks them is
// stored, marked in [Record.Violations].
func (s *Schema) CheckRecord(r Record) error {
	fail := func(where, format string, args ...any) error {
		return &RecordError{ID: r.ID, Where: where, What: fmt.Sprintf(format, args...)}
	}
	if err := CheckID(r.ID); err != nil {
		return fail("ID", "%v", err)
	}
	if r.Time.Truncate(time.Microsecond).IsZero() {
		return fail("time", "not set")
	}
	if y := r.Time.UTC().Year(); y < 1 || y > 9999 {
		return fail("time", "year %d, want 1 to 9999", y)
	}
	if !isText(r.Model) {
		return fail("model", "%q, %s", r.Model, wantText)
	}
	if !isText(r.Version) {
		return fail("version", "%q, %s", r.Version, wantText)
	}
	if r.Latency < 0 {
		return fail("latency", "%v, want 0 or more", r.Latency)
	}
	if len(r.Row) != len(s.columns) {
		return fail("row", "has %d values, want %d", len(r.Row), len(s.columns))
	}
	for i, v := range r.Row {
		if !v.IsMissing() && v.Kind() != s.columns[i].Kind {
			return fail(fmt.Sprintf("column %q", s.columns[i].Name), "is %s, want %s", v.Kind(), s.columns[i].Kind)
		}
		if !isText(v.text) {
			return fail(fmt.Sprintf("column %q", s.columns[i].Name), "is %q, %s", v.text, wantText)
		}
	}
	if what := s.checkOutput(r.Output); what != "" {
		return fail("output", "%s", what)
	}
	for _, v := range r.Violations {
		if !isText(v.Column) || !isText(v.Rule) || !isText(v.Value) {
			return fail("violations", "%q, %s", v, wantText)
		}
	}
	for key, value := range r.Tags {
		if key == "" {
			return fail("tags", "empty key")
		}
		if !isText(key) || !isText(value) {
			return fail("tags", "%q: %q, %s", key, value, wantText)
		}
	}
	return nil
}

const wantText = "want valid UTF-8 without NUL bytes"

// isText reports whether every store can keep s: JSON cannot hold invalid UTF-8, and
// SQL databases refuse NUL.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

func (s *Schema) checkOutput(o Output) string {
	if o.IsZero() {
		return ""
	}
	if s.target.Task == Regression {
		if o.Class != "" || o.Probabilities != nil {
			return "a regression answers a value, not a class"
		}
		return ""
	}
	if !slices.Contains(s.target.Classes, o.Class) {
		return fmt.Sprintf("class %q, want one of %q", o.Class, s.target.Classes)
	}
	if o.Value != 0 {
		return "a classifier answers a class, not a value"
	}
	if o.Probabilities == nil {
		return ""
	}
	if len(o.Probabilities) != len(s.target.Classes) {
		return fmt.Sprintf("has %d probabilities, want one for each of %q", len(o.Probabilities), s.target.Classes)
	}
	for i, p := range o.Probabilities {
		if math.IsNaN(p) || p < 0 || p > 1 {
			return fmt.Sprintf("probability of %q is %v, want 0 to 1", s.target.Classes[i], p)
		}
	}
	return ""
}

// CheckID returns an error if id cannot name a prediction: it is empty, longer than 128
// bytes, or holds anything but printable ASCII without spaces, quotes and commas.
func CheckID(id string) error {
	if id == "" {
		return errors.New("empty")
	}
	if len(id) > maxIDLength {
		return fmt.Errorf("%d bytes long, want at most %d", len(id), maxIDLength)
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' || c == '"' || c == '\'' || c == ',' {
			return fmt.Errorf("byte %d is %q, want printable ASCII without spaces, quotes and commas", i, c)
		}
	}
	return nil
}
