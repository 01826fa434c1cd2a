package drift_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

// floats reads any bytes as numbers, NaN and infinities among them.
func floats(data []byte) []float64 {
	values := make([]float64, 0, len(data)/8)
	for len(data) >= 8 {
		values = append(values, math.Float64frombits(binary.LittleEndian.Uint64(data)))
		data = data[8:]
	}
	return values
}

func bytesOf(values ...float64) []byte {
	var data []byte
	for _, x := range values {
		data = binary.LittleEndian.AppendUint64(data, math.Float64bits(x))
	}
	return data
}

func addSamples(f *testing.F) {
	f.Add(bytesOf(1, 2, 3), bytesOf(2, 3, 4, 5))
	f.Add(bytesOf(), bytesOf(math.NaN()))
	f.Add(bytesOf(math.MaxFloat64, -math.MaxFloat64, 0), bytesOf(math.Inf(1), math.Inf(-1), math.Copysign(0, -1)))
	f.Add(bytesOf(5e-324, 1e-323, 2e-323), bytesOf(0, 5e-324, 1.5e-323))
	f.Add(bytesOf(1e20, math.Nextafter(1e20, 2e20)), bytesOf(1e20, 1e20))
}

func FuzzSamples(f *testing.F) {
	addSamples(f)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		reference, current := floats(a), floats(b)
		if ks, err := drift.KolmogorovSmirnov(reference, current); err == nil {
			requireUnit(t, ks.Statistic, ks.PValue, ks.EffectSize)
		}
		if w, err := drift.Wasserstein1(reference, current); err == nil {
			requireUnit(t, w.EffectSize)
			require.True(t, w.Statistic >= 0 && !math.IsInf(w.Statistic, 0), w.Statistic)
		}
	})
}

func FuzzCounts(f *testing.F) {
	f.Add(bytesOf(1, 2, 3), bytesOf(2, 0, 4))
	f.Add(bytesOf(1e308, 1), bytesOf(5e-324, 0))
	f.Add(bytesOf(1e200, 1), bytesOf(1e200, 1e-200))
	f.Add(bytesOf(-1, 1), bytesOf(math.NaN(), 1))
	f.Add(bytesOf(1, 1e10), bytesOf(5e-324, 1e10))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		reference, current := floats(a), floats(b)
		for name, method := range map[string]func(r, c []float64) (drift.Result, error){
			"PSI":            drift.PSI[float64],
			"JensenShannon":  drift.JensenShannon[float64],
			"TotalVariation": drift.TotalVariation[float64],
			"ChiSquare":      drift.ChiSquare[float64],
		} {
			r, err := method(reference, current)
			if err != nil {
				require.ErrorIs(t, err, drift.ErrInvalidInput)
				continue
			}
			requireUnit(t, r.EffectSize)
			require.True(t, r.Statistic >= 0, "%s: %v", name, r.Statistic)
			if name == "ChiSquare" {
				requireUnit(t, r.PValue)
			}
		}
	})
}

func requireUnit(t *testing.T, values ...float64) {
	t.Helper()
	for _, x := range values {
		require.True(t, x >= 0 && x <= 1, "%v is not in [0, 1]", x)
	}
}

// Whatever the numbers, there is a report, in plain JSON and as a page.
func FuzzDetect(f *testing.F) {
	addSamples(f)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		ref, err := drift.NewReference([]drift.Column{
			drift.Numeric("x", floats(a)), drift.Categorical("c", chunks(a, 8)),
		}, drift.ReferenceConfig{Cells: 2 + len(b)%7})
		if err != nil {
			require.ErrorIs(t, err, drift.ErrInvalidInput)
			return
		}
		p := profileOf(t, ref, drift.Numeric("x", floats(b)), drift.Categorical("c", chunks(b, 8)))
		report := detect(t, ref, drift.Config{MinRows: 1}, p)
		data, err := json.Marshal(report)
		require.NoError(t, err)
		var read drift.Report
		require.NoError(t, json.Unmarshal(data, &read))
		for _, c := range report.Columns {
			var reference, current float64
			for _, bin := range c.Histogram {
				reference += bin.Reference
				current += bin.Current
			}
			if len(c.Histogram) > 0 {
				require.InDelta(t, 1, reference, 1e-9)
				require.InDelta(t, 1, current, 1e-9)
			}
			for _, test := range c.Tests {
				requireUnit(t, test.PValue, test.AdjustedPValue, test.EffectSize)
			}
		}
		requireFiniteReports(t, ref, p)
	})
}

// chunks cuts data into strings of n bytes.
func chunks(data []byte, n int) []string {
	var all []string
	for len(data) >= n {
		all = append(all, string(data[:n]))
		data = data[n:]
	}
	return all
}

func FuzzReference_UnmarshalJSON(f *testing.F) {
	ref := newReference(f, drift.Numeric("x", []float64{1, 2, 3, math.NaN(), math.Inf(1)}), drift.Categorical("c", repeat(1, "a", "b", "b", "a", "c")))
	data, err := json.Marshal(ref)
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte(`{"kind":"drift.reference","schema_version":1,"sha256":"","content":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r drift.Reference
		if err := r.UnmarshalJSON(data); err != nil {
			require.ErrorIs(t, err, drift.ErrCorrupt)
			return
		}
		again, err := r.MarshalJSON()
		require.NoError(t, err)
		var same drift.Reference
		require.NoError(t, same.UnmarshalJSON(again))
		require.Equal(t, r.Fingerprint(), same.Fingerprint())
		requireFiniteReports(t, &r, r.NewProfile())
	})
}

// requireFiniteReports requires that what was decoded gives a report of finite numbers by
// each of the methods.
func requireFiniteReports(t *testing.T, ref *drift.Reference, p *drift.Profile) {
	t.Helper()
	for _, method := range numericMethods {
		report := detect(t, ref, drift.Config{NumericMethod: method, MinRows: 1}, p)
		requireFinite(t, report, "%s", method)
		require.NotContains(t, html(t, report), "NaN")
	}
}

func FuzzProfile_UnmarshalJSON(f *testing.F) {
	columns := []drift.Column{drift.Numeric("x", []float64{1, 2, 3, math.NaN(), math.Inf(1)}), drift.Categorical("c", repeat(1, "a", "b", "b", "a", "c"))}
	ref := newReference(f, columns...)
	data, err := json.Marshal(profileOf(f, ref, columns...))
	require.NoError(f, err)
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		p := ref.NewProfile()
		if err := p.UnmarshalJSON(data); err != nil {
			require.Zero(t, p.Rows())
			return
		}
		require.NoError(t, p.Merge(p))
		requireFiniteReports(t, ref, p)
	})
}

// With a fitting checksum too, what is read is refused or gives a report of finite numbers,
// whatever the sums and extremes say: of a profile, and of a reference that is compared with
// others.
func FuzzProfile_Moments(f *testing.F) {
	f.Add(1.0, 2.0, "1p1040", "1p2080", 0.0)
	f.Add(1.0, 2.0, "-1p0", "1p0", 2.0)
	f.Add(-math.MaxFloat64, math.MaxFloat64, "0p0", "0p0", 0.0)
	f.Add(math.MaxFloat64, math.MaxFloat64, "1fffffffffffffp971", "3ffffffffffffc00000000000001p1942", 1e308)
	f.Add(0.0, 5e-324, "1p-1020", "1p-2040", 0.0)
	f.Fuzz(func(t *testing.T, lo, hi float64, sum, squares string, centre float64) {
		extremes, err := json.Marshal([]float64{lo, hi})
		if err != nil {
			return // no JSON, and no extremes
		}
		number := strings.Split(strings.Trim(string(extremes), "[]"), ",")
		moments := fmt.Sprintf(`{"n":2,"min":%s,"max":%s,"sum":%q,"squares":%q}`, number[0], number[1], sum, squares)

		ref := newReference(t, drift.Numeric("x", []float64{0, 1, 2, 3}))
		if p := ref.NewProfile(); p.UnmarshalJSON(profileWith(ref, moments)) == nil {
			requireFiniteReports(t, ref, p)
			require.NoError(t, p.Merge(profileOf(t, ref, drift.Numeric("x", []float64{lo, hi, centre}))))
			requireFiniteReports(t, ref, p)
		}

		centres, err := json.Marshal(centre)
		if err != nil {
			return
		}
		content := fmt.Sprintf(`{"rows":2,"columns":[{"name":"x","kind":"numeric","numbers":{"edges":[0,1],`+
			`"grid":{"size":1,"centre":0,"rate":1},"unit":{"centre":%s,"exponent":-47}},`+
			`"counts":{"cells":[0,1,1],"missing":0,"moments":%s}}]}`, centres, moments)
		var read drift.Reference
		if read.UnmarshalJSON(seal("drift.reference", content)) == nil {
			requireFiniteReports(t, &read, profileOf(t, &read, drift.Numeric("x", []float64{lo, hi, centre})))
		}
	})
}
