package filetelemetry

import (
	"bytes"
	"testing"
	"time"

	"github.com/selfheal-ml/selfheal/healing"
)

// Any line is read without a panic; what is written comes back, and a changed byte is found.
func FuzzParseLine(f *testing.F) {
	f.Add("m", "", int64(0), []byte("text"), uint16(3))
	f.Add("credit/passes", "a\t\"b\"", int64(1234567890), []byte{0, 1, 255, '\n'}, uint16(40))
	f.Add("", "", int64(-1), []byte(".ca42a36f\t2026\t\"\"\t\"m\"\t=x"), uint16(0))
	f.Fuzz(func(t *testing.T, series, part string, micro int64, data []byte, at uint16) {
		_ = parseLine(data)
		if n := whole(data); n < 0 || n > len(data) || n > 0 && data[n-1] != '\n' {
			t.Fatalf("whole(%q) is %d", data, n)
		}
		p := healing.Point{Series: series, Part: part, Time: time.UnixMicro(micro).UTC(), Data: data}
		if p.Validate() != nil {
			return
		}
		text := appendLine(nil, flagLast, p)
		if bytes.IndexByte(text, '\n') != len(text)-1 {
			t.Fatalf("a line with a break: %q", text)
		}
		text = text[:len(text)-1]
		l := parseLine(text)
		got, err := l.content()
		if l.err != nil || err != nil || l.point.Series != series || l.point.Part != part || !l.point.Time.Equal(p.Time) || !bytes.Equal(got, data) {
			t.Fatalf("%q is read as %+v, %q, %v", text, l, got, err)
		}
		text[int(at)%len(text)] ^= 1 << (at >> 8 % 8)
		if l := parseLine(text); l.err == nil {
			t.Fatalf("a changed byte is not found: %q", text)
		}
	})
}
