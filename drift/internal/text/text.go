// Package text writes numbers, shares and names for the text of a drift report.
package text

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Number returns three significant digits of a statistic: "0.0123", "1520", "1.2e+09". An
// exponent is used only where the number would be long. For values of a column use [Apart]:
// such values may differ little in relation to their size.
func Number(x float64) string {
	if a := math.Abs(x); a >= 1000 && a < 1e7 {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}

// P returns a p-value as part of a sentence: "= 0.031", "< 1e-15".
func P(p float64) string {
	if p < 1e-15 {
		return "< 1e-15"
	}
	return "= " + strconv.FormatFloat(p, 'g', 2, 64)
}

// Percent returns a share in percent with one decimal. A share that rounds to 0 or 100 but is
// neither says so.
func Percent(share float64) string {
	switch p := 100 * share; {
	case p > 0 && p < 0.05:
		return "< 0.1 %"
	case p < 100 && p >= 99.95:
		return "> 99.9 %"
	default:
		return fmt.Sprintf("%s %%", strconv.FormatFloat(math.Round(10*p)/10, 'f', -1, 64))
	}
}

// PercentsApart is [Percent] for two shares, with enough decimals to tell them apart.
func PercentsApart(a, b float64) (string, string) { return tellApart(Percent, a, b) }

// CellPercentsApart is PercentsApart for a table.
func CellPercentsApart(a, b float64) (string, string) { return tellApart(percentCell, a, b) }

func tellApart(short func(float64) string, a, b float64) (string, string) {
	s, t := short(a), short(b)
	long := func(share float64, digits int) (text string, isNoneOrAll bool) {
		text = Decimals(100*share, digits)
		return text + " %", text == Decimals(0, digits) || text == Decimals(100, digits)
	}
	for digits := 2; a != b && s == t && digits <= mostDigits; digits++ {
		x, xRounded := long(a, digits)
		y, yRounded := long(b, digits)
		if x != y && !xRounded && !yRounded {
			s, t = x, y
		}
	}
	return s, t
}

// percentCell is [Percent] for a table. It always has a decimal, except for 0 and 100 percent.
func percentCell(share float64) string {
	p := Percent(share)
	if share == 0 || share == 1 || strings.Contains(p, ".") {
		return p
	}
	return strings.TrimSuffix(p, " %") + ".0 %"
}

// Numbers of digits, and the range of values without an exponent.
const (
	proseDigits = 3    // significant digits in a sentence, at least
	tableDigits = 5    // and in a table or on an axis
	mostDigits  = 17   // which tell any two float64s apart
	smallest    = 1e-4 // below, a value has an exponent
	longest     = 1e15 // from here on it has one, too: not all of its whole digits are known
)

// Apart writes values of a column that a sentence compares, all to the same decimal place. The
// texts show all whole digits, two digits of the smallest difference between two values, and
// at least three significant digits. So small changes stay visible.
func Apart(values ...float64) []string { return writeApart(proseDigits, values) }

// Quantities is Apart for a table or an axis: at least five significant digits, in groups of
// three from a thousand on.
func Quantities(values ...float64) []string {
	return GroupAll(writeApart(tableDigits, values))
}

// Quantity is Quantities for a single value.
func Quantity(x float64) string { return Quantities(x)[0] }

func writeApart(least int, values []float64) []string {
	place := math.MaxInt // the power of ten of the last digit that the differences take
	for i, x := range values {
		for _, y := range values[:i] {
			if d := x - y; d != 0 && !math.IsNaN(d) {
				place = min(place, powerOfTen(d)-1)
			}
		}
	}
	texts := make([]string, len(values))
	for i, x := range values {
		texts[i] = writeTo(place, least, x)
	}
	return texts
}

// powerOfTen returns the power of ten of the first digit of a number other than 0.
func powerOfTen(x float64) int {
	// A logarithm would be wrong near a power of ten, and for the smallest numbers.
	_, exponent, _ := strings.Cut(strconv.FormatFloat(min(math.Abs(x), math.MaxFloat64), 'e', -1, 64), "e")
	power, _ := strconv.Atoi(exponent)
	return power
}

// writeTo returns a number to a decimal place, or with the least number of significant digits
// if these are more. Zeros at the end are cut.
func writeTo(place, least int, x float64) string {
	switch {
	case x == 0:
		return "0"
	case math.IsNaN(x - x): // of a report that no detector made
		return Decimals(x, 0)
	}
	first := powerOfTen(x)
	last := max(min(place, first-least+1), first-mostDigits+1)
	if a := math.Abs(x); a < smallest || a >= longest {
		return shorter(strconv.FormatFloat(x, 'g', first-last+1, 64), strconv.FormatFloat(x, 'g', -1, 64))
	}
	text := Decimals(x, max(-last, 0))
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return shorter(text, Decimals(x, -1))
}

// shorter prefers the digits that identify a float64. More digits would say nothing.
func shorter(text, identifying string) string {
	if len(identifying) < len(text) {
		return identifying
	}
	return text
}

// GroupAll puts thin spaces between the whole digits of numbers, in groups of three.
func GroupAll(numbers []string) []string {
	grouped := make([]string, len(numbers))
	for i, text := range numbers {
		unsigned := strings.TrimPrefix(text, "-")
		digits := len(unsigned) - len(strings.TrimLeft(unsigned, "0123456789"))
		grouped[i] = text[:len(text)-len(unsigned)] + groupDigits(unsigned[:digits]) + unsigned[digits:]
	}
	return grouped
}

// Thousands returns n with thin spaces between groups of three digits.
func Thousands(n int) string { return groupDigits(strconv.Itoa(n)) }

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

// Counted returns a number of things, "1 value" or "2 values".
func Counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// LowerFirst returns s with a lower-case first letter.
func LowerFirst(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[size:]
}

// Shorten cuts a name that has more than 60 letters.
func Shorten(name string) string {
	const most = 60
	if letters := []rune(name); len(letters) > most {
		return string(letters[:most-1]) + "…"
	}
	return name
}

// Decimals returns a number with so many decimals.
func Decimals(x float64, digits int) string { return strconv.FormatFloat(x, 'f', digits, 64) }

// Value returns a value of a column with at most six significant digits.
func Value(x float64) string {
	if a := math.Abs(x); a >= 1e6 && a < 1e9 && x == math.Trunc(x) {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', 6, 64)
}
