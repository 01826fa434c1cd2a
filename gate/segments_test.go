package gate_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/internal/multinomial"
	"github.com/selfheal-ml/selfheal/gate/metrics"
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
	for name, c := range map[string]gate.SegmentVeto{
		"point":  {Metric: metrics.F1, MaxDrop: 0.05, MinRows: 30},
		"proven": {Metric: metrics.F1, MaxDrop: 0.05, MinRows: 30, Alpha: 0.05},
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
	verdict(t, gate.Fail, gate.SegmentVeto{Metric: metrics.F1, MaxDrop: 0.01, MinRows: 30}, e)
	check := verdict(t, gate.Pass, gate.SegmentVeto{Metric: metrics.F1, MaxDrop: 0.01, MinRows: 30, Alpha: 0.05}, e)
	require.Equal(t, gate.VetoIfWorse, check.Proof)
	require.Contains(t, check.Reason, ", p = 1; ")
	require.Contains(t, check.Reason, "0 of 5 segments proven worse")
}

func TestSegments_TooSmall(t *testing.T) {
	t.Parallel()
	c := gate.SegmentVeto{Metric: metrics.F1, MaxDrop: 0.05, MinRows: 700}
	e := better(t)
	check := verdict(t, gate.Skipped, c, e)
	require.Equal(t, "no segment can be compared; too small to tell: region=east (666 rows), region=north (667 rows), region=south (667 rows)", check.Reason)
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
	check = verdict(t, gate.Skipped, gate.SegmentVeto{Metric: metrics.F1, MinRows: 101}, many)
	require.Contains(t, check.Reason, "region=e (100 rows) and 15 more")
}

// TestSegments_Results looks at what is found of each segment: one worse, one that has
// enough rows to rule that out, and some that are too small.
func TestSegments_Results(t *testing.T) {
	t.Parallel()
	truth, a, b := scores(21, 9000, 0.3, 0.4)
	e, err := gate.FromScores(truth, a, b)
	require.NoError(t, err)
	e.Segments = map[string][]string{"region": make([]string, e.N())}
	for i := range e.N() {
		region := "north"
		switch {
		case i < 20:
			region = "tiny"
		case i < 120:
			region = "small"
			e.Shadow.Class[i] = e.Production.Class[i]
		case i < 2000:
			region = "south"
		}
		e.Segments["region"][i] = region
	}
	spoilSegment(&e, "south", 2)
	c := gate.SegmentVeto{Metric: metrics.F1, MaxDrop: 0.05, MinRows: 30, Alpha: 0.05}
	check := verdict(t, gate.Fail, c, e)
	require.Len(t, check.Segments, 4)
	north, small, south, tiny := check.Segments[0], check.Segments[1], check.Segments[2], check.Segments[3]

	require.Equal(t, "region=north", north.Segment)
	require.Equal(t, 7000, north.Rows)
	require.Equal(t, gate.Pass, north.Verdict)
	require.Negative(t, north.Drop)
	require.InDelta(t, (north.Production-north.Shadow)/north.Production, north.Drop, 1e-9)
	require.Equal(t, 1.0, north.PValue)
	require.Zero(t, north.Needed)

	require.Equal(t, gate.Undecided, small.Verdict, "the same answers on 100 rows")
	require.Zero(t, small.Drop)
	require.Greater(t, small.Detectable, 0.05)
	require.Greater(t, small.Needed, 100)
	require.Contains(t, check.Reason, fmt.Sprintf("region=small (100 rows, which show a drop of %.1f %%; ", 100*small.Detectable))

	require.Equal(t, gate.Fail, south.Verdict)
	require.Greater(t, south.Drop, 0.05)
	require.Less(t, south.PValue, 0.05)
	require.Zero(t, south.Needed)
	require.Equal(t, south.Drop, check.Statistic)

	require.Equal(t, gate.SegmentResult{Segment: "region=tiny", Rows: 20, Verdict: gate.Undecided}, tiny)
	require.Contains(t, check.Reason, "region=tiny (20 rows)")

	// A point estimate knows of no drop that it could have missed.
	c.Alpha = 0
	check = verdict(t, gate.Fail, c, e)
	require.Equal(t, gate.Pass, check.Segments[1].Verdict)
	require.Zero(t, check.Segments[1].Detectable)
	require.Zero(t, check.Segments[2].PValue)
}

// TestSegments_Detectable spoils a segment by as much as another says it would show, and
// finds it vetoed about as often as it says: in 80 % of cases, over simulated rows.
func TestSegments_Detectable(t *testing.T) {
	t.Parallel()
	const runs, rows = 150, 800
	p := population{positive: 1.0 / 3, rho: 0.8, production: 1.5, shadow: 1.5}
	c := gate.SegmentVeto{Metric: metrics.F1, MaxDrop: 0.02, MinRows: 30, Alpha: 0.05, Draws: 300}
	draw := func(p population, seed uint64) gate.SegmentResult {
		var s segmented
		counts := make([]float64, 8)
		multinomial.New(rows, p.cells(), seed).Draw(counts)
		s.add(counts, "a")
		e := s.evidence()
		return c.Check(&e).Segments[0]
	}
	var detectable float64
	for run := range runs {
		detectable += draw(p, uint64(run)).Detectable / runs
	}
	lowered := p.lowered(1 - detectable)
	vetoes := 0
	for run := range runs {
		if draw(lowered, uint64(runs+run)).Verdict == gate.Fail {
			vetoes++
		}
	}
	require.InDelta(t, 0.8, float64(vetoes)/runs, 0.12, "a drop of %.1f %%", 100*detectable)
}

// TestSegments_OtherMetrics compares metrics of single rows by segment.
func TestSegments_OtherMetrics(t *testing.T) {
	t.Parallel()
	e := better(t)
	worse := e
	worse.Production, worse.Shadow = &e.Shadow, *e.Production
	for _, m := range []metrics.Metric{metrics.Brier, metrics.LogLoss, metrics.ROCAUC, metrics.PRAUC} {
		for _, alpha := range []float64{0, 0.05} {
			c := gate.SegmentVeto{Metric: m, MaxDrop: 0.02, MinRows: 30, Alpha: alpha}
			check := verdict(t, gate.Pass, c, e)
			require.Len(t, check.Segments, 3)
			check = verdict(t, gate.Fail, c, worse)
			require.Contains(t, check.Reason, "3 of 3 segments")
		}
	}
	numbers := regression(900, 1.5)
	numbers.Segments = map[string][]string{"k": make([]string, numbers.N())}
	for i := range numbers.N() {
		numbers.Segments["k"][i] = string(rune('a' + i%3))
	}
	verdict(t, gate.Fail, gate.SegmentVeto{Metric: metrics.Primary, MaxDrop: 0.05, MinRows: 30, Alpha: 0.05}, numbers)
}

// A shadow that answers a single class in a segment has no MCC there, which must not be
// taken for a segment too small to tell.
func TestSegments_OneClassAnswered(t *testing.T) {
	t.Parallel()
	e := better(t)
	for i, r := range e.Segments["region"] {
		if r == "south" {
			e.Shadow.Class[i] = 0
		}
	}
	for _, m := range []metrics.Metric{metrics.MCC, metrics.Precision} {
		for _, alpha := range []float64{0, 0.05} {
			c := gate.SegmentVeto{Metric: m, MaxDrop: 0.05, MinRows: 30, Alpha: alpha}
			check := verdict(t, gate.Undecided, c, e)
			require.Contains(t, check.Reason, m.Title()+" has no value for the shadow in region=south (667 rows), where production's is 0.")
			require.Contains(t, check.Reason, "it never answers a class that occurs there")
			require.True(t, check.Segments[2].Undefined)
			require.Positive(t, check.Segments[2].Production)
			c.MinRows = 1000
			verdict(t, gate.Skipped, c, e)
		}
	}
	verdict(t, gate.Fail, gate.SegmentVeto{Metric: metrics.F1, MaxDrop: 0.05, MinRows: 30, Alpha: 0.05}, e)
}

// Segments that spell alike are not taken for each other.
func TestSegments_SpelledAlike(t *testing.T) {
	t.Parallel()
	e := regression(400, 0.5)
	e.Segments = map[string][]string{"a": make([]string, 400), "a=b": make([]string, 400)}
	for i := range 400 {
		e.Segments["a"][i] = []string{"b=c", "x"}[i%2]
		e.Segments["a=b"][i] = []string{"y", "c"}[i%2]
		if i%2 == 1 {
			e.Shadow.Value[i] += 3
		}
	}
	policy := gate.Policy{Criteria: []gate.Criterion{gate.SegmentVeto{Metric: metrics.RMSE, MaxDrop: 0.05, MinRows: 30, Alpha: 0.05}}}
	first := gate.Evaluate(policy, e)
	require.Equal(t, gate.Reject, first.Outcome)
	for range 20 {
		require.Equal(t, hash(t, first), hash(t, gate.Evaluate(policy, e)))
	}
	again, err := gate.Recompute(stored(t, first))
	require.NoError(t, err)
	require.Equal(t, hash(t, first), hash(t, again))
}

// A decision does not grow with the segments that say nothing.
func TestSegments_Omitted(t *testing.T) {
	t.Parallel()
	const n = 3000
	e, err := gate.FromValues(make([]float64, n), repeat(1, n), repeat(0.5, n))
	require.NoError(t, err)
	e.Segments = map[string][]string{"id": slices.Clone(e.IDs)}
	for i := range 40 {
		e.Segments["id"][i] = "many"
	}
	check := verdict(t, gate.Pass, gate.SegmentVeto{Metric: metrics.RMSE, MinRows: 30}, e)
	require.Len(t, check.Segments, 1001)
	require.Equal(t, n-40-1000, check.Omitted)
	require.Contains(t, check.Reason, " and 2955 more")
	require.True(t, slices.ContainsFunc(check.Segments, func(s gate.SegmentResult) bool { return s.Segment == "id=many" }))
}

// A segment of too few rows for an inference shows both metrics, as they were measured.
func TestSegments_TooFewForInference(t *testing.T) {
	t.Parallel()
	for _, m := range []metrics.Metric{metrics.BalancedAccuracy, metrics.Brier} {
		e := better(t)
		for i := range e.N() {
			e.Segments["region"][i] = "big"
			if i%80 == 0 {
				e.Segments["region"][i] = "small"
			}
		}
		c := gate.SegmentVeto{Metric: m, MaxDrop: 0.05, MinRows: 10, Alpha: 0.05}
		d := gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{c}}, e)
		require.Len(t, d.Checks[0].Segments, 2)
		small := d.Checks[0].Segments[1]
		require.Equal(t, 25, small.Rows)
		require.Equal(t, gate.Undecided, small.Verdict)
		require.Positive(t, small.Production)
		require.Positive(t, small.Shadow)
		require.Negative(t, small.Drop, "it is better")
		require.Zero(t, small.PValue)
		require.Contains(t, d.Checks[0].Reason, "of 1 segments proven worse; too small to tell: region=small (25 rows)")
		require.NotContains(t, markdown(t, d), "-100.0 %")
		_, err := gate.Recompute(stored(t, d))
		require.NoError(t, err)
	}
}

// Errors of production next to nothing make a drop that no number holds.
func TestSegments_DetectableBeyondNumbers(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	truth, production, shadow := make([]float64, 300), make([]float64, 300), make([]float64, 300)
	for i := range production {
		production[i] = 2.8e-308 * rng.Float64()
	}
	shadow[0] = 420
	e, err := gate.FromValues(truth, production, shadow)
	require.NoError(t, err)
	e.Segments = map[string][]string{"k": make([]string, 300)}
	d := gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{gate.SegmentVeto{Metric: metrics.MAE, MaxDrop: 0.05, MinRows: 10, Alpha: 0.05}}}, e)
	checkDecision(t, e, d)
	require.Len(t, d.Checks[0].Segments, 1, d.Checks[0].Reason)
	require.Zero(t, d.Checks[0].Segments[0].Detectable)
	require.Zero(t, d.Checks[0].Segments[0].Needed, "out of reach")
}

func TestSegments_Repeatable(t *testing.T) {
	t.Parallel()
	e := better(t)
	c := gate.SegmentVeto{Metric: metrics.F1, MaxDrop: 0.05, MinRows: 30, Alpha: 0.05}
	first := c.Check(&e)
	for range 10 {
		require.Equal(t, first, c.Check(&e), "whatever processor a segment is compared on")
	}
}

func TestSegments_Columns(t *testing.T) {
	t.Parallel()
	e := better(t)
	check := verdict(t, gate.Errored, gate.SegmentVeto{Metric: metrics.F1, Columns: []string{"region", "age"}}, e)
	require.Equal(t, `the evidence has no segments by "age"`, check.Reason)
	e.Segments = nil
	check = verdict(t, gate.Skipped, gate.SegmentVeto{Metric: metrics.F1}, e)
	require.Equal(t, "the evidence has no segments", check.Reason)
	e = alone(e)
	verdict(t, gate.Errored, gate.SegmentVeto{Metric: metrics.F1}, e)
}

func TestSegments_NotMeasurable(t *testing.T) {
	t.Parallel()
	e := better(t)
	e.Shadow.Probability = nil
	check := verdict(t, gate.Errored, gate.SegmentVeto{Metric: metrics.Brier}, e)
	require.Contains(t, check.Reason, "segment region=east: ")
}

// Without segments nothing is measured, so that it does not matter whether the metric suits.
func TestSegments_None(t *testing.T) {
	t.Parallel()
	check := verdict(t, gate.Skipped, gate.SegmentVeto{Metric: metrics.F1}, regression(40, 0.5))
	require.Equal(t, "the evidence has no segments", check.Reason)
}

func TestSegments_ZeroIncumbent(t *testing.T) {
	t.Parallel()
	e := tiny(t, []float64{1, 1, 0, 0}, []float64{0, 0, 0, 0}, []float64{1, 0, 0, 0})
	e.Segments = map[string][]string{"k": {"a", "a", "a", "a"}}
	check := verdict(t, gate.Pass, gate.SegmentVeto{Metric: metrics.F1, MaxDrop: 0.05}, e)
	require.Contains(t, check.Reason, "(0.667 better, at most 0.050 worse allowed)")
}

func TestSegments_Validate(t *testing.T) {
	t.Parallel()
	require.NoError(t, validate(gate.SegmentVeto{Metric: metrics.Primary}))
	err := validate(gate.SegmentVeto{Metric: metrics.Named("x"), MaxDrop: nan, MinRows: -1, Alpha: 0.6, Draws: 1})
	for _, want := range []string{"Metric", "MaxDrop is NaN", "MinRows is -1", "Alpha is 0.6", "Draws is 1"} {
		require.ErrorContains(t, err, want)
	}
}

// A shadow that makes no error in a segment without positive rows has no F1 there, which
// is no reason to hold it back.
func TestSegments_NoPositives(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 29, 40, 200} {
		e := better(t)
		for i := range size {
			e.Segments["region"][i] = "negatives"
			e.Truth.Class[i], e.Production.Class[i], e.Shadow.Class[i] = 0, 0, 0
		}
		e.Production.Class[0] = 1
		d := gate.Evaluate(gate.Standard(), e)
		require.Equal(t, gate.Promote, d.Outcome, d.Reasons())
		for _, c := range []gate.SegmentVeto{
			{Metric: metrics.F1, MaxDrop: 0.05}, {Metric: metrics.F1, MaxDrop: 0.05, Alpha: 0.05},
			{Metric: metrics.Precision, MaxDrop: 0.05}, {Metric: metrics.Precision, MaxDrop: 0.05, Alpha: 0.05},
		} {
			check := verdict(t, gate.Pass, c, e)
			require.Equal(t, gate.SegmentResult{Segment: "region=negatives", Rows: size, Verdict: gate.Undecided}, check.Segments[1])
			require.Contains(t, check.Reason, fmt.Sprintf("of 3 segments %s; too small to tell: region=negatives (%d rows)", map[bool]string{false: "worse", true: "proven worse"}[c.Alpha > 0], size))
		}
	}
}

// Rows that are too few to prove a drop do not hold back the decision, whatever is missing
// in them.
func TestSegments_FewRowsNeverHold(t *testing.T) {
	t.Parallel()
	for _, m := range []metrics.Metric{metrics.Precision, metrics.MCC} {
		for _, rows := range []int{2, 29, 30} {
			e := better(t)
			for i := range rows {
				e.Segments["region"][i] = "few"
				e.Truth.Class[i], e.Production.Class[i], e.Shadow.Class[i] = i%2, i%2, 0
			}
			c := gate.SegmentVeto{Metric: m, MaxDrop: 0.05, Alpha: 0.05}
			d := gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{c}}, e)
			check := d.Checks[0]
			require.Equal(t, rows == 30, check.Segments[1].Undefined)
			if rows == 30 {
				require.Equal(t, gate.Undecided, check.Verdict, check.Reason)
				continue
			}
			require.Equal(t, gate.Pass, check.Verdict, check.Reason)
			require.Contains(t, check.Reason, fmt.Sprintf("too small to tell: region=few (%d rows)", rows))
			require.NotContains(t, markdown(t, d), "-100.0 %", "there is no change to show")
			c.Alpha = 0
			verdict(t, gate.Undecided, c, e)
		}
	}
}

// Many segments of evidence that nobody validated take a time that grows with the rows,
// not with their square.
func TestSegments_ManyOfBareEvidence(t *testing.T) { // alone, to see how long it takes
	truth, a, b := scores(5, 20_000, 0.1, 0.4)
	e, err := gate.FromScores(truth, a, b)
	require.NoError(t, err)
	e.Segments = map[string][]string{"pair": make([]string, e.N())}
	for i := range e.N() {
		e.Segments["pair"][i] = fmt.Sprint(i / 2)
	}
	c := gate.SegmentVeto{Metric: metrics.Brier, MaxDrop: 0.05}
	lowest := func(do func()) time.Duration { // a busy machine may hold up one of them
		least := time.Duration(math.MaxInt64)
		for range 3 {
			begin := time.Now()
			do()
			least = min(least, time.Since(begin))
		}
		return least
	}
	decided := lowest(func() { gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{c}}, e) })
	checked := lowest(func() { c.Check(&e) })
	require.Less(t, checked, 8*decided+500*time.Millisecond)
	e.Shadow.Class[7] = 2
	require.Contains(t, verdict(t, gate.Errored, c, e).Reason, "shadow: Class[7] is 2")
}
