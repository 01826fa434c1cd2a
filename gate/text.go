package gate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
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

// none is shown where there is no number.
const none = "–"

// figure writes a number with four digits, or all of those before the point and commas
// between them.
func figure(v float64) string {
	switch {
	case math.IsNaN(v):
		return none
	case math.IsInf(v, 0):
		return "unbounded"
	case math.Abs(v) >= 1000 && math.Abs(v) < 1e15:
		return count(int(math.Round(v)))
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// show writes a number of the check in its unit.
func (c Check) show(v float64) string {
	if !isFinite(v) {
		return figure(v)
	}
	switch c.Unit {
	case UnitRows:
		return figure(math.Round(v))
	case UnitShare:
		return fmt.Sprintf("%.1f %%", 100*v)
	case UnitProbability:
		return fmt.Sprintf("%.3g", v)
	case UnitHours:
		return days(time.Duration(v * float64(time.Hour)))
	case UnitSeconds:
		return readable(time.Duration(math.Round(v * float64(time.Second))))
	case UnitMetric:
		return c.Metric.format(v)
	case UnitGain:
		if v == 0 {
			return "0"
		}
		return c.Metric.signed(v)
	case UnitRelativeGain:
		return percent(v)
	case UnitDrop:
		return c.Metric.format(math.Abs(v)) + " " + direction(v)
	case UnitRelativeDrop:
		return fmt.Sprintf("%.1f %% %s", 100*math.Abs(v), direction(v))
	}
	return figure(v)
}

// direction says what a drop is.
func direction(drop float64) string {
	if drop < 0 {
		return "better"
	}
	return "worse"
}

// wanted says what the statistic, or its interval, is to be; nothing if there is no
// threshold.
func (c Check) wanted() string {
	switch bound := c.show(c.Threshold); {
	case math.IsNaN(c.Threshold):
		return ""
	case c.CI != nil:
		return "interval above " + bound
	case c.AtMost:
		return "≤ " + bound
	default:
		return "≥ " + bound
	}
}
