package drift

import (
	"math"
)

// describe summarises one side of a column; unseen is the number of unseen values.
func describe(c *cells, t *tally, unseen int64) Side {
	values := t.values()
	s := Side{
		Rows:         int(values + t.Missing),
		Values:       int(values),
		MissingRate:  rate(t.Missing, values+t.Missing),
		InfiniteRate: rate(t.infinite(), values),
		UnseenRate:   rate(unseen, values),
	}
	if m := &t.Moments; m.N > 0 {
		s.OutOfRangeRate = rate(t.Cells[0]+t.Cells[len(t.Cells)-1], m.N)
		s.Numbers = &Numbers{
			Mean: m.mean(),
			Std:  m.std(),
			Min:  m.Min,
			P05:  c.quantile(t, 0.05),
			P25:  c.quantile(t, 0.25),
			P50:  c.quantile(t, 0.50),
			P75:  c.quantile(t, 0.75),
			P95:  c.quantile(t, 0.95),
			Max:  m.Max,
		}
	}
	return s
}

func rate(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// bounds returns the interval of a cell, open below and closed above, as far as it lies
// within [lo, hi]. A cell of a single value v has the bounds v and v.
func (c *cells) bounds(cell int, lo, hi float64) (float64, float64) {
	if cell < len(c.edges) {
		hi = min(hi, c.edges[cell])
	}
	if cell > 0 {
		lo = max(lo, c.edges[cell-1])
	}
	if lo == math.Nextafter(hi, math.Inf(-1)) {
		lo = hi
	}
	return min(lo, hi), hi
}

// quantile returns the q-quantile of the finite values, which must exist: the value below
// which a share q lies, values being spread evenly within their cell.
func (c *cells) quantile(t *tally, q float64) float64 {
	target := q * float64(t.Moments.N)
	below := int64(0)
	for i, n := range t.Cells {
		if n > 0 && float64(below+n) >= target {
			lo, hi := c.bounds(i, t.Moments.Min, t.Moments.Max)
			return between(lo, hi, (target-float64(below))/float64(n))
		}
		below += n
	}
	return t.Moments.Max
}

// between returns the point at a share f of the way from lo to hi, never outside.
func between(lo, hi, f float64) float64 {
	return min(max(lo*(1-f)+hi*f, lo), hi)
}

// distances returns the further measures of two sides that both have values.
func distances(c *cells, ref, cur *tally) *Distances {
	var pair countPair
	d := new(Distances)
	if c.kind == KindCategorical {
		pair = levelCounts(ref, cur)
	} else {
		pair = pairCounts(groupCells(ref, cur, tableGroups))
		if ref.Moments.N > 0 && cur.Moments.N > 0 {
			w := cellWasserstein(c, ref, cur)
			d.Wasserstein1 = &w
		}
	}
	d.PSI, d.JensenShannon = pair.psi(), pair.jensenShannon()
	return d
}

// groupCells adds up neighbouring cells to at most so many groups of about the same reference
// count. What is out of range or infinite belongs to the first or the last group.
func groupCells(ref, cur *tally, groups int64) (r, c []int64) {
	n := ref.values()
	r, c = make([]int64, 1, groups), make([]int64, 1, groups)
	var seen, whole int64 // values, and whole shares of n/groups in them
	open := false         // the next cell starts a group
	add := func(i, k int64) {
		if open && seen < n {
			r, c = append(r, 0), append(c, 0)
		}
		seen += i
		r[len(r)-1] += i
		c[len(c)-1] += k
		if open = seen*groups >= (whole+1)*n; open {
			whole = seen * groups / n
		}
	}
	add(ref.NegInf, cur.NegInf)
	for i := range ref.Cells {
		add(ref.Cells[i], cur.Cells[i])
	}
	add(ref.PosInf, cur.PosInf)
	return r, c
}

// cellWasserstein returns the Wasserstein distance of the finite values, spread evenly
// within their cells: in each cell the difference of the distribution functions is linear.
func cellWasserstein(c *cells, ref, cur *tally) float64 {
	lo := min(ref.Moments.Min, cur.Moments.Min)
	hi := max(ref.Moments.Max, cur.Moments.Max)
	n, m := float64(ref.Moments.N), float64(cur.Moments.N)
	var area, before float64
	var r, k int64
	for i := range ref.Cells {
		r += ref.Cells[i]
		k += cur.Cells[i]
		after := float64(r)/n - float64(k)/m
		from, to := c.bounds(i, lo, hi)
		height := (math.Abs(before) + math.Abs(after)) / 2
		if before*after < 0 { // two triangles that meet on the axis
			height = (before*before + after*after) / (4 * height)
		}
		area += 2 * (height * (to/2 - from/2)) // halves, because to-from may overflow
		before = after
	}
	return min(area, math.MaxFloat64)
}
