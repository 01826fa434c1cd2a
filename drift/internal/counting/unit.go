package counting

import (
	"math"
	"math/big"
	"math/bits"
)

// Unit is the unit of the moments of a column: a value counts as its distance from Centre in
// multiples of 2^Exponent, rounded to an integer. Sums of integers do not depend on the order
// and cost next to nothing. The reference decides the unit.
type Unit struct {
	Centre   float64 `json:"centre"`
	Exponent int     `json:"exponent"`
}

const (
	// unitBits says how fine the unit is: the spread of the reference is at least 2^unitBits
	// units, which is close to the precision of a float64.
	unitBits = 47
	// minUnit and maxUnit bound the exponent, so that 2^Exponent and its inverse are normal
	// numbers, and a Sum can hold the squares.
	minUnit, maxUnit = -1020, 900
	// countable is the number of units from which the sum of a block could overflow, or a value
	// cannot be rounded by adding rounder.
	countable = 1 << 51
	// rounder is so large that its last bit is worth 1. A value is rounded to an integer when
	// rounder is added.
	rounder = 3 << 51
)

// newUnit returns the unit for sorted finite values, of which there must be at least one. The
// centre is the median. The spread is the distance from the median that one value in a thousand
// exceeds on either side.
func newUnit(sorted []float64) Unit {
	n := len(sorted)
	u := Unit{Centre: UnsignedZero(sorted[n/2])}
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

func (u Unit) valid() bool {
	return !math.IsNaN(u.Centre) && !math.IsInf(u.Centre, 0) && u.Exponent >= minUnit && u.Exponent <= maxUnit
}

// inverse returns 2^-Exponent, exactly.
func (u Unit) inverse() float64 { return math.Ldexp(1, -u.Exponent) }

// Near returns the range of the finite numbers, both ends included, that are less than 2^51
// units away from the centre, or the most of the range that doubles can tell.
func (u Unit) Near() (lo, hi float64) {
	reach := math.Ldexp(countable/2, u.Exponent)
	return max(u.Centre-reach, -math.MaxFloat64), min(u.Centre+reach, math.MaxFloat64)
}

// Units returns by how many units x differs from the centre, rounded to an integer, ties to
// even. A difference beyond the largest double counts as this. It is nil if x is not finite.
func (u Unit) Units(x float64) *big.Int {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	z := min(max(x-u.Centre, -math.MaxFloat64), math.MaxFloat64)
	t := new(big.Float).SetMantExp(big.NewFloat(z), -u.Exponent)
	if f, _ := t.Float64(); math.Abs(f) < 4*countable {
		t.SetFloat64(math.RoundToEven(f))
	}
	units, _ := t.Int(nil) // a number this far away is an integer
	return units
}

// addBlock counts finite values between the extremes, at most blockSize values.
func (m *Moments) addBlock(u Unit, values []float64) {
	inverse := u.inverse()
	var near sums
	n := 0
	for _, x := range values[:min(len(values), blockSize)] {
		if units := (x - u.Centre) * inverse; math.Abs(units) < countable {
			near = near.with(units)
			n++
		} else {
			m.addFar(u, x)
			m.N++
		}
	}
	m.addSums(u, n, near)
}

// sums adds up the near values of a block. rounder is added to each number of units; the bits of
// the result are an integer k. bits is the sum of all k modulo 2^64; high and low are the sum of
// all k² modulo 2^128. addSums removes what rounder has added.
type sums struct{ bits, low, high uint64 }

// with returns the sums after one more number of units.
func (s sums) with(units float64) sums {
	k := math.Float64bits(units + rounder)
	high, low := bits.Mul64(k, k)
	var carry uint64
	s.low, carry = bits.Add64(s.low, low, 0)
	s.high, _ = bits.Add64(s.high, high, carry)
	s.bits += k
	return s
}

// addSums counts n near values by their sums. n is at most blockSize.
func (m *Moments) addSums(u Unit, n int, s sums) {
	if n == 0 {
		return
	}
	m.N += int64(n)
	// Σi = Σk - nc and Σi² = Σk² - 2cΣi - nc², where k = c + i.
	c := math.Float64bits(rounder)
	units := int64(s.bits - uint64(n)*c)
	size := uint64(max(units, -units))
	high, low := bits.Mul64(size, 2*c) // 2c < 2^64
	if units < 0 {
		high, low = subtract(0, 0, high, low)
	}
	s.high, s.low = subtract(s.high, s.low, high, low)
	high, low = bits.Mul64(c, c)
	over, low := bits.Mul64(low, uint64(n))
	s.high, s.low = subtract(s.high, s.low, high*uint64(n)+over, low)
	m.Sum.addBits(0, size, u.Exponent-sumUnit, units < 0)
	m.Squares.addBits(s.high, s.low, 2*u.Exponent-sumUnit, false)
}

// subtract returns the first of two 128-bit numbers less the second, modulo 2^128.
func subtract(high, low, lessHigh, lessLow uint64) (uint64, uint64) {
	low, borrow := bits.Sub64(low, lessLow, 0)
	high, _ = bits.Sub64(high, lessHigh, borrow)
	return high, low
}

// addFar adds a value that is far from the centre to the sums. From 4*countable units on, a value
// is not rounded, because it is an integer number of units, or nearly.
func (m *Moments) addFar(u Unit, x float64) {
	z := min(max(x-u.Centre, -math.MaxFloat64), math.MaxFloat64)
	if t := math.Ldexp(z, -u.Exponent); math.Abs(t) < 4*countable {
		z = math.Ldexp(math.RoundToEven(t), u.Exponent)
	}
	m.Sum.add(z)
	m.Squares.addSquare(z)
}
