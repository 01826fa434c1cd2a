package main

import (
	"math"
	"math/bits"
	"strconv"
)

// maxDigits is the number of decimal digits that a uint64 holds whatever they are.
const maxDigits = 19

// powers are those of ten that a uint64 holds.
var powers = func() (p [maxDigits + 1]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = 10 * p[i-1]
	}
	return p
}()

// parseNumber is strconv.ParseFloat, several times as fast for digits with a point and no
// exponent, which is what most files hold. The result is the same, correctly rounded.
func parseNumber(text []byte) (float64, error) {
	digits := text
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	var mantissa uint64
	point := -1
	for i, c := range digits {
		switch {
		case c-'0' <= 9:
			mantissa = 10*mantissa + uint64(c-'0')
		case c == '.' && point < 0:
			point = i
		default:
			return strconv.ParseFloat(string(text), 64)
		}
	}
	count, decimals := len(digits), 0
	if point >= 0 {
		count, decimals = count-1, count-1-point
	}
	if count == 0 || count > maxDigits {
		return strconv.ParseFloat(string(text), 64)
	}
	x := quotient(mantissa, powers[decimals])
	if len(digits) < len(text) {
		x = -x
	}
	return x, nil
}

// quotient returns m/d, correctly rounded. Both are divided as integers with 64 bits of
// quotient, and the remainder says on which side of the middle between two floats it is.
func quotient(m, d uint64) float64 {
	if m < 1<<53 && d < 1<<53 {
		return float64(m) / float64(d)
	}
	if m == 0 {
		return 0
	}
	shift := bits.LeadingZeros64(d) - bits.LeadingZeros64(m)
	m, d = m<<bits.LeadingZeros64(m), d<<bits.LeadingZeros64(d)
	high, low := m, uint64(0)
	if m >= d { // the quotient would not fit
		high, low = m>>1, m<<63
		shift++
	}
	q, remainder := bits.Div64(high, low, d) // at least 2^63
	f, rest := q>>11, q&(1<<11-1)
	const half = 1 << 10
	if rest > half || rest == half && (remainder > 0 || f&1 == 1) {
		f++
	}
	return float64(f) * math.Float64frombits(uint64(1023+shift+11-64)<<52)
}
