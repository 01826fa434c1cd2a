// Package counting counts numbers: in which cells they are, and what their exact sums are.
// All counts and sums are integers, so they do not depend on the order of the numbers.
package counting

import (
	"math"
	"slices"
)

// blockSize is how many values are added up before a Sum takes them.
const blockSize = 512

// NotFinite is how many values of a batch are not finite.
type NotFinite struct{ NaN, NegInf, PosInf int64 }

// Count adds the finite values to the counts of their cells and to the moments. There must be
// one more cell than edges. Count returns how many other values there are.
func (l *Locator) Count(cells []int64, m *Moments, u Unit, values []float64) (other NotFinite) {
	var kept [blockSize]float64
	for block := range slices.Chunk(values, blockSize) {
		finite := kept[:0]
		for _, x := range block {
			switch {
			case math.IsNaN(x):
				other.NaN++
			case math.IsInf(x, 1):
				other.PosInf++
			case math.IsInf(x, -1):
				other.NegInf++
			default:
				cells[l.Search(x)]++
				finite = append(finite, x)
			}
		}
		m.addBlock(u, finite)
	}
	return other
}
