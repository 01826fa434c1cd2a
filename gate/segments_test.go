package gate_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
)

// spoilSegment makes the shadow wrong on a share of the segment's rows that it had right
// and that are positive.
func spoilSegment(e *gate.Evidence, region string, every int) {
	k := 0
	for i, r := range e.Segments["region"] {
		if r == region && e.Truth.Class[i] == 1 {
			if k%every == 0 {
				e.Shadow.Class[i] = 0
			}
			k++
		}
	}
}

func TestSegments(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]gate.Segments{
		"point":  {Metric: gate.F1, MaxDrop: 0.05, MinRows: 30},
		"proven": {Metric: gate.F1, MaxDrop: 0.05, MinRows: 30, Alpha: 0.05},
	} {
		t.Run(name, func(t *testing.T) {
			e := better(t)
			check := verdict(t, gate.Pass, c, e)
			require.Less(t, check.Statistic, 0.0, "better everywhere")
			require.Contains(t, check.Reason, "0 of 3 segments")
			require.Contains(t, check.Reason, "% better")

			spoilSegment(&e, "south", 1)
			check = verdict(t, gate.Fail, c, e)
			require.Contains(t, check.Reason, "worst in region=south: F1 falls from ")
			require.Contains(t, check.Reason, "(100.0 % worse, at most 5.0 % worse allowed) on 667 rows")
			require.Contains(t, check.Reason, "1 of 3 segments")
			require.Equal(t, 667, check.N)
			require.InDelta(t, 1, check.Statistic, 1e-9)
		})
	}
}

func TestSegments_ChanceIsNoVetoWithAlpha(t *testing.T) {
	t.Parallel()
	truth, a, b := scores(7, 200, 0.3, 0.3)
	e, err := gate.FromScores(truth, a, b)
	require.NoError(t, err)
	e.Segments = map[string][]string{"k": make([]string, 200)}
	for i := range 200 {
		e.Segments["k"][i] = string(rune('a' + i%5))
	}
	verdict(t, gate.Fail, gate.Segments{Metric: gate.F1, MaxDrop: 0.01, MinRows: 30}, e)
	check := verdict(t, gate.Pass, gate.Segments{Metric: gate.F1, MaxDrop: 0.01, MinRows: 30, Alpha: 0.05}, e)
	require.Equal(t, gate.VetoIfWorse, check.Proof)
	require.Contains(t, check.Reason, ", p = 1; ")
	require.Contains(t, check.Reason, "0 of 5 segments proven worse")
}

func TestSegments_TooSmall(t *testing.T) {
	t.Parallel()
	c := gate.Segments{Metric: gate.F1, MaxDrop: 0.05, MinRows: 700}
	e := better(t)
	check := verdict(t, gate.Pass, c, e)
	require.Equal(t, "no segment to compare; too small to tell: region=east (666 rows), region=north (667 rows), region=south (667 rows)", check.Reason)
	require.Zero(t, check.N)

	// One segment has no positive row, so that its F1 is undefined.
	c.MinRows = 0
	for i, r := range e.Segments["region"] {
		if r == "north" {
			e.Truth.Class[i], e.Production.Class[i], e.Shadow.Class[i] = 0, 0, 0
		}
	}
	check = verdict(t, gate.Pass, c, e)
	require.Contains(t, check.Reason, "0 of 2 segments worse; too small to tell: region=north (667 rows)")

	many := better(t)
	for i := range many.Segments["region"] {
		many.Segments["region"][i] = string(rune('a' + i%20))
	}
	check = verdict(t, gate.Pass, gate.Segments{Metric: gate.F1, MinRows: 101}, many)
	require.Contains(t, check.Reason, "region=e (100 rows) and 15 more")
}

func TestSegments_Columns(t *testing.T) {
	t.Parallel()
	e := better(t)
	check := verdict(t, gate.Error, gate.Segments{Metric: gate.F1, Columns: []string{"region", "age"}}, e)
	require.Equal(t, `the evidence has no segments by "age"`, check.Reason)
	e.Segments = nil
	check = verdict(t, gate.Pass, gate.Segments{Metric: gate.F1}, e)
	require.Equal(t, "no segment to compare", check.Reason)
	e.Production = nil
	verdict(t, gate.Error, gate.Segments{Metric: gate.F1}, e)
}

func TestSegments_NotMeasurable(t *testing.T) {
	t.Parallel()
	e := better(t)
	e.Shadow.Probability = nil
	check := verdict(t, gate.Error, gate.Segments{Metric: gate.Brier}, e)
	require.Contains(t, check.Reason, "segment region=east: ")
}

func TestSegments_ZeroIncumbent(t *testing.T) {
	t.Parallel()
	e := tiny(t, []float64{1, 1, 0, 0}, []float64{0, 0, 0, 0}, []float64{1, 0, 0, 0})
	e.Segments = map[string][]string{"k": {"a", "a", "a", "a"}}
	check := verdict(t, gate.Pass, gate.Segments{Metric: gate.F1, MaxDrop: 0.05}, e)
	require.Contains(t, check.Reason, "(0.667 better, at most 0.050 worse allowed)")
}

func TestSegments_Validate(t *testing.T) {
	t.Parallel()
	require.NoError(t, gate.Segments{Metric: gate.Primary}.Validate())
	err := gate.Segments{Metric: "x", MaxDrop: nan, MinRows: -1, Alpha: 0.6, Draws: 1}.Validate()
	for _, want := range []string{"Metric", "MaxDrop is NaN", "MinRows is -1", "Alpha is 0.6", "Draws is 1"} {
		require.ErrorContains(t, err, want)
	}
}
