package drift

import "fmt"

// Compare compares the rows counted with the reference by a method of values: by the function
// of that name, but on cells. The p-value of [MethodKS] takes 100 µs at most. Missing values
// are left out; infinities are values, but for [MethodWasserstein].
//
// The methods on counts compare a categorical column on its levels and a cell for unseen
// values; a numeric one on at most ten groups of cells with about the same share of the
// reference, infinities belonging to the first or the last. Where at least five rows of the
// reference share its smallest or its largest value, what lies beyond is a group of its own,
// and so is what lies between two values that are each a group. The groups are chosen by the
// reference alone, which a p-value does not mind. The result is exactly that of the rows on
// these cells, so Lo and Hi are Statistic.
//
// An unknown column, a method that does not fit its kind, or a side without values is an
// [*InputError].
func (p *Profile) Compare(column string, name Method) (ProfileResult, error) {
	s, err := p.sides(column)
	if err != nil {
		return ProfileResult{}, err
	}
	m, err := methodNamed(name, s.cells.kind)
	if err != nil {
		return ProfileResult{}, &InputError{Sample: "method", Index: -1, What: err.Error()}
	}
	return m.compare(s)
}

// sides returns both sides of a column, which have values.
func (p *Profile) sides(column string) (*sides, error) {
	if p.ref == nil {
		return nil, &InputError{Sample: "profile", Index: -1, What: "is not made by Reference.NewProfile"}
	}
	i, known := p.ref.index[column]
	if !known {
		return nil, unknownColumn(column, p.ref)
	}
	s := &sides{cells: &p.ref.cells[i], ref: &p.ref.tallies[i], cur: &p.tallies[i]}
	s.n, s.m = int(s.ref.values()), int(s.cur.values())
	switch {
	case s.n == 0:
		return nil, &InputError{Sample: "reference", Index: -1, What: fmt.Sprintf("has no values of %q", column)}
	case s.m == 0:
		return nil, &InputError{Sample: "current", Index: -1, What: fmt.Sprintf("has no values of %q", column)}
	}
	return s, nil
}
