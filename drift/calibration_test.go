package drift_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

// tenColumns draws rows of ten columns of all sorts: numbers of several shapes, with missing
// values, infinities, and few distinct values, and categories that are few, many, and more
// than a reference can show.
func tenColumns(rng *rand.Rand, n int) []drift.Column {
	numbers := func(name string, draw func() float64) drift.Column {
		values := make([]float64, n)
		for i := range values {
			values[i] = draw()
		}
		return drift.Numeric(name, values)
	}
	names := func(name string, draw func() float64) drift.Column {
		values := make([]string, n)
		for i := range values {
			values[i] = fmt.Sprintf("level %d", int(draw()))
		}
		return drift.Categorical(name, values)
	}
	return []drift.Column{
		numbers("normal", rng.NormFloat64),
		numbers("uniform", rng.Float64),
		numbers("lognormal", func() float64 { return math.Exp(2 * rng.NormFloat64()) }),
		numbers("mostly zero", func() float64 { return max(0, rng.NormFloat64()-0.5) }),
		numbers("gaps", func() float64 {
			switch u := rng.Float64(); {
			case u < 0.05:
				return math.NaN()
			case u < 0.08:
				return math.Inf(1)
			}
			return rng.NormFloat64()
		}),
		numbers("count", func() float64 { return math.Floor(3 * rng.ExpFloat64()) }),
		numbers("flag", func() float64 { return math.Floor(rng.Float64() + 0.3) }),
		names("few", func() float64 { return 4 * rng.Float64() * rng.Float64() }),
		names("many", func() float64 { return 12 * rng.ExpFloat64() }),
		names("heavy tail", func() float64 { return 1 / (rng.Float64() + 1e-4) }),
	}
}

func profileOf(t testing.TB, ref *drift.Reference, columns ...drift.Column) *drift.Profile {
	t.Helper()
	p := ref.NewProfile()
	require.NoError(t, p.Add(columns))
	return p
}

func newReference(t testing.TB, columns ...drift.Column) *drift.Reference {
	t.Helper()
	ref, err := drift.NewReference(columns, drift.ReferenceConfig{})
	require.NoError(t, err)
	return ref
}

func detect(t testing.TB, ref *drift.Reference, cfg drift.Config, p *drift.Profile) *drift.Report {
	t.Helper()
	detector, err := drift.NewDetector(ref, cfg)
	require.NoError(t, err)
	report, err := detector.Detect(p)
	require.NoError(t, err)
	return report
}

// Without any change, the chance of any drifted column stays below Alpha. The floors are
// set so low that significance alone decides.
func TestDetector_FalseAlarms(t *testing.T) {
	t.Parallel()
	runs := 40
	if full() {
		runs = 1000
	}
	cfg := drift.Config{NumericEffect: 1e-9, CategoricalEffect: 1e-9, RateEffect: 1e-9}
	for _, size := range []struct{ reference, current int }{{300, 50}, {300, 200}, {500, 1000}, {600, 5000}} {
		t.Run(fmt.Sprintf("%d against %d", size.current, size.reference), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(20250101, uint64(size.current)))
			alarms := map[string]int{}
			any := 0
			for range runs {
				ref := newReference(t, tenColumns(rng, size.reference)...)
				report := detect(t, ref, cfg, profileOf(t, ref, tenColumns(rng, size.current)...))
				if drifted := report.DriftedColumns(); len(drifted) > 0 {
					any++
					for _, name := range drifted {
						alarms[name]++
					}
				}
			}
			require.LessOrEqual(t, any, mostAlarms(runs, 0.05), "false alarms by column: %v", alarms)
		})
	}
}

// Each change is found in at least 95 of 100 runs, one among ten columns, with the default
// configuration.
func TestDetector_Power(t *testing.T) {
	t.Parallel()
	const runs = 40
	cases := []struct {
		name, column string
		rows         int
		numbers      func(rng *rand.Rand, values []float64)
		names        func(rng *rand.Rand, values []string)
	}{
		{name: "a shift by half a standard deviation", column: "normal", rows: 200,
			numbers: func(_ *rand.Rand, values []float64) {
				for i := range values {
					values[i] += 0.5
				}
			}},
		{name: "a shift by two, and one value of a million", column: "normal", rows: 200,
			numbers: func(_ *rand.Rand, values []float64) {
				for i := range values {
					values[i] += 2
				}
				values[0] = 1e6
			}},
		{name: "a spread 1.6 times as wide", column: "normal", rows: 1000,
			numbers: func(_ *rand.Rand, values []float64) {
				for i := range values {
					values[i] *= 1.6
				}
			}},
		{name: "a missing rate from 0 to 5 %", column: "normal", rows: 1000,
			numbers: func(rng *rand.Rand, values []float64) {
				for i := range values {
					if rng.Float64() < 0.05 {
						values[i] = math.NaN()
					}
				}
			}},
		{name: "an infinite rate from 0 to 5 %", column: "normal", rows: 1000,
			numbers: func(rng *rand.Rand, values []float64) {
				for i := range values {
					if rng.Float64() < 0.05 {
						values[i] = math.Inf(-1)
					}
				}
			}},
		{name: "5 % unseen", column: "few", rows: 1000,
			names: func(rng *rand.Rand, values []string) {
				for i := range values {
					if rng.Float64() < 0.05 {
						values[i] = "new"
					}
				}
			}},
		{name: "a level that is gone", column: "few", rows: 200,
			names: func(_ *rand.Rand, values []string) {
				for i := range values {
					if values[i] == "level 1" {
						values[i] = "level 0"
					}
				}
			}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(20250102, 1))
			found := 0
			var ref *drift.Reference
			for run := range runs {
				if run%10 == 0 {
					ref = newReference(t, tenColumns(rng, 1000)...)
				}
				current := tenColumns(rng, c.rows)
				i := slices.IndexFunc(current, func(column drift.Column) bool { return column.Name() == c.column })
				if c.numbers != nil {
					values := make([]float64, c.rows)
					for i := range values {
						values[i] = rng.NormFloat64()
					}
					c.numbers(rng, values)
					current[i] = drift.Numeric(c.column, values)
				} else {
					values := make([]string, c.rows)
					for i := range values {
						values[i] = fmt.Sprintf("level %d", int(4*rng.Float64()*rng.Float64()))
					}
					c.names(rng, values)
					current[i] = drift.Categorical(c.column, values)
				}
				if slices.Contains(detect(t, ref, drift.Config{}, profileOf(t, ref, current...)).DriftedColumns(), c.column) {
					found++
				}
			}
			require.GreaterOrEqual(t, float64(found), 0.95*runs)
		})
	}
}
