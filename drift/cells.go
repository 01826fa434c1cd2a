package drift

import (
	"fmt"
	"math"
	"slices"
)

// maxRows is the largest number of rows that is counted: up to here a count is exact as a
// float64 too, and sums of two cannot overflow.
const maxRows = 1 << 53

// cells says how the values of one column are counted. It is immutable.
type cells struct {
	name string
	kind Kind
	// edges divide the finite numbers, in ascending order: cell 0 holds x <= edges[0],
	// cell i holds edges[i-1] < x <= edges[i], and the last what is above all edges. The
	// reference has nothing in cell 0 (below range) and in the last (above range). A value
	// v that is a cell of its own has the edges just below v and v.
	edges []float64
	// begins holds where each cell but the last begins: at the edge below, or, if it is of a
	// single value, at this.
	begins  []float64
	locator locator // in edges
	unit    unit    // of the moments
	// levels are the categories of the reference, sorted; codes finds them.
	levels []string
	codes  map[string]int
}

// size returns the number of counts.
func (c *cells) size() int {
	if c.kind == KindCategorical {
		return len(c.levels)
	}
	return len(c.edges) + 1
}

// tally is how many rows of one column fell where. It is also the wire form.
type tally struct {
	Cells   []int64 `json:"cells"`
	Missing int64   `json:"missing"`
	// NegInf and PosInf count infinities, Unseen the values that are none of the levels.
	NegInf  int64   `json:"neg_inf,omitempty"`
	PosInf  int64   `json:"pos_inf,omitempty"`
	Unseen  int64   `json:"unseen,omitempty"`
	Moments moments `json:"moments"`
}

func newTally(c *cells) tally {
	return tally{Cells: make([]int64, c.size()), Moments: moments{centre: c.unit.Centre}}
}

// count adds the rows of the column, which must have been checked. It uses counts, one for
// each level, if they are coded, and returns it for the next batch.
func (t *tally) count(c *cells, column Column, counts []int64) []int64 {
	switch {
	case column.kind == KindNumeric:
		t.countNumbers(c, column.numbers)
	case column.coded():
		return t.countCodes(c, column, counts)
	default:
		for _, text := range column.texts {
			t.countLevel(c, text, 1)
		}
	}
	return counts
}

func (t *tally) countNumbers(c *cells, values []float64) {
	var located [gridBlock]uint32
	r := newRun(c, t)
	for len(values) > 0 {
		block := values[:min(len(values), gridBlock)]
		values = values[len(block):]
		if block = t.countOrdinary(c, &r, block, &located); len(block) == 0 {
			continue
		}
		var kept [gridBlock]float64
		rest := t.extend(kept[:0], block)
		c.locator.count(t.Cells, rest, &located)
		t.Moments.addBlock(c.unit, rest)
		r.lo, r.hi = t.Moments.ordinary(c.unit)
	}
}

// countOrdinary counts the values of a block up to the first that is finite but not
// ordinary, and returns those that are left.
func (t *tally) countOrdinary(c *cells, r *run, block []float64, located *[gridBlock]uint32) []float64 {
	for len(block) > 0 {
		if block = block[r.count(block, located):]; len(block) > 0 {
			if !t.aside(block[0]) {
				break
			}
			block = block[1:]
		}
	}
	t.Moments.addSums(c.unit, r.n, r.sums)
	r.n, r.sums = 0, sums{}
	return block
}

// extend counts what is not finite in a block, and has the extremes take in the rest, which
// it returns: the block itself, or appended to kept.
func (t *tally) extend(kept, block []float64) []float64 {
	lo, hi, ok := extremes(block)
	if !ok {
		if block = t.setAside(kept, block); len(block) == 0 {
			return nil
		}
		lo, hi, _ = extremes(block)
	}
	t.Moments.extend(lo, hi)
	return block
}

// extremes returns the smallest and the largest of the values, at least one, or false if one
// is not finite: as integers those come before or after all others.
func extremes(values []float64) (lo, hi float64, finite bool) {
	low, high := int64(math.MaxInt64), int64(math.MinInt64)
	for _, x := range values {
		b := int64(math.Float64bits(x))
		b ^= int64(uint64(b>>63) >> 1)
		low, high = min(low, b), max(high, b)
	}
	lo = math.Float64frombits(uint64(low) ^ uint64(low>>63)>>1)
	hi = math.Float64frombits(uint64(high) ^ uint64(high>>63)>>1)
	return lo, hi, lo >= -math.MaxFloat64 && hi <= math.MaxFloat64
}

// setAside counts what is not finite and appends the rest to finite.
func (t *tally) setAside(finite, values []float64) []float64 {
	for _, x := range values {
		if !t.aside(x) {
			finite = append(finite, x)
		}
	}
	return finite
}

// aside counts a value that is not finite, or reports false.
func (t *tally) aside(x float64) bool {
	switch {
	case math.IsNaN(x):
		t.Missing++
	case math.IsInf(x, 1):
		t.PosInf++
	case math.IsInf(x, -1):
		t.NegInf++
	default:
		return false
	}
	return true
}

func (t *tally) countCodes(c *cells, column Column, counts []int64) []int64 {
	counts = slices.Grow(counts[:0], len(column.levels))[:len(column.levels)]
	clear(counts)
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
	return counts
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
	t.Moments.merge(&other.Moments)
}

// values returns the number of rows that are not missing.
func (t *tally) values() int64 {
	n := t.NegInf + t.PosInf + t.Unseen
	for _, c := range t.Cells {
		n += c
	}
	return n
}

// check returns an error if the tally cannot have come from counting rows on so many cells.
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
	return t.Moments.check()
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

// once returns the number of levels that occur once. In a reference, each of these rows
// would have been unseen by the rest, so their share is the rate of unseen values to expect
// without any change (Good, "The population frequencies of species and the estimation of
// population parameters", 1953).
func (t *tally) once() int64 {
	var n int64
	for _, c := range t.Cells {
		if c == 1 {
			n++
		}
	}
	return n
}

// infinite returns the number of infinite values.
func (t *tally) infinite() int64 { return t.NegInf + t.PosInf }
