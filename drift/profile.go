package drift

import (
	"errors"
	"fmt"

	"github.com/selfheal-ml/selfheal/drift/internal/envelope"
	"github.com/selfheal-ml/selfheal/drift/internal/parallel"
)

// ErrReferenceMismatch means that a [Profile] belongs to another [Reference].
var ErrReferenceMismatch = errors.New("drift: not of the same reference")

// Profile counts rows on the cells of a [Reference]. The size of a Profile does not depend on
// the number of rows. Make a Profile with [Reference.NewProfile]. A Profile is not safe for
// concurrent use; let each goroutine fill a Profile of its own, and merge the profiles.
type Profile struct {
	ref     *Reference
	rows    int64
	tallies []tally
}

// NewProfile returns a profile without rows.
func (r *Reference) NewProfile() *Profile {
	p := &Profile{ref: r, tallies: make([]tally, len(r.cells))}
	for i := range r.cells {
		p.tallies[i] = newTally(&r.cells[i])
	}
	return p
}

// Add counts a batch of rows. Columns are matched by name. Columns that the reference does not
// have are ignored. On an error nothing is counted. A large batch is counted on two
// processors; Add returns when both are done.
//
// All mistakes are joined, and each unwraps to [ErrInvalidInput]. Mistakes are: a column that is
// missing or of the other kind, and what [CheckColumns] refuses. A batch without rows is valid.
func (p *Profile) Add(columns []Column) error {
	rows, err := CheckColumns(columns)
	if p.ref == nil {
		return errors.Join(err, invalid("profile", "is not made by Reference.NewProfile"))
	}
	errs := []error{err}
	given := make(map[string]Column, len(columns))
	for _, column := range columns {
		given[column.name] = column
	}
	batch := make([]Column, len(p.tallies))
	for i := range p.ref.cells {
		c := &p.ref.cells[i]
		column, ok := given[c.name]
		switch {
		case !ok:
			errs = append(errs, invalidColumn(c.name, "is missing; the reference has %q, the batch has %q", p.ref.Names(), names(columns)))
		case column.kind != c.kind:
			errs = append(errs, invalidColumn(c.name, "is %v, want %v as in the reference", column.kind, c.kind))
		}
		batch[i] = column
	}
	if p.rows+int64(rows) > maxRows {
		errs = append(errs, invalid("profile", "would have more than %d rows", maxRows))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	parallel.Do(len(batch), rows*len(batch), func(i int) { p.tallies[i].count(&p.ref.cells[i], batch[i]) })
	p.rows += int64(rows)
	return nil
}

func names(columns []Column) []string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = c.name
	}
	return list
}

// Compare compares the counted rows with the reference by one method for values. The method
// works on cells instead of rows. The p-value of [MethodKS] takes 100 µs at most. Missing
// values are left out. Infinities are values, except for [MethodWasserstein].
//
// Methods on counts compare a categorical column on its levels and one cell for unseen values.
// Methods on counts compare a numeric column on at most ten groups of cells that hold about
// equal shares of the reference. Infinities belong to the first or the last group. If at least
// five rows of the reference share its smallest or its largest value, the numbers beyond that
// value form a group. The numbers between two groups of a single value form a group too. The
// reference alone decides the groups, so p-values stay valid. On these groups the result is
// exactly that of the rows, and Lo and Hi equal Statistic.
//
// An unknown column, a method for the other kind, or a side without values is an [*InputError].
func (p *Profile) Compare(column string, name Method) (ProfileResult, error) {
	s, err := p.sides(column)
	if err != nil {
		return ProfileResult{}, err
	}
	m, err := methodNamed(name, s.cells.kind)
	if err != nil {
		return ProfileResult{}, invalid("method", "%v", err)
	}
	return m.compare(s)
}

// sides returns both sides of a column. A side without values is an error.
func (p *Profile) sides(column string) (*sides, error) {
	i, err := p.column(column)
	if err != nil {
		return nil, err
	}
	s := &sides{cells: &p.ref.cells[i], ref: &p.ref.tallies[i], cur: &p.tallies[i]}
	s.n, s.m = int(s.ref.values()), int(s.cur.values())
	switch {
	case s.n == 0:
		return nil, invalid("reference", "has no values of %q", column)
	case s.m == 0:
		return nil, invalid("current", "has no values of %q", column)
	}
	return s, nil
}

// column returns the position of a column, or an [*InputError].
func (p *Profile) column(name string) (int, error) {
	if p.ref == nil {
		return 0, invalid("profile", "is not made by Reference.NewProfile")
	}
	i, known := p.ref.index[name]
	if !known {
		return 0, invalidColumn(name, "is unknown; the reference has %q", p.ref.Names())
	}
	return i, nil
}

// Merge adds the rows of the other profile, which is not changed. The result is exactly that
// of adding all rows to one profile, in any order. If the references have different
// fingerprints, Merge returns [ErrReferenceMismatch].
func (p *Profile) Merge(other *Profile) error {
	if p.ref == nil || other == nil || other.ref == nil {
		return invalid("profile", "is not made by Reference.NewProfile")
	}
	if err := sameReference(p.ref, other.ref); err != nil {
		return err
	}
	if p.rows+other.rows > maxRows {
		return invalid("profile", "would have more than %d rows", maxRows)
	}
	for i := range p.tallies {
		p.tallies[i].merge(&other.tallies[i])
	}
	p.rows += other.rows
	return nil
}

func sameReference(a, b *Reference) error {
	if a.fingerprint != b.fingerprint {
		return fmt.Errorf("%w: %s and %s", ErrReferenceMismatch, a.fingerprint, b.fingerprint)
	}
	return nil
}

// Reference returns the reference of the profile, or nil for the zero Profile.
func (p *Profile) Reference() *Reference { return p.ref }

// Rows returns the number of rows counted.
func (p *Profile) Rows() int { return int(p.rows) }

const profileKind = "drift.profile"

// profileContent is the wire form of a Profile.
type profileContent struct {
	Reference string                   `json:"reference"` // fingerprint
	Rows      int64                    `json:"rows"`
	Columns   envelope.Elements[tally] `json:"columns"` // in the order of the reference
}

// MarshalJSON returns the counts with a schema version, a checksum and the fingerprint of the
// reference. The reference itself is not included. Equal profiles give equal bytes.
func (p *Profile) MarshalJSON() ([]byte, error) {
	if p.ref == nil {
		return nil, errors.New("drift: the zero Profile holds nothing to write")
	}
	data, _, err := envelope.Seal(profileKind, profileContent{Reference: p.ref.fingerprint, Rows: p.rows, Columns: p.tallies})
	return data, err
}

// UnmarshalJSON reads the output of [Profile.MarshalJSON] into a profile made by
// [Reference.NewProfile] and replaces its counts. On an error the counts stay. A profile of
// another reference is [ErrReferenceMismatch]; modified data are [ErrCorrupt].
func (p *Profile) UnmarshalJSON(data []byte) error {
	if p.ref == nil {
		return errors.New("drift: read a profile into one that is made by Reference.NewProfile")
	}
	var content profileContent
	if err := envelope.Unseal(profileKind, data, &content); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if content.Reference != p.ref.fingerprint {
		return fmt.Errorf("%w: %.64q and %s", ErrReferenceMismatch, content.Reference, p.ref.fingerprint)
	}
	if err := content.check(p.ref); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, profileKind, err)
	}
	p.take(content)
	return nil
}

func (p *Profile) take(content profileContent) {
	p.rows, p.tallies = content.Rows, content.Columns
	for i := range p.tallies {
		p.tallies[i].Moments.Centre = p.ref.cells[i].unit.Centre
	}
}

func (c *profileContent) check(ref *Reference) error {
	if c.Rows < 0 || c.Rows > maxRows {
		return fmt.Errorf("has %d rows, want 0 to %d", c.Rows, maxRows)
	}
	if len(c.Columns) != len(ref.cells) {
		return fmt.Errorf("has %d columns, want %d", len(c.Columns), len(ref.cells))
	}
	for i := range c.Columns {
		t, on := &c.Columns[i], &ref.cells[i]
		err := t.check(on.kind, on.size(), c.Rows)
		if err == nil {
			err = t.Moments.CheckRange(on.unit)
		}
		if err != nil {
			return fmt.Errorf("column %q %w", on.name, err)
		}
	}
	return nil
}
