package drift

import (
	"fmt"
	"slices"

	"github.com/selfheal-ml/selfheal/drift/internal/counting"
)

// maxRows keeps a count exact as a float64, and the sum of two counts from overflowing.
const maxRows = 1 << 53

// cells says how the values of one column are counted. It is immutable.
type cells struct {
	name string
	kind Kind
	// axis holds the cells of the finite numbers. The first cell (below range) and the last
	// cell (above range) of the reference are empty. A value v with a cell of its own has the
	// edges v and the number just below v.
	axis    counting.Axis
	locator counting.Locator // in the cells of the axis
	unit    counting.Unit    // of the moments
	// levels are the sorted categories of the reference; codes maps a level to its index.
	levels []string
	codes  map[string]int
}

func (c *cells) size() int {
	if c.kind == KindCategorical {
		return len(c.levels)
	}
	return len(c.axis.Edges) + 1
}

// tally holds the counts of the rows of one column. A tally is also the wire form.
type tally struct {
	Cells   []int64 `json:"cells"`
	Missing int64   `json:"missing"`
	// Unseen counts the values that equal no level.
	NegInf  int64            `json:"neg_inf,omitempty"`
	PosInf  int64            `json:"pos_inf,omitempty"`
	Unseen  int64            `json:"unseen,omitempty"`
	Moments counting.Moments `json:"moments"`
}

func newTally(c *cells) tally {
	return tally{Cells: make([]int64, c.size()), Moments: counting.Moments{Centre: c.unit.Centre}}
}

// count adds the rows of a checked column.
func (t *tally) count(c *cells, column Column) {
	if column.kind == KindNumeric {
		other := c.locator.Count(t.Cells, &t.Moments, c.unit, column.numbers)
		t.Missing += other.NaN
		t.NegInf += other.NegInf
		t.PosInf += other.PosInf
		return
	}
	for _, text := range column.texts {
		t.countLevel(c, text, 1)
	}
	counts := make([]int64, len(column.levels))
	for _, code := range column.codes {
		if code < 0 {
			t.Missing++
			continue
		}
		counts[code]++
	}
	for i, n := range counts {
		t.countLevel(c, column.levels[i], n)
	}
}

func (t *tally) countLevel(c *cells, level string, n int64) {
	if code, known := c.codes[level]; known {
		t.Cells[code] += n
		return
	}
	t.Unseen += n
}

func (t *tally) merge(other *tally) {
	for i, n := range other.Cells {
		t.Cells[i] += n
	}
	t.Missing += other.Missing
	t.NegInf += other.NegInf
	t.PosInf += other.PosInf
	t.Unseen += other.Unseen
	t.Moments.Merge(&other.Moments)
}

// values returns the number of rows that are not missing.
func (t *tally) values() int64 {
	n := t.NegInf + t.PosInf + t.Unseen
	for _, c := range t.Cells {
		n += c
	}
	return n
}

// check returns an error if no rows can have these counts.
func (t *tally) check(kind Kind, size int, rows int64) error {
	if len(t.Cells) != size {
		return fmt.Errorf("has %d cells, want %d", len(t.Cells), size)
	}
	sum := int64(0)
	for _, n := range append([]int64{t.Missing, t.NegInf, t.PosInf, t.Unseen}, t.Cells...) {
		if n < 0 || n > rows {
			return fmt.Errorf("has a count of %d, want 0 to %d", n, rows)
		}
		sum += n // at most rows before, so this cannot overflow
		if sum > rows {
			break
		}
	}
	if sum != rows {
		return fmt.Errorf("has counts for %d rows, want %d", sum, rows)
	}
	finite := rows - t.Missing - t.NegInf - t.PosInf
	if kind == KindCategorical {
		finite = 0
	}
	if n := t.Moments.N; n != finite {
		return fmt.Errorf("has moments of %d values, want %d", n, finite)
	}
	if kind == KindCategorical && t.NegInf+t.PosInf > 0 || kind == KindNumeric && t.Unseen > 0 {
		return fmt.Errorf("has counts that a %v column cannot have", kind)
	}
	return t.Moments.Check()
}

// fitLevels returns the values of a categorical reference column, sorted.
func fitLevels(column Column) []string {
	if !column.coded() {
		return slices.Compact(slices.Sorted(slices.Values(column.texts)))
	}
	used := make([]bool, len(column.levels))
	for _, code := range column.codes {
		if code >= 0 {
			used[code] = true
		}
	}
	var levels []string
	for i, level := range column.levels {
		if used[i] {
			levels = append(levels, level)
		}
	}
	slices.Sort(levels)
	return levels
}

// once returns the number of levels that occur once. Their share of the rows is the rate of
// unseen values to expect without any change (Good, "The population frequencies of species and
// the estimation of population parameters", 1953).
func (t *tally) once() int64 {
	var n int64
	for _, c := range t.Cells {
		if c == 1 {
			n++
		}
	}
	return n
}

func (t *tally) infinite() int64 { return t.NegInf + t.PosInf }

// spread returns the shares of the values between the bounds, see [counting.Axis.Spread].
func (c *cells) spread(t *tally, at []float64) []float64 {
	return c.axis.Spread(t.Cells, t.NegInf, t.PosInf, &t.Moments, at)
}
