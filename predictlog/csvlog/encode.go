package csvlog

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// appendRecord appends the row of a record that follows the layout's schema.
func (l *layout) appendRecord(dst []byte, r *predictlog.Record) ([]byte, error) {
	dst = append(dst, r.ID...)
	dst = append(dst, ',')
	dst = appendTime(dst, r.Time)
	dst = append(dst, ',')
	dst = appendText(dst, r.Model)
	dst = append(dst, ',')
	dst = appendText(dst, r.Version)
	for _, v := range r.Row {
		dst = append(dst, ',')
		dst = appendValue(dst, v)
	}
	dst = append(dst, ',')
	dst = l.appendOutput(dst, r)
	dst = append(dst, ',')
	dst = strconv.AppendInt(dst, r.Latency.Microseconds(), 10)
	dst = append(dst, ',')
	var err error
	if len(r.Violations) > 0 {
		if dst, err = appendJSON(dst, r.Violations); err != nil {
			return dst, fmt.Errorf("record %q: violations: %w", r.ID, err)
		}
	}
	dst = append(dst, ',')
	if len(r.Tags) > 0 {
		if dst, err = appendJSON(dst, r.Tags); err != nil {
			return dst, fmt.Errorf("record %q: tags: %w", r.ID, err)
		}
	}
	return append(dst, '\n'), nil
}

// appendTime appends a time, always with six digits after the second: tools that infer the
// format from the first row need all rows alike.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	dst = t.AppendFormat(dst, time.RFC3339) // several times as fast as a layout with a fraction
	dst = append(dst[:len(dst)-len("Z")], '.')
	micros := t.Nanosecond() / 1000
	for unit := 100_000; unit > 0; unit /= 10 {
		dst = append(dst, byte('0'+micros/unit%10))
	}
	return append(dst, 'Z')
}

func appendValue(dst []byte, v predictlog.Value) []byte {
	if x, ok := v.Number(); ok {
		return appendFloat(dst, x)
	}
	s, ok := v.Category()
	if ok && s == "" {
		return append(dst, `""`...)
	}
	return appendText(dst, s)
}

func appendFloat(dst []byte, x float64) []byte { return strconv.AppendFloat(dst, x, 'g', -1, 64) }

func (l *layout) appendOutput(dst []byte, r *predictlog.Record) []byte {
	o := &r.Output
	if l.target.Task == predictlog.Regression {
		if r.Answered() || math.Float64bits(o.Value) != 0 {
			dst = appendFloat(dst, o.Value)
		}
		return dst
	}
	dst = appendText(dst, o.Class)
	for i := range l.target.Classes {
		dst = append(dst, ',')
		if o.Probabilities != nil {
			dst = appendFloat(dst, o.Probabilities[i])
		}
	}
	return dst
}

func appendJSON(dst []byte, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return dst, err
	}
	return appendText(dst, string(text)), nil
}

// appendText appends s, with quotes if it needs them to read back unchanged.
func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		switch s[i] {
		case ',', '"', '\n', '\r':
			return appendQuoted(dst, s)
		}
	}
	return append(dst, s...)
}

func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		if s[i] == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}
