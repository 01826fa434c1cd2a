// Package counting counts numbers in cells and keeps their exact sums. All counts and sums are
// integers, so they do not depend on the order of the numbers.
package counting

import "math"

// blockSize is the number of values counted at once. A block fits into the nearest cache.
const blockSize = 512

// NotFinite counts the values of a batch that are not finite.
type NotFinite struct{ NaN, NegInf, PosInf int64 }

// Count adds the finite values to the counts of their cells and to the moments, and returns
// the counts of the other values. cells must have one element more than there are edges.
func (l *Locator) Count(cells []int64, m *Moments, u Unit, values []float64) (other NotFinite) {
	var kept [blockSize]float64
	for len(values) > 0 {
		block := values[:min(len(values), blockSize)]
		values = values[len(block):]
		lo, hi, finite := extremes(block)
		if !finite {
			block = other.setAside(kept[:0], block)
			if len(block) == 0 {
				continue
			}
			lo, hi, _ = extremes(block)
		}
		m.extend(lo, hi)
		m.addBlock(u, block)
		l.count(cells, block)
	}
	return other
}

// extremes returns the smallest and the largest of at least one value, or false if a value is
// not finite. Read as integers, values that are not finite are the smallest or the largest.
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

// setAside counts the values that are not finite and appends the rest to finite.
func (n *NotFinite) setAside(finite, values []float64) []float64 {
	for _, x := range values {
		switch {
		case math.IsNaN(x):
			n.NaN++
		case math.IsInf(x, 1):
			n.PosInf++
		case math.IsInf(x, -1):
			n.NegInf++
		default:
			finite = append(finite, x)
		}
	}
	return finite
}
