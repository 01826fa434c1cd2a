package drift_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
)

// Numbers far beyond the reference are drift though their share is below the floor of D.
func TestDetector_OutOfRange(t *testing.T) {
	t.Parallel()
	mixed := func(zeros, others int, value float64) drift.Column {
		values := repeat(zeros, 0.0)
		for i := range others {
			values = append(values, value+float64(i%7))
		}
		return drift.Numeric("x", values)
	}
	ref := newReference(t, mixed(960, 40, 100))
	for _, c := range []struct {
		name    string
		current drift.Column
		want    drift.Verdict
		rate    float64
	}{
		{"as before", mixed(960, 40, 100), drift.Stable, 0},
		{"a thousand times as large", mixed(960, 40, 100_000), drift.Drifted, 0.04},
		{"below all", mixed(960, 40, -50), drift.Drifted, 0.04},
		{"one row", mixed(999, 1, 100_000), drift.Stable, 0.001},
	} {
		t.Run(c.name, func(t *testing.T) {
			report := detect(t, ref, drift.Config{}, profileOf(t, ref, c.current)).Columns[0]
			require.Equal(t, c.want, report.Verdict, report.Reason)
			require.Equal(t, c.rate, report.Current.OutOfRangeRate)
			require.Equal(t, c.rate, test(t, report, drift.MethodOutOfRange).Observed)
		})
	}

	// A reference without numbers has no range, and the least of all numbers none below it.
	for _, reference := range [][]float64{repeat(100, math.Inf(1)), repeat(100, math.NaN()), repeat(50, -math.MaxFloat64, 1)} {
		ref := newReference(t, drift.Numeric("x", reference))
		report := detect(t, ref, drift.Config{}, profileOf(t, ref, drift.Numeric("x", reference))).Columns[0]
		require.Zero(t, report.Current.OutOfRangeRate)
		require.Zero(t, report.Reference.OutOfRangeRate)
		require.NotEqual(t, drift.Drifted, report.Verdict)
	}
}

// The p-value of x values above all n of the reference is twice that of the x largest of n+m
// being current ones, at any size.
func TestDetector_OutOfRangePValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ n, m, x int64 }{{40, 60, 1}, {40, 60, 5}, {1000, 50, 2}, {1e9, 1e9, 3}, {1 << 52, 1 << 52, 10}} {
		want := 2.0
		for i := range c.x {
			want *= float64(c.m-i) / float64(c.n+c.m-i)
		}
		requireClose(t, want/2, nulldist.Extreme(c.x, c.n, c.m), 1e-9, c)
	}
	require.Equal(t, 1.0, nulldist.Extreme(0, 5, 5))
}

// test returns the column's test of that name.
func test(t *testing.T, c drift.ColumnReport, name drift.Method) drift.Test {
	t.Helper()
	for _, test := range c.Tests {
		if test.Name == name {
			return test
		}
	}
	require.Fail(t, "no such test", name)
	return drift.Test{}
}
