package counting

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Sums of finite float64 values are kept without rounding, so addition is associative. The
// mean and the variance then depend neither on the order of the values nor on how they were
// split (Kulisch and Miranker, "The arithmetic of the digital computer", 1986; Neal, "Fast
// exact summation using small and large superaccumulators", 2015).
const (
	// sumUnit is the exponent of the unit of a Sum: the square of 2^-1074, the smallest float64.
	sumUnit  = -2 * 1074
	limbBits = 32
	// sumLimbs limbs hold 2^63 squares of the largest float64, each below 2^2048.
	sumLimbs = (2048 - sumUnit + 63) / limbBits
	// carryEvery additions, each below 2^32, fit into a limb of type int64.
	carryEvery = 1 << 30
)

// Sum is an integer multiple of 2^sumUnit in limbs of 32 bits, the lowest limb first. Between
// carries a limb may be outside its range. The zero Sum is 0.
type Sum struct {
	limbs   [sumLimbs]int64
	pending int // additions since the last carry
}

// decompose returns |x| as an integer mantissa of at most 53 bits times 2^exponent.
func decompose(x float64) (mantissa uint64, exponent int) {
	b := math.Float64bits(x)
	mantissa = b & (1<<52 - 1)
	exponent = int(b >> 52 & 0x7ff)
	if exponent == 0 {
		return mantissa, -1074
	}
	return mantissa | 1<<52, exponent - 1075
}

// add adds n times x, which must be finite.
func (s *Sum) add(x float64, n uint64) {
	mantissa, exponent := decompose(x)
	hi, lo := bits.Mul64(mantissa, n)
	s.addBits(hi, lo, exponent-sumUnit, math.Signbit(x))
}

// addSquare adds the square of x, which must be finite.
func (s *Sum) addSquare(x float64) {
	mantissa, exponent := decompose(x)
	hi, lo := bits.Mul64(mantissa, mantissa)
	s.addBits(hi, lo, 2*exponent-sumUnit, false)
}

// addBits adds the 128-bit number hi, lo shifted up by shift bits.
func (s *Sum) addBits(hi, lo uint64, shift int, negative bool) {
	limb, offset := shift/limbBits, uint(shift%limbBits)
	words := [3]uint64{lo << offset, hi<<offset | lo>>(64-offset), hi >> (64 - offset)}
	for i := 0; words != [3]uint64{}; i++ {
		part := int64(words[0] & (1<<limbBits - 1))
		if negative {
			part = -part
		}
		s.limbs[limb+i] += part
		words[0] = words[0]>>limbBits | words[1]<<limbBits
		words[1] = words[1]>>limbBits | words[2]<<limbBits
		words[2] >>= limbBits
	}
	if s.pending++; s.pending >= carryEvery {
		s.carry()
	}
}

// carry brings every limb into its range, except the last limb, which has the sign. After a
// carry, equal sums have equal limbs.
func (s *Sum) carry() {
	for i := range sumLimbs - 1 {
		s.limbs[i+1] += s.limbs[i] >> limbBits
		s.limbs[i] &= 1<<limbBits - 1
	}
	s.pending = 0
}

// Merge adds the other sum, which stays as it is.
func (s *Sum) Merge(other *Sum) {
	o := *other
	o.carry()
	s.carry()
	for i := range s.limbs {
		s.limbs[i] += o.limbs[i]
	}
	s.carry()
}

// integer returns the sum in units of 2^sumUnit.
func (s *Sum) integer() *big.Int {
	sum, limb := new(big.Int), new(big.Int)
	for _, part := range slices.Backward(s.limbs[:]) {
		sum.Lsh(sum, limbBits)
		sum.Add(sum, limb.SetInt64(part))
	}
	return sum
}

// Units returns the sum in units of 2^exponent, rounded down.
func (s *Sum) Units(exponent int) *big.Int {
	return new(big.Int).Rsh(s.integer(), uint(exponent-sumUnit))
}

// MarshalText returns the text of String.
func (s *Sum) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String returns the sum in hexadecimal as mantissa, "p", and a binary exponent, with an odd
// mantissa: "-3p-1" is -1.5. Zero is "0p0".
func (s *Sum) String() string {
	sum := s.integer()
	if sum.Sign() == 0 {
		return "0p0"
	}
	zeros := sum.TrailingZeroBits()
	sum.Rsh(sum, zeros)
	return fmt.Sprintf("%xp%d", sum, int(zeros)+sumUnit)
}

// UnmarshalText reads what String returned, and nothing else.
func (s *Sum) UnmarshalText(text []byte) error {
	*s = Sum{}
	invalid := fmt.Errorf("drift: %.80q is no exact sum", text)
	digits, power, _ := strings.Cut(string(text), "p")
	exponent, err := strconv.Atoi(power)
	if err != nil || len(digits) > sumLimbs*limbBits/4 {
		return invalid
	}
	sum, ok := new(big.Int).SetString(digits, 16)
	if !ok || !s.SetUnits(sum, exponent) || s.String() != string(text) {
		return invalid
	}
	return nil
}

// SetUnits sets s, which must be 0, to n times 2^exponent. A nil n is 0. SetUnits reports
// false if no Sum has this value.
func (s *Sum) SetUnits(n *big.Int, exponent int) bool {
	shift := exponent - sumUnit
	switch {
	case n == nil || n.Sign() == 0:
		return true
	case shift < 0 || shift > sumLimbs*limbBits || n.BitLen()+shift >= sumLimbs*limbBits:
		return false
	}
	rest := new(big.Int).Abs(n)
	rest.Lsh(rest, uint(shift))
	low, mask := new(big.Int), big.NewInt(1<<limbBits-1)
	for i := range s.limbs {
		s.limbs[i] = low.And(rest, mask).Int64()
		if n.Sign() < 0 {
			s.limbs[i] = -s.limbs[i]
		}
		rest.Rsh(rest, limbBits)
	}
	s.carry()
	return true
}
