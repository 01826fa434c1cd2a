package predictlog

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/go-playground/validator/v10"
)

// Task is the kind of answer that a model gives.
type Task uint8

// The tasks. The zero Task is Binary.
const (
	Binary     Task = iota // one of two classes; the second is the positive class
	Multiclass             // one of three or more classes
	Regression             // a number
)

var taskNames = [...]string{Binary: "binary", Multiclass: "multiclass", Regression: "regression"}

// String returns "binary", "multiclass" or "regression".
func (t Task) String() string {
	if int(t) < len(taskNames) {
		return taskNames[t]
	}
	return fmt.Sprintf("Task(%d)", t)
}

// MarshalText returns the name of the task; an unknown task is an error.
func (t Task) MarshalText() ([]byte, error) {
	if int(t) >= len(taskNames) {
		return nil, fmt.Errorf("predictlog: unknown task %d", t)
	}
	return []byte(taskNames[t]), nil
}

// UnmarshalText reads what [Task.MarshalText] wrote.
func (t *Task) UnmarshalText(text []byte) error {
	i := slices.Index(taskNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("predictlog: unknown task %q, want one of %q", text, taskNames)
	}
	*t = Task(i)
	return nil
}

// Target describes the answer of a model. The zero Target is binary with the classes "0" and
// "1".
type Target struct {
	Task Task `json:"task"`
	// Classes are in the order in which probabilities are given. Binary has two classes, "0"
	// and "1" by default, and the second is the positive one; Multiclass has three or more;
	// Regression has none.
	Classes []string `json:"classes,omitempty"`
}

// Positive returns the positive class of a binary target, "" for any other.
func (t Target) Positive() string {
	if t.Task != Binary {
		return ""
	}
	if len(t.Classes) == 0 {
		return "1"
	}
	return t.Classes[len(t.Classes)-1]
}

func (t Target) withDefaults() Target {
	if t.Task == Binary && len(t.Classes) == 0 {
		t.Classes = []string{"0", "1"}
	}
	t.Classes = slices.Clone(t.Classes)
	return t
}

func (t Target) validate() error {
	var errs []error
	switch n := len(t.Classes); {
	case t.Task == Binary && n != 2:
		errs = append(errs, fmt.Errorf("target: a binary target has 2 classes, not %d", n))
	case t.Task == Multiclass && n < 3:
		errs = append(errs, fmt.Errorf("target: a multiclass target has at least 3 classes, not %d", n))
	case t.Task == Regression && n != 0:
		errs = append(errs, fmt.Errorf("target: a regression has no classes, not %q", t.Classes))
	case t.Task > Regression:
		errs = append(errs, fmt.Errorf("target: unknown task %d", t.Task))
	}
	for i, class := range t.Classes {
		if class == "" {
			errs = append(errs, fmt.Errorf("target: class %d is empty", i))
		}
		if !isText(class) {
			errs = append(errs, fmt.Errorf("target: class %q is not text: %s", class, wantText))
		}
		if slices.Contains(t.Classes[:i], class) {
			errs = append(errs, fmt.Errorf("target: class %q is listed twice", class))
		}
	}
	return errors.Join(errs...)
}

// Column describes one input of a model.
type Column struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
	// Rule is a condition on the values, in the language of go-playground/validator:
	// "gte=18,lte=120", "oneof=north south". A missing value breaks only the rule "required".
	// 0 and the empty string are values, so "required" accepts them and "omitempty" excuses
	// nothing. NaN breaks every rule. Empty means no rule.
	Rule string `json:"rule,omitempty"`
}

// Schema names the columns of a model's input, in order, and the target. A Schema is
// immutable and safe for concurrent use.
type Schema struct {
	columns     []Column
	target      Target
	index       map[string]int
	rules       []rule
	validate    *validator.Validate
	fingerprint string
	short       shortFingerprint // the beginning of fingerprint
}

// shortFingerprint is the beginning of a fingerprint. An encoded record names its schema by
// it. It is long enough that no two schemas have the same.
type shortFingerprint [8]byte

// rule is the compiled form of a [Column.Rule].
type rule struct {
	required bool
	// tags are the parts of the rule between commas. A value must obey each part. The parts
	// are kept apart so that every broken part is named.
	tags []tag
}

// tag is one part of a rule: as written, and as the validator reads it.
type tag struct{ name, expr string }

// NewSchema returns a schema of the given columns, in this order. The error joins every
// mistake: a name that is empty, used twice or not text; an unknown kind; a rule that the
// validator does not know, cannot apply to the kind, or that refers to other fields; a target
// whose classes do not fit its task.
func NewSchema(columns []Column, target Target) (*Schema, error) {
	s := &Schema{
		columns:  slices.Clone(columns),
		target:   target.withDefaults(),
		index:    make(map[string]int, len(columns)),
		rules:    make([]rule, len(columns)),
		validate: validator.New(),
	}
	var errs []error
	if len(columns) == 0 {
		errs = append(errs, errors.New("no columns"))
	}
	for i, c := range s.columns {
		if c.Name == "" {
			errs = append(errs, fmt.Errorf("column %d: empty name", i))
		}
		if !isText(c.Name) {
			errs = append(errs, fmt.Errorf("column %d: name %q is not text: %s", i, c.Name, wantText))
		}
		if j, taken := s.index[c.Name]; taken {
			errs = append(errs, fmt.Errorf("column %d: name %q is taken by column %d", i, c.Name, j))
		}
		s.index[c.Name] = i
		if c.Kind != Numeric && c.Kind != Categorical {
			errs = append(errs, fmt.Errorf("column %q: unknown kind %d, want Numeric or Categorical", c.Name, c.Kind))
			continue
		}
		compiled, err := s.compile(c)
		s.rules[i], errs = compiled, append(errs, err)
	}
	errs = append(errs, s.target.validate())
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("predictlog: invalid schema: %w", err)
	}
	sum := s.hash()
	s.fingerprint = hex.EncodeToString(sum)
	s.short = shortFingerprint(sum[:len(s.short)])
	return s, nil
}

// compile splits a rule into its tags and tries each. The error names every tag that cannot
// be used.
func (s *Schema) compile(c Column) (rule, error) {
	var (
		compiled rule
		errs     []error
	)
	for name := range strings.SplitSeq(c.Rule, ",") {
		switch name {
		case "", "-", "omitempty", "omitnil", "omitzero":
			continue
		case "required":
			compiled.required = true
			continue
		}
		t := tag{name: name, expr: name}
		if values, ok := strings.CutPrefix(name, "oneof="); ok && c.Kind == Numeric {
			// The validator knows oneof for integers, but every number is a float here.
			t.expr = "eq=" + strings.Join(strings.Fields(values), "|eq=")
		}
		// Alternatives are tried one by one: the validator reads the second part of
		// "eq=0|gte=x" only when it meets a number other than 0.
		for alternative := range strings.SplitSeq(t.expr, "|") {
			if err := s.try(c.Kind, alternative); err != nil {
				errs = append(errs, fmt.Errorf("column %q: rule %q: %w", c.Name, name, err))
			}
		}
		compiled.tags = append(compiled.tags, t)
	}
	return compiled, errors.Join(errs...)
}

// try returns an error if the validator cannot apply the expression to values of the kind.
// The validator then panics when it meets a value. try provokes the panic here, so that it
// cannot happen on data.
func (s *Schema) try(kind Kind, expr string) (err error) {
	name, _, _ := strings.Cut(expr, "=")
	if refersToFields(name) {
		return errors.New("not usable: it refers to other fields")
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("not usable on a %s column: %v", kind, r)
		}
	}()
	var probe any = 0.0
	if kind == Categorical {
		probe = ""
	}
	err = s.validate.Var(probe, expr)
	if broken := (validator.ValidationErrors{}); errors.As(err, &broken) {
		return nil
	}
	return err
}

// refersToFields reports whether a validator's tag compares a field with other fields of its
// struct. For a lone value such a tag would hold always or never.
func refersToFields(name string) bool {
	return strings.HasPrefix(name, "field") || strings.HasSuffix(name, "field") ||
		strings.HasPrefix(name, "required_") || strings.HasPrefix(name, "excluded_") ||
		name == "skip_unless" || name == "validateFn"
}

// WithTarget returns a schema of the same columns with another target.
func (s *Schema) WithTarget(target Target) (*Schema, error) {
	return NewSchema(s.columns, target)
}

// Columns returns a copy of the columns, in order.
func (s *Schema) Columns() []Column { return slices.Clone(s.columns) }

// Len returns the number of columns, which is the length of every row.
func (s *Schema) Len() int { return len(s.columns) }

// Column returns the i-th column. It panics if i is out of range, as an index does.
func (s *Schema) Column(i int) Column { return s.columns[i] }

// Index returns the position of the column with this name, and whether there is one.
func (s *Schema) Index(name string) (int, bool) {
	i, ok := s.index[name]
	return i, ok
}

// Target returns the target with its defaults filled in.
func (s *Schema) Target() Target {
	t := s.target
	t.Classes = slices.Clone(t.Classes)
	return t
}

// Fingerprint returns the SHA-256, in hexadecimal, of all that decides how a stored record is
// read: the columns' names and kinds in order, and the target. Rules are not included: a
// stricter rule does not make old records unreadable.
func (s *Schema) Fingerprint() string { return s.fingerprint }

// ShortFingerprint returns the first 16 characters of [Schema.Fingerprint]. Records that a
// [Codec] encodes name their schema by them.
func (s *Schema) ShortFingerprint() string { return s.fingerprint[:2*len(s.short)] }

func (s *Schema) hash() []byte {
	h := sha256.New()
	for _, c := range s.columns {
		fmt.Fprintf(h, "%q %s\n", c.Name, c.Kind)
	}
	fmt.Fprintf(h, "%s %q\n", s.target.Task, s.target.Classes)
	return h.Sum(nil)
}

// Check returns every rule that the row breaks, in the order of the columns, nil for none.
// The row must follow the schema; see [Schema.CheckRecord].
func (s *Schema) Check(row Row) []Violation {
	var broken []Violation
	for i, r := range s.rules {
		if i >= len(row) {
			break
		}
		v := row[i]
		if v.IsMissing() {
			if r.required {
				broken = append(broken, Violation{Column: s.columns[i].Name, Rule: "required", Value: v.String()})
			}
			continue
		}
		for _, t := range r.tags {
			if !s.obeys(v, t.expr) {
				broken = append(broken, Violation{Column: s.columns[i].Name, Rule: t.name, Value: v.String()})
			}
		}
	}
	return broken
}

func (s *Schema) obeys(v Value, expr string) bool {
	if x, ok := v.Number(); ok {
		return !math.IsNaN(x) && s.validate.Var(x, expr) == nil
	}
	text, _ := v.Category()
	return s.validate.Var(text, expr) == nil
}

// schemaJSON is the wire form of a Schema.
type schemaJSON struct {
	Columns []Column `json:"columns"`
	Target  Target   `json:"target"`
}

// MarshalJSON writes the columns and the target.
func (s *Schema) MarshalJSON() ([]byte, error) {
	return json.Marshal(schemaJSON{Columns: s.columns, Target: s.target})
}

// UnmarshalJSON reads what [Schema.MarshalJSON] wrote and checks it as [NewSchema] does. Call
// it on a new Schema only: a Schema in use must not be overwritten.
func (s *Schema) UnmarshalJSON(data []byte) error {
	var wire schemaJSON
	if err := json.Unmarshal(data, &wire); err != nil {
		return fmt.Errorf("predictlog: schema: %w", err)
	}
	read, err := NewSchema(wire.Columns, wire.Target)
	if err != nil {
		return err
	}
	*s = *read
	return nil
}
