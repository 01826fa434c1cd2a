package drift

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// levelShares returns a bin for each level, the one with the largest share on either side
// first.
func levelShares(c *cells, ref, cur *tally) []Bin {
	n, m := ref.values(), cur.values()
	bins := make([]Bin, len(c.levels))
	for i, level := range c.levels {
		bins[i] = Bin{Label: level, Reference: rate(ref.Cells[i], n), Current: rate(cur.Cells[i], m)}
	}
	slices.SortStableFunc(bins, func(a, b Bin) int {
		return cmp.Compare(max(b.Reference, b.Current), max(a.Reference, a.Current))
	})
	return bins
}

// change is how far the share of the bin moved.
func (b Bin) change() float64 { return math.Abs(b.Current - b.Reference) }

// byChange orders bins by their change, the largest first.
func byChange(a, b Bin) int { return cmp.Compare(b.change(), a.change()) }

// movedLevels names the level whose share moved most, and the next if it moved at least half
// as far. It is empty for numbers, and where no level moved further than the unseen values.
func (k *comparison) movedLevels() string {
	if k.cells.kind == KindNumeric || len(k.cells.levels) == 0 {
		return ""
	}
	bins := levelShares(k.cells, k.ref, k.cur)
	slices.SortStableFunc(bins, byChange)
	if bins[0].change() <= rate(k.cur.Unseen, k.cur.values()) {
		return ""
	}
	from, to := percentsApart(bins[0].Reference, bins[0].Current)
	named := []string{fmt.Sprintf("%q went from %s to %s", shorten(bins[0].Label, longestName), from, to)}
	if len(bins) > 1 && bins[1].change() >= bins[0].change()/2 {
		from, to = percentsApart(bins[1].Reference, bins[1].Current)
		named = append(named, fmt.Sprintf("%q from %s to %s", shorten(bins[1].Label, longestName), from, to))
	}
	return strings.Join(named, " and ")
}

// movedValues says in words what D and the medians show.
func (k *comparison) movedValues() string {
	at, r, c := widestGap(k.ref, k.cur)
	if values := k.twoValues(); values != nil {
		from, to := percentsApart(1-r, 1-c)
		return fmt.Sprintf("The value %s went from %s to %s", formatApart(values...)[1], from, to)
	}
	a, b := k.report.Reference.Numbers, k.report.Current.Numbers
	medians := a != nil && b != nil
	var compared []float64 // all of them to the same place
	if medians {
		compared = []float64{a.P50, b.P50}
		if a.P50 == b.P50 { // then the spread says how many digits matter
			compared = append(compared, a.P05, a.P95)
		}
	}
	var values string
	switch {
	case at < 0:
		values = "of minus infinity"
	case at == len(k.cells.edges):
		values, r, c = "of plus infinity", 1-r, 1-c
	default:
		compared = append(compared, k.cells.edges[at])
		values = "up to " + formatApart(compared...)[len(compared)-1]
	}
	from, to := percentsApart(r, c)
	s := fmt.Sprintf("Values %s went from %s to %s", values, from, to)
	if medians && a.P50 != b.P50 {
		texts := formatApart(compared...)
		s += fmt.Sprintf(", the median from %s to %s", texts[0], texts[1])
	}
	return s
}

// twoValues returns the values of a column that holds two, as a flag does, else nil.
func (k *comparison) twoValues() []float64 {
	values := k.cells.fewValues(k.ref)
	if len(values) != 2 || k.ref.infinite()+k.cur.infinite() > 0 {
		return nil
	}
	for i, n := range k.cur.Cells {
		if n > 0 && k.ref.Cells[i] == 0 {
			return nil
		}
	}
	return values
}

// widestGap returns the cell up to whose end the shares of the values, r and c, differ by D:
// -1 for that of minus infinity alone.
func widestGap(ref, cur *tally) (at int, r, c float64) {
	n, m := float64(ref.values()), float64(cur.values())
	sumR, sumC := ref.NegInf, cur.NegInf
	at, r, c = -1, float64(sumR)/n, float64(sumC)/m
	for i := range ref.Cells {
		sumR += ref.Cells[i]
		sumC += cur.Cells[i]
		if x, y := float64(sumR)/n, float64(sumC)/m; math.Abs(y-x) > math.Abs(c-r) {
			at, r, c = i, x, y
		}
	}
	return at, r, c
}
