package gate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// text returns s with U+FFFD for what is not UTF-8, which JSON could not hold.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// count writes a number of rows with commas, such as "1,204".
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// percent writes a share with its sign, such as "+4.5 %".
func percent(share float64) string { return fmt.Sprintf("%+.1f %%", 100*share) }

// movement says how a metric changes, such as "F1 rises from 0.710 to 0.742".
func movement(m Metric, from, to float64) string {
	a, b := m.format(from), m.format(to)
	switch {
	case a == b:
		return fmt.Sprintf("%s stays at %s", m.Title(), a)
	case to > from:
		return fmt.Sprintf("%s rises from %s to %s", m.Title(), a, b)
	}
	return fmt.Sprintf("%s falls from %s to %s", m.Title(), a, b)
}

// signed returns a difference with its sign, "unbounded" if it is infinite.
func (m Metric) signed(v float64) string {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return "unbounded"
	}
	if v < 0 {
		return m.format(v)
	}
	return "+" + m.format(v)
}
