package drift_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// withSum puts the right checksum around the content of a reference.
func withSum(content string) []byte { return seal("drift.reference", content) }

// seal puts the right checksum around content.
func seal(kind, content string) []byte {
	sum := sha256.Sum256([]byte(content))
	return fmt.Appendf(nil, `{"kind":%q,"schema_version":2,"sha256":"%s","content":%s}`, kind, hex.EncodeToString(sum[:]), content)
}

// What is decoded takes memory in proportion to the bytes, whatever they claim.
func TestReference_UnmarshalTakesLittleMemory(t *testing.T) {
	ref := newReference(t, drift.Numeric("x", []float64{1}))
	form := []byte(toJSON(t, ref))
	var envelope struct{ Content json.RawMessage }
	require.NoError(t, json.Unmarshal(form, &envelope))
	content := string(envelope.Content)
	require.Contains(t, content, `"size":1,`)

	bigGrid := withSum(strings.Replace(content, `"size":1,`, `"size":1048576,`, 1))
	one := content[strings.Index(content, `[`)+1 : strings.LastIndex(content, `]`)]
	many := withSum(`{"rows":1,"columns":[` + strings.Repeat(one+",", 30) + one + `]}`)
	empty := withSum(`{"rows":1,"columns":[{}` + strings.Repeat(",{}", 10_000) + `]}`)
	for name, data := range map[string][]byte{"a large grid": bigGrid, "equal columns": many, "empty columns": empty} {
		var err error
		used := allocated(func() { err = new(drift.Reference).UnmarshalJSON(data) })
		require.ErrorIs(t, err, drift.ErrCorrupt, name)
		require.Less(t, used, uint64(100*len(data)+100_000), name)
	}

	head, err := ref.MarshalBinary()
	require.NoError(t, err)
	zeros := drift.WithChecksum(append(append([]byte(nil), head[:9]...), append([]byte{2, 0xa0, 0x9c, 1}, make([]byte, 20_000)...)...))
	used := allocated(func() { err = new(drift.Reference).UnmarshalBinary(zeros) })
	require.ErrorIs(t, err, drift.ErrCorrupt)
	require.Less(t, used, uint64(100*len(zeros)+100_000))
}

// The grid of a column of which little is spread is small too, and what is written can be
// read.
func TestReference_GridFollowsTheEdges(t *testing.T) {
	t.Parallel()
	clustered := make([]float64, 0, 40_000)
	for i := range 20_000 {
		clustered = append(clustered, 0, 1+1e-12*float64(i))
	}
	heavy := make([]float64, 40_000)
	for i := range heavy {
		heavy[i] = math.Exp(float64(i%2000)) * float64(i%7)
	}
	for name, values := range map[string][]float64{
		"clustered": clustered, "heavy": heavy, "mostly zero": drawn("mostly zero", 1, 40_000),
		"atoms and a tail": append(repeat(10_000, 1.0, 2, 3), drawn("log-normal", 1, 1200)...),
	} {
		for _, cells := range []int{2, 100, 1024} {
			values := values
			for i, x := range values {
				if math.IsInf(x, 0) {
					values[i] = math.NaN()
				}
			}
			ref, err := drift.NewReference([]drift.Column{drift.Numeric("x", values)}, drift.ReferenceConfig{Cells: cells})
			require.NoError(t, err)
			var read drift.Reference
			require.NoError(t, read.UnmarshalJSON([]byte(toJSON(t, ref))), "%s, %d cells", name, cells)
		}
	}
}

// Whatever the numbers, and whatever the method, there is a report of finite numbers.
func TestReport_FiniteForAwkwardNumbers(t *testing.T) {
	t.Parallel()
	const tiny, huge = math.SmallestNonzeroFloat64, math.MaxFloat64
	above7 := math.Nextafter(7, 8)
	columns := map[string][]float64{
		"zero":                    repeat(500, 0.0),
		"one in 1e17":             repeat(250, 0, 1e-17),
		"1e-300":                  repeat(500, 1e-300),
		"zero or 1e-300":          repeat(250, 0, 1e-300),
		"the smallest":            repeat(500, tiny),
		"zero or the smallest":    repeat(250, 0, tiny),
		"subnormals":              repeat(100, tiny, 2*tiny, 1e-310, -1e-315, 3e-312),
		"seven":                   repeat(500, 7.0),
		"next to seven":           repeat(250, 7, above7),
		"seven, rarely":           append(repeat(499, 7.0), above7),
		"1e300":                   repeat(500, 1e300),
		"both ends":               repeat(250, -huge, huge),
		"the largest":             repeat(500, huge),
		"the lowest":              repeat(500, -huge),
		"the largest and next":    repeat(250, huge, math.Nextafter(huge, 0)),
		"all sizes":               repeat(50, 0, tiny, 1e-300, 1e-17, 1, -1, 7, above7, 1e300, -huge),
		"infinities":              repeat(250, math.Inf(1), math.Inf(-1)),
		"a number and infinities": append(repeat(100, math.Inf(1)), repeat(400, 1e-17)...),
		"missing but one":         append(repeat(499, math.NaN()), 0),
	}
	for reference, values := range columns {
		ref := newReference(t, drift.Numeric("x", values))
		for current, values := range columns {
			p := profileOf(t, ref, drift.Numeric("x", values))
			for _, method := range numericMethods {
				report := detect(t, ref, drift.Config{NumericMethod: method}, p)
				requireFinite(t, report, "%s: from %s to %s", method, reference, current)
				for _, test := range report.Columns[0].Tests {
					require.False(t, test.Name == method && test.Drifted && reference == current, "%s of %s", method, current)
				}
			}
			for _, method := range numericMethods {
				if got, err := p.Compare("x", method); err == nil {
					require.False(t, math.IsNaN(got.Statistic+got.EffectSize+got.Lo+got.Hi), "from %s to %s: %v", reference, current, got)
					require.LessOrEqual(t, got.Lo, got.Statistic)
					require.GreaterOrEqual(t, got.Hi, got.Statistic)
				}
			}
		}
	}
}

// requireFinite requires that the report is plain JSON and text without a number that is none.
func requireFinite(t testing.TB, report *drift.Report, message string, args ...any) {
	t.Helper()
	data, err := json.Marshal(report)
	require.NoError(t, err, fmt.Sprintf(message, args...))
	require.NotRegexp(t, `NaN|[+-]Inf`, string(data), fmt.Sprintf(message, args...))
	for _, c := range report.Columns {
		for _, test := range c.Tests {
			for _, x := range []float64{test.Statistic, test.PValue, test.AdjustedPValue, test.EffectSize, test.Observed, test.CI.Lo, test.CI.Hi} {
				require.False(t, math.IsNaN(x) || math.IsInf(x, 0), fmt.Sprintf(message, args...))
			}
		}
	}
}

// A constant that moves by less than the moments can tell has moved all the same.
func TestMethods_WassersteinOfTheSmallestMoves(t *testing.T) {
	t.Parallel()
	const tiny = math.SmallestNonzeroFloat64
	for _, c := range []struct {
		name               string
		reference, current []float64
	}{
		{"half by 1e-17", repeat(500, 0.0), repeat(250, 0, 1e-17)},
		{"1e-300", repeat(500, 0.0), repeat(500, 1e-300)},
		{"-1e-300", repeat(500, 0.0), repeat(500, -1e-300)},
		{"the smallest", repeat(500, 0.0), repeat(500, tiny)},
		{"back from the smallest", repeat(500, tiny), repeat(500, 0.0)},
		{"subnormals", repeat(250, tiny, 2*tiny), repeat(250, 1e-310, 2e-310)},
		{"the next number", repeat(500, 7.0), repeat(500, math.Nextafter(7, 8))},
		{"the number before", repeat(500, 7.0), repeat(500, math.Nextafter(7, 6))},
		{"from the smallest to the largest", repeat(250, 0, tiny), repeat(500, math.MaxFloat64)},
		{"from end to end", repeat(500, -math.MaxFloat64), repeat(500, math.MaxFloat64)},
	} {
		t.Run(c.name, func(t *testing.T) {
			ref := newReference(t, drift.Numeric("x", c.reference))
			got := column(t, ref, drift.MethodWasserstein, profileOf(t, ref, drift.Numeric("x", c.current)))
			require.Equal(t, drift.Drifted, got.Verdict, got.Reason)
			require.GreaterOrEqual(t, got.Tests[0].EffectSize, got.Tests[0].Floor)
			require.Contains(t, got.Reason, "The values moved by ")
		})
	}
}

// What counting and merging make is never taken for corrupt, however the values are spread.
func TestProfile_WhatWasCountedCanBeRead(t *testing.T) {
	t.Parallel()
	samples := map[string][]float64{
		"the largest":          repeat(40, math.MaxFloat64),
		"the lowest":           repeat(40, -math.MaxFloat64),
		"both ends":            repeat(20, math.MaxFloat64, -math.MaxFloat64),
		"1e308":                repeat(20, 1e308, 1.1e308),
		"the smallest":         repeat(20, math.SmallestNonzeroFloat64, 0),
		"seven":                repeat(40, 7.0),
		"next to seven":        repeat(20, 7, math.Nextafter(7, 8)),
		"1e-17":                {1e-17},
		"all sizes":            repeat(3, 0, 1e-300, 1e-17, 1, -1, 7, 1e17, 1e300, -1e308),
		"half a unit and less": repeat(10, 0.5, math.Nextafter(0.5, 1), math.Nextafter(0.5, 0)),
	}
	for name := range distributions {
		samples[name] = drawn(name, 1, 3000)
	}
	for reference, values := range samples {
		ref := newReference(t, drift.Numeric("x", values))
		require.NoError(t, new(drift.Reference).UnmarshalJSON([]byte(toJSON(t, ref))), reference)
		all := ref.NewProfile()
		for current, values := range samples {
			p := profileOf(t, ref, drift.Numeric("x", values))
			require.NoError(t, all.Merge(p))
			for _, p := range []*drift.Profile{p, all} {
				requireReadable(t, ref, p, reference, current)
			}
		}
	}

	parameters := gopter.DefaultTestParametersWithSeed(20250107)
	parameters.MinSuccessfulTests = 300
	props := gopter.NewProperties(parameters)
	sample := gen.SliceOf(anyNumber())
	props.Property("any numbers", prop.ForAll(func(a, b, c []float64) bool {
		ref := newReference(t, drift.Numeric("x", append(a, 1)))
		p := profileOf(t, ref, drift.Numeric("x", b))
		require.NoError(t, p.Merge(profileOf(t, ref, drift.Numeric("x", c))))
		requireReadable(t, ref, p, "any", "any")
		return new(drift.Reference).UnmarshalJSON([]byte(toJSON(t, ref))) == nil
	}, sample, sample, sample))
	props.TestingRun(t)
}

func requireReadable(t *testing.T, ref *drift.Reference, p *drift.Profile, reference, current string) {
	t.Helper()
	require.NoError(t, ref.NewProfile().UnmarshalJSON([]byte(toJSON(t, p))), "%s on %s", current, reference)
	data, err := p.MarshalBinary()
	require.NoError(t, err)
	require.NoError(t, ref.NewProfile().UnmarshalBinary(data), "%s on %s", current, reference)
}

// Sums that no values between the extremes have are corrupt, even with a fitting checksum.
func TestProfile_SumsThatContradictTheRange(t *testing.T) {
	t.Parallel()
	ref := newReference(t, drift.Numeric("x", []float64{0, 1, 2, 3})) // counted from 2, in units of 2^-46
	for _, c := range []struct {
		name     string
		moments  string
		readable bool
	}{
		{"1 and 2", `{"n":2,"min":1,"max":2,"sum":"-1p0","squares":"1p0"}`, true},
		{"a unit off", `{"n":2,"min":1,"max":2,"sum":"1p-46","squares":"1p-92"}`, true},
		{"a mean above", `{"n":2,"min":1,"max":2,"sum":"1p-40","squares":"1p-80"}`, false},
		{"a mean below", `{"n":2,"min":1,"max":2,"sum":"-5p-1","squares":"19p-2"}`, false},
		{"an infinite mean", `{"n":2,"min":1,"max":2,"sum":"1p1040","squares":"1p2080"}`, false},
		{"too wide", `{"n":2,"min":1,"max":2,"sum":"-1p0","squares":"9p-3"}`, false},
		{"far too wide", `{"n":2,"min":1,"max":2,"sum":"-1p0","squares":"1p2000"}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := ref.NewProfile().UnmarshalJSON(profileWith(ref, c.moments))
			if c.readable {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, drift.ErrCorrupt)
			require.Regexp(t, `column "x" has a (mean|standard deviation)`, err.Error())
		})
	}

	form := toJSON(t, newReference(t, drift.Numeric("x", []float64{1, 2})))
	content := form[strings.Index(form, `"content":`)+len(`"content":`) : len(form)-1]
	require.Contains(t, content, `"sum":"-1p0"`)
	err := new(drift.Reference).UnmarshalJSON(withSum(strings.Replace(content, `"sum":"-1p0"`, `"sum":"1p-1"`, 1)))
	require.ErrorIs(t, err, drift.ErrCorrupt)
	require.ErrorContains(t, err, `column "x" has a mean that is not between its minimum 1 and maximum 2`)
}

// profileWith returns a profile of two rows of a reference of 0, 1, 2 and 3, with a fitting
// checksum.
func profileWith(ref *drift.Reference, moments string) []byte {
	content := fmt.Sprintf(`{"reference":%q,"rows":2,"columns":[{"cells":[0,0,0,1,0,1,0,0,0],"missing":0,"moments":%s}]}`, ref.Fingerprint(), moments)
	return seal("drift.profile", content)
}
