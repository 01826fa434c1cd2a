package csvlog

import "strconv"

// powersOfTen are the powers that a float64 holds exactly and parseFloat needs.
var powersOfTen = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// parseFloat is [strconv.ParseFloat] with a short cut for the numbers that scanFloat knows.
func parseFloat(text []byte) (float64, error) {
	if x, n, ok := scanFloat(text); ok && n == len(text) {
		return x, nil
	}
	return strconv.ParseFloat(string(text), 64)
}

// scanFloat returns the decimal at the beginning of p and its length. It knows plain decimals
// of up to 15 digits, which are most numbers: such an integer and such a power of ten are
// exact float64s, so their quotient is the nearest float64 (W. D. Clinger, How to Read
// Floating Point Numbers Accurately, 1990).
func scanFloat(p []byte) (x float64, length int, ok bool) {
	i := 0
	negative := len(p) > 0 && p[0] == '-'
	if negative {
		i = 1
	}
	first := i
	var mantissa uint64 // overflows only where there are too many digits
	for ; i < len(p) && p[i]-'0' <= 9; i++ {
		mantissa = mantissa*10 + uint64(p[i]-'0')
	}
	n, fraction := i-first, 0
	if i < len(p) && p[i] == '.' {
		i++
		first = i
		for ; i < len(p) && p[i]-'0' <= 9; i++ {
			mantissa = mantissa*10 + uint64(p[i]-'0')
		}
		fraction = i - first
		n += fraction
	}
	if n == 0 || n >= len(powersOfTen) {
		return 0, 0, false
	}
	x = float64(mantissa)
	if fraction > 0 {
		x /= powersOfTen[fraction]
	}
	if negative {
		x = -x
	}
	return x, i, true
}
