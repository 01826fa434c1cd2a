package drift

import (
	"fmt"
	"math"
	"slices"
	"sort"
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

// locate returns the cell of a finite number.
func (c *cells) locate(x float64) int { return sort.SearchFloat64s(c.edges, x) }

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

func newTally(c *cells) tally { return tally{Cells: make([]int64, c.size())} }

// count adds the rows of the column, which must have been checked.
func (t *tally) count(c *cells, column Column) {
	switch {
	case column.kind == KindNumeric:
		t.countNumbers(c, column.numbers)
	case column.coded():
		t.countCodes(c, column)
	default:
		for _, text := range column.texts {
			t.countLevel(c, text, 1)
		}
	}
}

func (t *tally) countNumbers(c *cells, values []float64) {
	for _, x := range values {
		switch {
		case math.IsNaN(x):
			t.Missing++
		case math.IsInf(x, 1):
			t.PosInf++
		case math.IsInf(x, -1):
			t.NegInf++
		default:
			t.Cells[c.locate(x)]++
			t.Moments.add(x)
		}
	}
}

func (t *tally) countCodes(c *cells, column Column) {
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

// check returns an error if the tally cannot have come from counting rows on the cells.
func (t *tally) check(c *cells, rows int64) error {
	if len(t.Cells) != c.size() {
		return fmt.Errorf("column %q has %d cells, want %d", c.name, len(t.Cells), c.size())
	}
	sum := int64(0)
	for _, n := range append([]int64{t.Missing, t.NegInf, t.PosInf, t.Unseen}, t.Cells...) {
		if n < 0 || n > rows {
			return fmt.Errorf("column %q has a count of %d, want 0 to %d", c.name, n, rows)
		}
		sum += n // at most rows before, so this cannot overflow
		if sum > rows {
			break
		}
	}
	if sum != rows {
		return fmt.Errorf("column %q has counts for %d rows, want %d", c.name, sum, rows)
	}
	finite := rows - t.Missing - t.NegInf - t.PosInf
	if c.kind == KindCategorical {
		finite = 0
	}
	m := &t.Moments
	if m.N != finite {
		return fmt.Errorf("column %q has moments of %d values, want %d", c.name, m.N, finite)
	}
	if c.kind == KindCategorical && t.NegInf+t.PosInf > 0 || c.kind == KindNumeric && t.Unseen > 0 {
		return fmt.Errorf("column %q has counts that a %v column cannot have", c.name, c.kind)
	}
	if m.Min > m.Max {
		return fmt.Errorf("column %q has minimum %v above maximum %v", c.name, m.Min, m.Max)
	}
	return nil
}

// fitEdges returns the edges for the finite numbers of a reference: one cell for each
// distinct value, and one for each gap between two of them, if there are at most k; else k
// quantile cells, in which a value so frequent that it fills one alone has a cell of its
// own. There are at most 2k+1 edges.
func fitEdges(values []float64, k int) []float64 {
	sorted := slices.DeleteFunc(slices.Clone(values), func(x float64) bool {
		return math.IsNaN(x) || math.IsInf(x, 0)
	})
	slices.Sort(sorted)
	n := len(sorted)
	if n == 0 {
		return nil
	}
	var edges []float64
	alone := func(v float64) { edges = append(edges, math.Nextafter(v, math.Inf(-1)), v) }
	if distinct := slices.Compact(slices.Clone(sorted)); len(distinct) <= k {
		for _, v := range distinct {
			alone(v)
		}
	} else {
		edges = append(edges, math.Nextafter(sorted[0], math.Inf(-1)))
		for i := 1; i <= k; i++ {
			v := sorted[(n*i+k-1)/k-1]
			if v == edges[len(edges)-1] {
				continue
			}
			first := sort.SearchFloat64s(sorted, v)
			if first+(n+k-1)/k <= n && sorted[first+(n+k-1)/k-1] == v {
				alone(v)
			} else {
				edges = append(edges, v)
			}
		}
	}
	for i, e := range edges {
		edges[i] = max(e, -math.MaxFloat64) // what is below that is no number
		if e == 0 {
			edges[i] = 0 // not -0
		}
	}
	return slices.Compact(edges)
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
