package gate

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/gate/internal/digits"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// validText returns s with U+FFFD in place of bytes that are not UTF-8.
func validText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// maxMore is the largest number of extra digits: shares have three decimals, and so up to ten.
const maxMore = 7

// tell returns the number of extra digits that tell each value from the bound, and the bound
// from 0 and from 1, because "accuracy is 1.000, at least 1.000 wanted" explains nothing. All
// numbers of a sentence get the same number of digits. Values that even the most digits do not
// tell apart are ignored.
func tell(write func(v float64, more int) string, bound float64, values ...float64) int {
	var apart []float64
	for _, v := range append([]float64{0, 1}, values...) {
		if v != bound && write(v, maxMore) != write(bound, maxMore) {
			apart = append(apart, v)
		}
	}
	for more := range maxMore {
		if !slices.ContainsFunc(apart, func(v float64) bool { return write(v, more) == write(bound, more) }) {
			return more
		}
	}
	return maxMore
}

// decimal writes a number with fixed decimals. A number that rounds to 0 has no sign.
func decimal(v float64, decimals int) string {
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Trim(s, "-0.") == "" {
		s = strings.TrimPrefix(s, "-")
	}
	return s
}

func plus(number string) string {
	if strings.HasPrefix(number, "-") {
		return number
	}
	return "+" + number
}

func shareText(v float64, more int) string { return decimal(100*v, 1+more) + " %" }

// percent writes a share with its sign, such as "+4.5 %".
func percent(v float64) string { return plus(shareText(v, tell(shareText, v))) }

type metric struct{ metrics.Metric }

func metricNamed(name string) metric { return metric{metrics.Named(name)} }

// write writes a value with the usual digits of the metric and more digits.
func (m metric) write(v float64, more int) string {
	switch {
	case !digits.IsFinite(v):
		return figure(v)
	case m.Validate() != nil || m.Info().Unit == metrics.TargetUnit:
		return significant(v, usualDigits+more)
	case m.Info().Unit != "":
		return significant(v, usualDigits+more) + " " + m.Info().Unit
	}
	return decimal(v, 3+more)
}

// format writes a value without a number to compare it with.
func (m metric) format(v float64) string { return m.write(v, m.tell(v)) }

func (m metric) tell(bound float64, values ...float64) int { return tell(m.write, bound, values...) }

// tellBoth is tell for two values, which are told from each other, from 0 and from 1.
func (m metric) tellBoth(a, b float64) int { return max(m.tell(a, b), m.tell(b)) }

// movement says how a metric changes, such as "F1 rises from 0.710 to 0.742".
func (m metric) movement(from, to float64, more int) string {
	a, b := m.write(from, more), m.write(to, more)
	switch {
	case a == b:
		return fmt.Sprintf("%s stays at %s", m.Title(), a)
	case to > from:
		return fmt.Sprintf("%s rises from %s to %s", m.Title(), a, b)
	}
	return fmt.Sprintf("%s falls from %s to %s", m.Title(), a, b)
}

// difference returns a difference with its sign, "unbounded" if it is infinite.
func (m metric) difference(v float64, more int) string {
	if !digits.IsFinite(v) {
		return "unbounded"
	}
	return plus(m.write(v, more))
}

const none = "–"

// usualDigits is the number of digits of a number with an unknown scale.
const usualDigits = 4

// figure writes a number with four digits, or with all digits before the point, and commas.
func figure(v float64) string {
	switch {
	case math.IsNaN(v):
		return none
	case math.IsInf(v, 0):
		return "unbounded"
	}
	return significant(v, usualDigits)
}

// significant is figure with another number of digits.
func significant(v float64, n int) string {
	// A number that rounds to 1000 is written like 1000, or the two would seem to differ.
	rounded := math.Abs(digits.Round(v, n))
	if rounded < 1000 || math.Abs(v) >= 1e15 {
		return strconv.FormatFloat(v, 'g', n, 64)
	}
	whole := len(strconv.FormatFloat(math.Floor(rounded), 'f', 0, 64))
	s := strconv.FormatFloat(v, 'f', max(0, n-whole), 64)
	s, fraction, _ := strings.Cut(s, ".")
	i, _ := strconv.Atoi(s) // has at most 15 digits
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		fraction = "." + fraction
	}
	return count(i) + fraction
}

// days writes a duration of a day or more in days, and leaves a shorter one as it is.
func days(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == day:
		return "1 day"
	case d.Abs() < day:
		return d.Round(time.Second).String()
	}
	if whole := math.Round(d.Hours() / day.Hours()); math.Abs(whole) > 999 {
		return count(int(whole)) + " days"
	}
	return fmt.Sprintf("%.3g days", d.Hours()/day.Hours())
}

func readable(d time.Duration) string {
	unit := time.Nanosecond
	for d.Abs() >= 1000*unit && unit < time.Second {
		unit *= 1000
	}
	return d.Round(max(1, unit/100)).String()
}
