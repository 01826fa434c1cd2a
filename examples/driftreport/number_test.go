package main

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseNumber(t *testing.T) {
	t.Parallel()
	check := func(text string) {
		want, wantErr := strconv.ParseFloat(text, 64)
		got, err := parseNumber([]byte(text))
		require.Equal(t, wantErr == nil, err == nil, "%q", text)
		require.Equal(t, math.Float64bits(want), math.Float64bits(got), "%q: want %v, got %v", text, want, got)
	}
	for _, text := range []string{"", "-", ".", "-.", "0", "-0", "0.0", ".5", "5.", "007", "1e3", "+1", "inf", "NaN", "1_0", "0x1p-2", "1.2.3",
		"9007199254740993", "9007199254740992.5", "9007199254740993.0", "9223372036854775807", "9999999999999999999", "99999999999999999999",
		"0.1", "0.3", "1.7976931348623157", "0.0000000000000000001", "-1234567890.123456789", "1844674407370955161.5", "1844674407370955161.6"} {
		check(text)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200_000 {
		check(strconv.FormatFloat(rng.NormFloat64()*math.Pow(10, float64(rng.IntN(8))), 'f', -1, 64))
		check(strconv.FormatFloat(rng.NormFloat64(), 'f', rng.IntN(18), 64))
		digits := strconv.FormatUint(rng.Uint64()>>rng.IntN(64), 10)
		at := rng.IntN(len(digits) + 1)
		check(digits[:at] + "." + digits[at:])
	}
	// Halfway between two floats, and next to it.
	for range 100_000 {
		middle := (rng.Uint64()>>11|1<<52)<<1 | 1
		for _, m := range []uint64{middle - 1, middle, middle + 1} {
			check(strconv.FormatUint(m, 10))
			check(strconv.FormatUint(m, 10) + ".0")
		}
		check(strconv.FormatUint(middle>>1, 10) + ".5")
	}
}

func FuzzParseNumber(f *testing.F) {
	f.Add("12.5")
	f.Add("-9007199254740993.0")
	f.Fuzz(func(t *testing.T, text string) {
		want, wantErr := strconv.ParseFloat(text, 64)
		got, err := parseNumber([]byte(text))
		require.Equal(t, wantErr, err)
		require.Equal(t, math.Float64bits(want), math.Float64bits(got))
	})
}

func BenchmarkParseNumber(b *testing.B) {
	text := []byte("-0.3472819304712983")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = parseNumber(text)
	}
}
