package counting

import (
	"math"
	"sort"
)

// Axis holds the cells of the finite numbers. Cell 0 holds x <= Edges[0], cell i holds
// Edges[i-1] < x <= Edges[i], and cell len(Edges) holds x above all edges.
type Axis struct {
	Edges []float64 // ascending
}

// Bounds returns the part of a cell within [lo, hi]. The interval is open below and closed
// above. A cell of a single value v has the bounds v and v.
func (a *Axis) Bounds(cell int, lo, hi float64) (float64, float64) {
	if cell < len(a.Edges) {
		hi = min(hi, a.Edges[cell])
	}
	if cell > 0 {
		lo = max(lo, a.Edges[cell-1])
	}
	if Neighbours(lo, hi) {
		lo = hi
	}
	return min(lo, hi), hi
}

// Neighbours reports whether hi is the next number above lo.
func Neighbours(lo, hi float64) bool {
	return lo < hi && math.Nextafter(lo, hi) == hi
}

// Single reports whether the cell holds one value.
func (a *Axis) Single(cell int) bool {
	lo, hi := a.Bounds(cell, -math.MaxFloat64, math.MaxFloat64)
	return lo == hi
}

// Quantile returns the q-quantile of the finite values, of which there must be at least one.
// Values are spread evenly within their cell.
func (a *Axis) Quantile(cells []int64, m *Moments, q float64) float64 {
	target := q * float64(m.N)
	below := int64(0)
	for i, n := range cells {
		if n > 0 && float64(below+n) >= target {
			lo, hi := a.Bounds(i, m.Min, m.Max)
			return Between(lo, hi, (target-float64(below))/float64(n))
		}
		below += n
	}
	return m.Max
}

// Between returns the point at a share f of the way from lo to hi, never outside.
func Between(lo, hi, f float64) float64 {
	return min(max(lo*(1-f)+hi*f, lo), hi)
}

// QuantileOf returns the q-quantile of n sorted values, interpolated at position q(n-1).
func QuantileOf(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	return Between(sorted[i], sorted[min(i+1, len(sorted)-1)], at-float64(i))
}

// Spread returns the shares of the values in (-∞, at[0]], in each (at[i-1], at[i]], and above
// the last bound. Values are spread evenly over their cell, within the range of all values.
func (a *Axis) Spread(cells []int64, negInf, posInf int64, m *Moments, at []float64) []float64 {
	shares := make([]float64, len(at)+1)
	values := negInf + posInf
	for _, count := range cells {
		values += count
	}
	n := float64(values)
	shares[0] += float64(negInf) / n
	shares[len(at)] += float64(posInf) / n
	for i, count := range cells {
		if count == 0 {
			continue
		}
		share := float64(count) / n
		lo, hi := a.Bounds(i, m.Min, m.Max)
		first, last := sort.SearchFloat64s(at, lo), sort.SearchFloat64s(at, hi)
		if lo == hi || first == last {
			shares[last] += share
			continue
		}
		for j := first; j <= last; j++ {
			from, to := lo, hi
			if j > 0 {
				from = max(from, at[j-1])
			}
			if j < len(at) {
				to = min(to, at[j])
			}
			shares[j] += share * Fraction(from, to, lo, hi)
		}
	}
	return shares
}

// Fraction returns (to-from)/(hi-lo) for from and to within [lo, hi], lo < hi.
func Fraction(from, to, lo, hi float64) float64 {
	if whole := hi - lo; !math.IsInf(whole, 0) {
		return (to - from) / whole
	}
	return (to/2 - from/2) / (hi/2 - lo/2)
}
