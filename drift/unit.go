package drift

import (
	"math"
	"math/bits"
)

// unit is in what the moments of a column are measured: how many times 2^Exponent a value
// is away from Centre, rounded to an integer. Sums of integers do not depend on the order
// and cost next to nothing. The reference decides the unit.
type unit struct {
	Centre   float64 `json:"centre"`
	Exponent int     `json:"exponent"`
}

const (
	// unitBits says how fine the unit is: the spread of the reference is at least so many
	// bits above it, which is next to the precision of a float64.
	unitBits = 47
	// minUnit and maxUnit bound the exponent, so that both 2^Exponent and its inverse are
	// normal numbers and squares have a place in an exactSum.
	minUnit, maxUnit = -1020, 900
	// countable is the number of units from which on one block's sum could overflow, or a
	// value cannot be rounded by adding rounder.
	countable = 1 << 51
	// rounder has a unit in the last place of 1, and so has what it is added to.
	rounder = 3 << 51
)

// fitUnit returns the unit for sorted finite values, at least one: the median, and the
// distance from it beyond which one in a thousand lies on either side.
func fitUnit(sorted []float64) unit {
	n := len(sorted)
	u := unit{Centre: unsignedZero(sorted[n/2])}
	if math.IsInf(sorted[n-1]-sorted[0], 0) {
		u.Centre = 0 // no distance overflows
	}
	distance := func(i int) float64 { return max(u.Centre-sorted[i], sorted[n-1-i]-u.Centre) }
	spread := distance(n / 1000)
	if spread == 0 {
		spread = distance(0)
	}
	if spread == 0 {
		spread = math.Abs(u.Centre)
	}
	if spread == 0 {
		spread = 1
	}
	u.Exponent = min(max(math.Ilogb(min(spread, math.MaxFloat64))-unitBits, minUnit), maxUnit)
	return u
}

func (u unit) valid() bool {
	return !math.IsNaN(u.Centre) && !math.IsInf(u.Centre, 0) && u.Exponent >= minUnit && u.Exponent <= maxUnit
}

// ordinary returns the range of values that are near and leave the extremes as they are. It
// is empty if none are.
func (m *moments) ordinary(u unit) (lo, hi float64) {
	if m.N == 0 {
		return math.Inf(1), math.Inf(-1)
	}
	reach := math.Ldexp(countable/2, u.Exponent)
	return max(m.Min, u.Centre-reach), min(m.Max, u.Centre+reach)
}

// addBlock counts finite values, at most gridBlock, which are within the extremes.
func (m *moments) addBlock(u unit, values []float64) {
	inverse := math.Ldexp(1, -u.Exponent)
	var near [gridBlock]float64
	n := 0
	for _, x := range values[:min(len(values), gridBlock)] {
		if math.Abs((x-u.Centre)*inverse) < countable {
			near[n] = x
			n++
		} else {
			m.addFar(u, x)
			m.N++
		}
	}
	m.addOrdinary(u, near[:n], -math.MaxFloat64, math.MaxFloat64)
}

// addOrdinary counts near values, at most gridBlock, up to the first that is not in the
// range, and returns how many.
func (m *moments) addOrdinary(u unit, values []float64, lo, hi float64) int {
	inverse := math.Ldexp(1, -u.Exponent)
	// To each number of units countable is added, so that it is not negative, and taken off
	// the sums at the end. Integers may wrap around meanwhile.
	var sum, low, high uint64 // of the numbers, and of their squares
	n := len(values)
	for i, x := range values {
		if !(x >= lo && x <= hi) { // so is NaN
			n = i
			break
		}
		k := math.Float64bits((x-u.Centre)*inverse+rounder) - math.Float64bits(2*countable)
		sum += k
		h, l := bits.Mul64(k, k)
		var carry uint64
		low, carry = bits.Add64(low, l, 0)
		high, _ = bits.Add64(high, h, carry)
	}
	if n == 0 {
		return 0
	}
	m.N += int64(n)
	low, high = shiftSquares(low, high, sum, uint64(n))
	units := int64(sum - uint64(n)*countable)
	m.Sum.addBits(0, uint64(max(units, -units)), u.Exponent-sumUnit, units < 0)
	m.Squares.addBits(high, low, 2*u.Exponent-sumUnit, false)
	return n
}

// shiftSquares returns the sum of the squares of n numbers k - countable, given the sums of
// k and of k²: Σ(k-c)² = Σk² - 2cΣk + nc².
func shiftSquares(low, high, sum, n uint64) (uint64, uint64) {
	h, l := bits.Mul64(sum, 2*countable)
	low, carry := bits.Sub64(low, l, 0)
	high, _ = bits.Sub64(high, h, carry)
	h, l = bits.Mul64(n*countable, countable)
	low, carry = bits.Add64(low, l, 0)
	high, _ = bits.Add64(high, h, carry)
	return low, high
}

// addFar counts in the sums a value that is far from the centre. It then is an integer
// number of units, or nearly.
func (m *moments) addFar(u unit, x float64) {
	z := min(max(x-u.Centre, -math.MaxFloat64), math.MaxFloat64)
	if t := math.Ldexp(z, -u.Exponent); math.Abs(t) < 4*countable {
		z = math.Ldexp(math.RoundToEven(t), u.Exponent)
	}
	m.Sum.add(z)
	m.Squares.addSquare(z)
}
