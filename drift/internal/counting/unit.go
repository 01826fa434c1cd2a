package counting

import (
	"cmp"
	"math"
	"math/big"
	"math/bits"
)

// Unit is the unit of the moments of a column. A value counts as its distance from Centre in
// multiples of 2^Exponent, rounded to an integer. Sums of integers do not depend on the order
// and are fast. The reference decides the unit.
type Unit struct {
	Centre   float64 `json:"centre"`
	Exponent int     `json:"exponent"`
}

const (
	// unitBits is the fineness of the unit: the spread of the reference is at least 2^unitBits
	// units, which is close to the precision of a float64.
	unitBits = 47
	// minUnit and maxUnit bound the exponent. Within them 2^Exponent and its inverse are
	// normal numbers, and a Sum can hold the squares.
	minUnit, maxUnit = -1020, 900
	// From countable units on, a value is added alone: a sum of such values could overflow.
	countable = 1 << 51
)

// newUnit returns the unit for at least one sorted finite value. The centre is the median. The
// spread is the distance from the median that one value in a thousand exceeds on either side.
func newUnit(sorted []float64) Unit {
	n := len(sorted)
	u := Unit{Centre: UnsignedZero(sorted[n/2])}
	if math.IsInf(sorted[n-1]-sorted[0], 0) {
		u.Centre = 0 // no distance overflows
	}
	distance := func(i int) float64 { return max(u.Centre-sorted[i], sorted[n-1-i]-u.Centre) }
	spread := cmp.Or(distance(n/1000), distance(0), math.Abs(u.Centre), 1)
	u.Exponent = min(max(math.Ilogb(min(spread, math.MaxFloat64))-unitBits, minUnit), maxUnit)
	return u
}

func (u Unit) valid() bool {
	return !math.IsNaN(u.Centre) && !math.IsInf(u.Centre, 0) && u.Exponent >= minUnit && u.Exponent <= maxUnit
}

// Near returns the range, both ends included, of the finite numbers less than 2^51 units from
// the centre, as far as doubles can represent the range.
func (u Unit) Near() (lo, hi float64) {
	reach := math.Ldexp(countable/2, u.Exponent)
	return max(u.Centre-reach, -math.MaxFloat64), min(u.Centre+reach, math.MaxFloat64)
}

// Units returns the distance of x from the centre in units, rounded to an integer, ties to
// even. A distance beyond the largest double counts as the largest double. The result is nil
// if x is not finite.
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

// addBlock adds at most blockSize finite values, all between the extremes.
func (m *Moments) addBlock(u Unit, values []float64) {
	m.N += int64(len(values))
	inverse := math.Ldexp(1, -u.Exponent)
	var sum int64
	var high, low uint64 // of the sum of squares
	for _, x := range values {
		units := (x - u.Centre) * inverse
		if math.Abs(units) >= countable {
			m.addFar(u, x)
			continue
		}
		k := int64(math.RoundToEven(units))
		sum += k
		size := uint64(max(k, -k))
		over, square := bits.Mul64(size, size)
		var carry uint64
		low, carry = bits.Add64(low, square, 0)
		high += over + carry
	}
	m.Sum.addBits(0, uint64(max(sum, -sum)), u.Exponent-sumUnit, sum < 0)
	m.Squares.addBits(high, low, 2*u.Exponent-sumUnit, false)
}

// addFar adds a value that is far from the centre. From 4*countable units on, a value is not
// rounded, because it is nearly an integer number of units.
func (m *Moments) addFar(u Unit, x float64) {
	z := min(max(x-u.Centre, -math.MaxFloat64), math.MaxFloat64)
	if t := math.Ldexp(z, -u.Exponent); math.Abs(t) < 4*countable {
		z = math.Ldexp(math.RoundToEven(t), u.Exponent)
	}
	m.Sum.add(z, 1)
	m.Squares.addSquare(z)
}
