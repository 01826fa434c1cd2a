package csvlog_test

import (
	"math"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog/csvlog"
)

func FuzzParseFloat(f *testing.F) {
	for _, seed := range []string{
		"", "-", ".", "-.", "0", "-0", "1.", ".5", "-12.75", "1.2.3", "+1", "1e5", "1_0", "NaN", "-Inf", "0x1p-2",
		"0.1", "123456789012345", "0.12345678901234", "1234567890123456", "9007199254740993", "0.000000000000001", "-0.000000000000000",
		"18446744073709551617", "00000000000000000000001.5",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, wantErr := strconv.ParseFloat(text, 64)
		got, err := csvlog.ParseFloat([]byte(text))
		require.Equal(t, wantErr == nil, err == nil, "%q", text)
		if err == nil {
			require.Equal(t, math.Float64bits(want), math.Float64bits(got), "%q", text)
		}
	})
}
