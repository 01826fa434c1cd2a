package csvlog

import "strconv"

// powersOfTen are those that a float64 holds exactly and parseFloat needs.
var powersOfTen = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// parseFloat is [strconv.ParseFloat] with a short cut for plain decimals of up to 15
// digits, which most are: such an integer and such a power of ten are exact float64s, so
// their quotient is the nearest one (W. D. Clinger, How to Read Floating Point Numbers
// Accurately, 1990).
func parseFloat(text []byte) (float64, error) {
	digits := text
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		digits = text[1:]
	}
	var mantissa uint64
	point := -1
	for i, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			mantissa = mantissa*10 + uint64(c-'0')
		case c == '.' && point < 0:
			point = i
		default:
			return strconv.ParseFloat(string(text), 64)
		}
	}
	n, fraction := len(digits), 0
	if point >= 0 {
		n, fraction = n-1, len(digits)-1-point
	}
	if n == 0 || n >= len(powersOfTen) {
		return strconv.ParseFloat(string(text), 64)
	}
	x := float64(mantissa) / powersOfTen[fraction]
	if negative {
		x = -x
	}
	return x, nil
}
