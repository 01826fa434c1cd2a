package drift

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// formatNumber returns three significant digits, without an exponent where that stays
// short: "0.0123", "1520", "1.2e+09".
func formatNumber(x float64) string {
	if a := math.Abs(x); a >= 1000 && a < 1e7 {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}

// formatP returns a p-value as part of a sentence: "= 0.031", "< 1e-15".
func formatP(p float64) string {
	if p < 1e-15 {
		return "< 1e-15"
	}
	return "= " + strconv.FormatFloat(p, 'g', 2, 64)
}

// percent returns a share in percent with one decimal; a share that rounds to 0 or 100 but
// is neither says so.
func percent(share float64) string {
	switch p := 100 * share; {
	case p > 0 && p < 0.05:
		return "< 0.1 %"
	case p < 100 && p >= 99.95:
		return "> 99.9 %"
	default:
		return fmt.Sprintf("%s %%", strconv.FormatFloat(math.Round(10*p)/10, 'f', -1, 64))
	}
}

// percentCell is percent for a table: always with a decimal, but for none and all.
func percentCell(share float64) string {
	p := percent(share)
	if share == 0 || share == 1 || strings.Contains(p, ".") {
		return p
	}
	return strings.TrimSuffix(p, " %") + ".0 %"
}

// formatQuantity returns a value of a column for a table or an axis: five significant digits,
// groups of three digits from a thousand on, an exponent only for what is very small or large.
func formatQuantity(x float64) string {
	a := math.Abs(x)
	if a != 0 && (a < 1e-4 || a >= 1e12) {
		return strconv.FormatFloat(x, 'g', 4, 64)
	}
	digits := 4
	if a > 0 {
		digits = min(max(4-int(math.Floor(math.Log10(a))), 0), 8)
	}
	text := strconv.FormatFloat(x, 'f', digits, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	whole, decimal, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	sign := text[:len(text)-len(strings.TrimPrefix(text, "-"))]
	if decimal != "" {
		decimal = "." + decimal
	}
	return sign + groupDigits(whole) + decimal
}

// thousands returns n with thin spaces between groups of three digits.
func thousands(n int) string { return groupDigits(strconv.Itoa(n)) }

// groupDigits puts thin spaces between groups of three digits.
func groupDigits(digits string) string {
	var b strings.Builder
	for i, d := range digits {
		if left := len(digits) - i; i > 0 && left%3 == 0 {
			b.WriteRune('\u202f')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// lowerFirst returns s with a lower-case first letter.
func lowerFirst(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[size:]
}
