package drift

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/selfheal-ml/selfheal/drift/internal/counting"
	"github.com/selfheal-ml/selfheal/drift/internal/text"
)

// Bounds of what a picture shows.
const (
	maxValueBins = 24 // numbers shown one by one
	maxSpanBins  = 24 // intervals, but for rounding
	maxLevelBins = 12 // levels shown by name
)

// histogram returns the picture of two sides that both have values, at most 30 bins.
func histogram(c *cells, ref, cur *tally) []Bin {
	if c.kind == KindCategorical {
		return levelBins(c, ref, cur)
	}
	if len(c.axis.Edges) == 0 { // the reference has infinities only
		return []Bin{{Label: "any", Reference: 1, Current: 1}}
	}
	if values := c.fewValues(ref); len(values) > 0 {
		return valueBins(c, values, ref, cur)
	}
	return spanBins(c, ref, cur)
}

// levelBins shows by name the levels that are most frequent on either side and the level that
// moved most. One bin sums up the other levels, and one bin holds the unseen values.
func levelBins(c *cells, ref, cur *tally) []Bin {
	bins := levelShares(c, ref, cur)
	shown := min(len(bins), maxLevelBins)
	if len(bins) == shown+1 {
		shown++ // a bin for the only other level may as well bear its name
	}
	if shown < len(bins) {
		moved := slices.MinFunc(bins, byChange)
		if at := slices.Index(bins, moved); at >= shown {
			bins[at], bins[shown-1] = bins[shown-1], moved
		}
		rest := Bin{Label: fmt.Sprintf("%d other levels", len(bins)-shown), Levels: len(bins) - shown}
		for _, b := range bins[shown:] {
			rest.Reference += b.Reference
			rest.Current += b.Current
		}
		bins = append(bins[:shown], rest)
	}
	if cur.Unseen > 0 {
		bins = append(bins, Bin{Label: "unseen", Current: rate(cur.Unseen, cur.values())})
	}
	return bins
}

// fewValues returns the finite values of the reference if each value has a cell of its own and
// the values are few enough to be shown one by one, else nil.
func (c *cells) fewValues(ref *tally) []float64 {
	var values []float64
	for i, n := range ref.Cells {
		if n == 0 {
			continue
		}
		lo, hi := c.axis.Bounds(i, -math.MaxFloat64, math.MaxFloat64)
		if lo != hi || len(values) == maxValueBins {
			return nil
		}
		values = append(values, hi)
	}
	return values
}

// valueBins shows each value, the sum of the values in between, and the values outside.
func valueBins(c *cells, values []float64, ref, cur *tally) []Bin {
	var at []float64
	for _, v := range values {
		at = append(at, math.Nextafter(v, math.Inf(-1)), v)
	}
	r, k := c.spread(ref, at), c.spread(cur, at)
	var other Bin
	var bins []Bin
	for i, v := range values {
		bins = append(bins, Bin{Label: text.Value(v), Lo: &v, Hi: &v, Reference: r[2*i+1], Current: k[2*i+1]})
		if i > 0 {
			other.Reference += r[2*i]
			other.Current += k[2*i]
		}
	}
	if other.Reference+other.Current > 0 {
		other.Label = "in between"
		bins = append(bins, other)
	}
	return addOutside(bins, values[0], values[len(values)-1], r, k)
}

// spanBins shows intervals of round width over the bulk of the reference, and the rest outside.
func spanBins(c *cells, ref, cur *tally) []Bin {
	at := spans(c.bulk(ref))
	r, k := c.spread(ref, at), c.spread(cur, at)
	var bins []Bin
	for i := 1; i < len(at); i++ {
		lo, hi := at[i-1], at[i]
		bins = append(bins, Bin{Label: text.Value(lo) + " to " + text.Value(hi), Lo: &lo, Hi: &hi, Reference: r[i], Current: k[i]})
	}
	return addOutside(bins, at[0], at[len(at)-1], r, k)
}

// addOutside adds a bin at either end that has values.
func addOutside(bins []Bin, lo, hi float64, r, k []float64) []Bin {
	if r[0]+k[0] > 0 {
		below := Bin{Label: "below " + text.Value(lo), Hi: &lo, Reference: r[0], Current: k[0]}
		bins = slices.Insert(bins, 0, below)
	}
	if last := len(r) - 1; r[last]+k[last] > 0 {
		bins = append(bins, Bin{Label: "above " + text.Value(hi), Lo: &hi, Reference: r[last], Current: k[last]})
	}
	return bins
}

// bulk returns the range of the reference, without outermost values that widen it much.
func (c *cells) bulk(ref *tally) (lo, hi float64) {
	low, high := ref.Moments.Min, ref.Moments.Max
	lo, hi = c.axis.Quantile(ref.Cells, &ref.Moments, 0.005), c.axis.Quantile(ref.Cells, &ref.Moments, 0.995)
	if lo == hi || counting.Fraction(lo, hi, low, high) > 0.6 {
		return low, high
	}
	return lo, hi
}

// spans returns the ascending bounds of at most 28 intervals that cover lo to hi. Where lo and
// hi allow, each interval has the width 1, 2 or 5 times a power of ten.
func spans(lo, hi float64) []float64 {
	width := hi/maxSpanBins - lo/maxSpanBins
	power := int(math.Floor(math.Log10(width)))
	for _, digit := range []float64{1, 2, 5, 10} {
		step := digit * math.Pow10(power)
		if step < width {
			continue
		}
		first, last := math.Ceil(lo/step)-1, math.Ceil(hi/step)
		if !(last-first <= maxSpanBins+4) || math.Abs(first)+math.Abs(last) > 1<<50 {
			break
		}
		var at []float64
		for i := first; i <= last; i++ {
			edge := i * digit * math.Pow10(power)
			if power < 0 {
				edge = i * digit / math.Pow10(-power) // 3 / 10 is 0.3, 3 * 0.1 is not
			}
			if !math.IsInf(edge, 0) && !math.IsNaN(edge) {
				at = append(at, edge)
			}
		}
		if ascending(at) && len(at) > 1 {
			return at
		}
		break
	}
	// The range is too narrow or too wide for round bounds.
	if below := math.Nextafter(lo, math.Inf(-1)); below >= -math.MaxFloat64 {
		lo = below
	}
	return []float64{lo, hi}
}

// levelShares returns a bin for each level, the largest share on either side first.
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

func (b Bin) change() float64 { return math.Abs(b.Current - b.Reference) }

// byChange orders bins by their change, the largest first.
func byChange(a, b Bin) int { return cmp.Compare(b.change(), a.change()) }
