package drift

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Kind says how the values of a column are compared.
type Kind uint8

// The kinds of a column. The zero Kind is not valid.
const (
	KindNumeric     Kind = iota + 1 // numbers, compared by their distribution function
	KindCategorical                 // names without an order, compared by their shares
)

var kindNames = [...]string{KindNumeric: "numeric", KindCategorical: "categorical"}

// String returns "numeric" or "categorical".
func (k Kind) String() string {
	if k == KindNumeric || k == KindCategorical {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", k)
}

// MarshalText returns the name of the kind; an unknown kind is an error.
func (k Kind) MarshalText() ([]byte, error) {
	if k != KindNumeric && k != KindCategorical {
		return nil, fmt.Errorf("drift: unknown kind %d", k)
	}
	return []byte(kindNames[k]), nil
}

// UnmarshalText reads the output of [Kind.MarshalText].
func (k *Kind) UnmarshalText(text []byte) error {
	i := slices.Index(kindNames[:], string(text))
	if i <= 0 {
		return fmt.Errorf("drift: unknown kind %q, want numeric or categorical", text)
	}
	*k = Kind(i)
	return nil
}

// Column is a named column of a batch of rows. Make a Column with [Numeric], [Categorical] or
// [CategoricalCodes]; the zero Column is an error wherever it is used. A Column refers to the
// slices it was made of, which must not change while the Column is in use.
type Column struct {
	name    string
	kind    Kind
	numbers []float64
	texts   []string
	codes   []int32
	levels  []string
}

// Numeric returns a column of numbers. NaN marks a missing value. Infinities are values
// and are counted apart.
func Numeric(name string, values []float64) Column {
	return Column{name: name, kind: KindNumeric, numbers: values}
}

// Categorical returns a column of names. Every string is a value, also the empty string. If
// values can be missing, use [CategoricalCodes].
func Categorical(name string, values []string) Column {
	return Column{name: name, kind: KindCategorical, texts: values}
}

// CategoricalCodes returns a column of names in coded form. Code i stands for levels[i], and
// -1 marks a missing value. The order of the levels and unused levels make no difference. Any
// other code, or a level listed twice, is an error where the column is used.
func CategoricalCodes(name string, codes []int32, levels []string) Column {
	if levels == nil {
		levels = []string{}
	}
	return Column{name: name, kind: KindCategorical, codes: codes, levels: levels}
}

// Name returns the name of the column.
func (c Column) Name() string { return c.name }

// Kind returns the kind of the column.
func (c Column) Kind() Kind { return c.kind }

// Numbers returns the values of a numeric column, or nil for a categorical column. The result
// is the slice that the column was made of and must not be modified.
func (c Column) Numbers() []float64 { return c.numbers }

// Level returns the name in a row of a categorical column, or false for a missing value. The
// column must have passed [CheckColumns], and the row must exist.
func (c Column) Level(row int) (name string, present bool) {
	if !c.coded() {
		return c.texts[row], true
	}
	if c.codes[row] < 0 {
		return "", false
	}
	return c.levels[c.codes[row]], true
}

// Len returns the number of rows.
func (c Column) Len() int { return len(c.numbers) + len(c.texts) + len(c.codes) }

func (c Column) coded() bool { return c.levels != nil }

// wrong returns an [*InputError] about a row, or about the whole column if row is -1.
func (c Column) wrong(row int, format string, args ...any) error {
	return &InputError{Sample: fmt.Sprintf("column %q", c.name), Index: row, What: fmt.Sprintf(format, args...)}
}

// check returns an [*InputError] if the column on its own cannot be used.
func (c Column) check() error {
	if c.kind != KindNumeric && c.kind != KindCategorical {
		return c.wrong(-1, "has no kind; make it with Numeric, Categorical or CategoricalCodes")
	}
	if c.name == "" || !utf8.ValidString(c.name) {
		return c.wrong(-1, "has a name that is empty or not UTF-8")
	}
	seen := make(map[string]int, len(c.levels))
	for i, level := range c.levels {
		if j, taken := seen[level]; taken {
			return c.wrong(-1, "level %q is listed twice, as %d and as %d", level, j, i)
		}
		seen[level] = i
	}
	for i, code := range c.codes {
		if code < -1 || int(code) >= len(c.levels) {
			return c.wrong(i, "code is %d, want -1 (missing) to %d", code, len(c.levels)-1)
		}
	}
	return nil
}

// checkText returns an [*InputError] for the first name that is not UTF-8, which JSON cannot
// hold. In current rows such a name is unseen.
func (c Column) checkText() error {
	invalid := func(name string) bool { return !utf8.ValidString(name) }
	if i := slices.IndexFunc(c.texts, invalid); i >= 0 {
		return c.wrong(i, "%q is not UTF-8", c.texts[i])
	}
	if i := slices.IndexFunc(c.levels, invalid); i >= 0 {
		return c.wrong(-1, "level %q is not UTF-8", c.levels[i])
	}
	return nil
}

// CheckColumns returns the number of rows of the columns. All mistakes are joined, each an
// [*InputError]: a column that cannot be used, a name that is used twice, columns of different
// lengths. [NewReference] and [Profile.Add] make the same checks.
func CheckColumns(columns []Column) (rows int, err error) {
	var errs []error
	seen := make(map[string]bool, len(columns))
	for i, c := range columns {
		if err := c.check(); err != nil {
			errs = append(errs, err)
			continue
		}
		if seen[c.name] {
			errs = append(errs, c.wrong(-1, "is given twice"))
		}
		seen[c.name] = true
		if i == 0 {
			rows = c.Len()
		}
		if c.Len() != rows {
			errs = append(errs, c.wrong(-1, "has %d rows, want %d as in %q", c.Len(), rows, columns[0].name))
		}
	}
	return rows, errors.Join(errs...)
}
