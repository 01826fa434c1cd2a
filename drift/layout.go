package drift

import (
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/selfheal-ml/selfheal/drift/internal/counting"
)

// ColumnLayout says how the values of one column of a [Reference] are counted. A database can
// count the values where they are, and [Profile.AddCounts] takes the result. In SQL, let x be
// a column of doubles, c = Centre and r = 2^-Exponent, both doubles too:
//
//   - A NULL or a NaN is missing. An infinity is counted apart. Below, x is finite.
//   - The cell of x is the number of edges below x. An edge is in the cell that ends there.
//     PostgreSQL's width_bucket is closed on the other side. There the cell is
//     n - width_bucket(-x, a), where n is the number of edges and a holds the negated edges in
//     ascending order.
//   - The units of x are k = round((x - c) * r). The difference is rounded to a double, the
//     product is exact, and a half is rounded to the even integer. PostgreSQL rounds doubles
//     this way. In a database that rounds otherwise, such as SQLite, add 1.5 * 2^52 and
//     subtract it again.
//   - AddCounts needs the exact sums of k and of k*k. Sums of doubles are not exact, and k*k does
//     not fit into 64 bits. With the integers h = k::bigint >> 26 and l = k::bigint & 67108863,
//     the sum of k*k is 2^52*sum(h*h) + 2^27*sum(h*l) + sum(l*l). In PostgreSQL these sums and
//     sum(k::bigint) are numeric and exact, but a cast of k to numeric would keep 15 digits.
//   - The formula for units holds for x in [ColumnLayout.Near]. Count the few other x in cells
//     too, but select them one by one and add their [ColumnLayout.Units] to the sums.
//
// A database without integers above 64 bits, such as SQLite, can return the sums for groups of
// at most 2048 rows. If the rows are in the same process, [Profile.Add] is simpler.
type ColumnLayout struct {
	Name string
	Kind Kind
	// Edges divide the finite numbers, in ascending order. Cell 0 holds x <= Edges[0], cell i
	// holds Edges[i-1] < x <= Edges[i], and cell len(Edges) holds x above all edges. A
	// reference without finite numbers has no edges; then cell 0 holds all finite numbers.
	Edges []float64
	// x has (x - Centre) / 2^Exponent units, rounded to an integer. Sums are in units.
	Centre   float64
	Exponent int
	// Levels are the categories, in ascending order. Cell i holds the values equal to
	// Levels[i], byte by byte. All other values, except missing ones, are unseen.
	Levels []string
}

// Layout returns a copy of the layout of each column, in the order of the columns.
func (r *Reference) Layout() []ColumnLayout {
	layout := make([]ColumnLayout, len(r.cells))
	for i := range r.cells {
		c := &r.cells[i]
		layout[i] = ColumnLayout{
			Name: c.name, Kind: c.kind,
			Edges: slices.Clone(c.axis.Edges), Centre: c.unit.Centre, Exponent: c.unit.Exponent,
			Levels: slices.Clone(c.levels),
		}
	}
	return layout
}

// Cells returns the number of cells: one for each level, or the number of edges plus one.
func (l ColumnLayout) Cells() int {
	if l.Kind == KindCategorical {
		return len(l.Levels)
	}
	return len(l.Edges) + 1
}

// Near returns the range, both ends included, of the numbers less than 2^51 units from the
// centre, as far as doubles can represent the range.
func (l ColumnLayout) Near() (lo, hi float64) {
	return counting.Unit{Centre: l.Centre, Exponent: l.Exponent}.Near()
}

// Units returns the distance of x from the centre in units, rounded to an integer, ties to
// even. A distance beyond the largest double counts as the largest double. The result is nil
// if x is not finite.
func (l ColumnLayout) Units(x float64) *big.Int {
	return counting.Unit{Centre: l.Centre, Exponent: l.Exponent}.Units(x)
}

// ColumnCounts are the counts of one column of a batch, on the [ColumnLayout] of that name.
type ColumnCounts struct {
	Name string
	// Cells has a count for each cell of the layout.
	Cells   []int64
	Missing int64
	// NegInf and PosInf count the infinities of a numeric column.
	NegInf, PosInf int64
	// Unseen counts the values of a categorical column that equal no level.
	Unseen int64
	// Min and Max are the extremes of the finite numbers, or 0 without finite numbers.
	Min, Max float64
	// Sum and Squares are the sums of the units of the finite numbers, and of the squares of
	// the units. Nil is 0. See [ColumnLayout].
	Sum, Squares *big.Int
}

// AddCounts adds a batch of rows that was counted elsewhere on the layout of the reference.
// The result equals that of [Profile.Add] with these rows, byte for byte when written. On an
// error nothing is added. The arguments are not kept or modified.
//
// All mistakes are joined, and each unwraps to [ErrInvalidInput]. Mistakes are: a column that
// is missing, given twice or unknown; a wrong number of cells; counts that are negative, do not
// add up to rows, or do not suit the kind of the column; extremes that are not in the outermost
// filled cells; sums that are impossible with these extremes. A batch without rows is valid.
func (p *Profile) AddCounts(rows int64, columns []ColumnCounts) error {
	if p.ref == nil {
		return invalid("profile", "is not made by Reference.NewProfile")
	}
	if rows < 0 || rows > maxRows-p.rows {
		return invalid("profile", "is given %d rows, want 0 to %d", rows, maxRows-p.rows)
	}
	tallies := make([]tally, len(p.ref.cells))
	given := make([]bool, len(tallies))
	var errs []error
	for i := range columns {
		name := columns[i].Name
		at, known := p.ref.index[name]
		switch {
		case !known:
			errs = append(errs, invalidColumn(name, "is none of the reference, which has %q", p.ref.Names()))
			continue
		case given[at]:
			errs = append(errs, invalidColumn(name, "is given twice"))
			continue
		}
		given[at] = true
		var err error
		if tallies[at], err = columns[i].tally(&p.ref.cells[at], rows); err != nil {
			errs = append(errs, invalidColumn(name, "%v", err))
		}
	}
	for at, ok := range given {
		if !ok {
			errs = append(errs, invalidColumn(p.ref.cells[at].name, "is missing"))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i := range tallies {
		p.tallies[i].merge(&tallies[i])
	}
	p.rows += rows
	return nil
}

// Counts returns a copy of the counts of one column, for computations in another package or
// for [Profile.AddCounts]. An unknown column is an [*InputError].
func (p *Profile) Counts(column string) (ColumnCounts, error) {
	at, err := p.column(column)
	if err != nil {
		return ColumnCounts{}, err
	}
	t, unit := &p.tallies[at], p.ref.cells[at].unit
	return ColumnCounts{
		Name: column, Cells: slices.Clone(t.Cells),
		Missing: t.Missing, NegInf: t.NegInf, PosInf: t.PosInf, Unseen: t.Unseen,
		Min: t.Moments.Min, Max: t.Moments.Max,
		Sum: t.Moments.Sum.Units(unit.Exponent), Squares: t.Moments.Squares.Units(2 * unit.Exponent),
	}, nil
}

// tally returns the counts of a column as they are kept, or what is wrong with the counts.
func (c *ColumnCounts) tally(on *cells, rows int64) (tally, error) {
	t := tally{
		Cells: slices.Clone(c.Cells), Missing: c.Missing, NegInf: c.NegInf, PosInf: c.PosInf, Unseen: c.Unseen,
		Moments: counting.Moments{Min: counting.UnsignedZero(c.Min), Max: counting.UnsignedZero(c.Max), Centre: on.unit.Centre},
	}
	if on.kind == KindNumeric {
		t.Moments.N = rows - c.Missing - c.NegInf - c.PosInf
	}
	if !t.Moments.Sum.SetUnits(c.Sum, on.unit.Exponent) || !t.Moments.Squares.SetUnits(c.Squares, 2*on.unit.Exponent) {
		return tally{}, errors.New("has a sum that is too large for any numbers")
	}
	if err := t.check(on.kind, on.size(), rows); err != nil {
		return tally{}, err
	}
	if t.Moments.N == 0 {
		return t, nil
	}
	if err := t.checkOutermost(on); err != nil {
		return tally{}, err
	}
	return t, t.Moments.CheckRange(on.unit)
}

// checkOutermost returns an error if the extremes are not in the outermost filled cells. At
// least one cell must be filled.
func (t *tally) checkOutermost(on *cells) error {
	counted := func(n int64) bool { return n > 0 }
	first := slices.IndexFunc(t.Cells, counted)
	last := len(t.Cells) - 1
	for !counted(t.Cells[last]) {
		last--
	}
	if lo, hi := on.locator.Search(t.Moments.Min), on.locator.Search(t.Moments.Max); lo != first || hi != last {
		return fmt.Errorf("has minimum %v and maximum %v, of cells %d and %d, but counts from cell %d to %d",
			t.Moments.Min, t.Moments.Max, lo, hi, first, last)
	}
	return nil
}
