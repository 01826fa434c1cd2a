package appendfile_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
)

func TestCSVBoundary(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ whole, torn string }{
		{"", ""},
		{"", "a,b"},
		{"\n", ""},
		{"a,b\n", ""},
		{"a,b\r\n", "c"},
		{"a\nb\n", "c,\"d"},
		{"a\n", "b,\"c\n"},
		{"a\n", "b,\"c\nd\n"},
		{"a\n", "b,\"\"\"\n"},
		{"\"a\nb\"\n", "c"},
		{"\"a\"\"\nb\"\n", "\"\"c"},
	} {
		require.Equal(t, len(c.whole), appendfile.CSVBoundary([]byte(c.whole+c.torn)), "%q %q", c.whole, c.torn)
	}
}

func FuzzCSVBoundary(f *testing.F) {
	for _, seed := range []string{"", "a,b\nc", "\"\n\"\n", "\"\"\"\n", strings.Repeat("\"\n", 9)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		want, quoted := 0, false
		for i, c := range p {
			switch {
			case c == '"':
				quoted = !quoted
			case c == '\n' && !quoted:
				want = i + 1
			}
		}
		require.Equal(t, want, appendfile.CSVBoundary(p))
	})
}

func BenchmarkCSVBoundary(b *testing.B) {
	p := []byte(strings.Repeat("0190163d-8694-739b-aea5-966c26f8ad91,2026-11-23T12:00:00.000000Z,\"a \"\"b\"\"\",0.25\n", 3000))
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		if appendfile.CSVBoundary(p) != len(p) {
			b.Fatal("not whole")
		}
	}
}
