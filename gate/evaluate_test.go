package gate_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/labels"
)

// says returns a criterion with a fixed verdict.
func says(v gate.Verdict) gate.Criterion {
	return gate.CriterionFunc(func(*gate.Evidence) gate.Check {
		return gate.Check{Criterion: "host", Verdict: v, Reason: "the host says so"}
	})
}

// precondition returns a criterion on the evidence itself with a fixed verdict.
func precondition(v gate.Verdict) gate.Criterion {
	return gate.CriterionFunc(func(*gate.Evidence) gate.Check {
		return gate.Check{Criterion: "enough", Verdict: v, Precondition: true, Reason: "the host says so"}
	})
}

func TestEvaluate_Outcome(t *testing.T) {
	t.Parallel()
	e := better(t)
	for name, c := range map[string]struct {
		criteria []gate.Criterion
		want     gate.Outcome
	}{
		"no criteria":                  {nil, gate.Inconclusive},
		"one passes":                   {[]gate.Criterion{says(gate.Pass)}, gate.Promote},
		"all pass":                     {[]gate.Criterion{precondition(gate.Pass), says(gate.Pass)}, gate.Promote},
		"one fails":                    {[]gate.Criterion{says(gate.Pass), says(gate.Fail)}, gate.Reject},
		"one is undecided":             {[]gate.Criterion{says(gate.Pass), says(gate.Undecided)}, gate.Inconclusive},
		"one is an error":              {[]gate.Criterion{says(gate.Pass), says(gate.Errored)}, gate.Inconclusive},
		"one is skipped":               {[]gate.Criterion{says(gate.Pass), says(gate.Skipped)}, gate.Promote},
		"all are skipped":              {[]gate.Criterion{says(gate.Skipped), precondition(gate.Skipped)}, gate.Inconclusive},
		"a skipped precondition":       {[]gate.Criterion{precondition(gate.Skipped), says(gate.Fail)}, gate.Reject},
		"a failure beside undecided":   {[]gate.Criterion{says(gate.Undecided), says(gate.Fail)}, gate.Reject},
		"a failure beside an error":    {[]gate.Criterion{says(gate.Errored), says(gate.Fail)}, gate.Reject},
		"a failure on too few rows":    {[]gate.Criterion{precondition(gate.Undecided), says(gate.Fail)}, gate.Inconclusive},
		"a precondition in error":      {[]gate.Criterion{precondition(gate.Errored), says(gate.Fail)}, gate.Inconclusive},
		"an unknown verdict":           {[]gate.Criterion{says(gate.Verdict(99))}, gate.Inconclusive},
		"a nil criterion":              {[]gate.Criterion{says(gate.Pass), nil}, gate.Inconclusive},
		"an invalid criterion":         {[]gate.Criterion{gate.MinSamples{Rows: -1}}, gate.Inconclusive},
		"an invalid one hides nothing": {[]gate.Criterion{gate.MinSamples{Rows: -1}, says(gate.Fail)}, gate.Reject},
	} {
		d := gate.Evaluate(gate.Policy{Name: "test", Criteria: c.criteria}, e)
		require.Equal(t, c.want, d.Outcome, name)
		require.Len(t, d.Checks, max(1, len(c.criteria)), name)
	}
}

func TestEvaluate_NoRows(t *testing.T) {
	t.Parallel()
	for _, e := range []gate.Evidence{{FirstDeployment: true}, {Production: &metrics.Answers{}}} {
		lenient := []gate.Criterion{says(gate.Pass)}
		d := gate.Evaluate(gate.Policy{Criteria: lenient, First: lenient}, e)
		require.Equal(t, gate.Inconclusive, d.Outcome)
		require.Equal(t, []string{"there are no rows"}, d.Reasons())
	}
}

// Every check of the presets says all that a person needs to follow it.
func TestEvaluate_ChecksExplain(t *testing.T) {
	t.Parallel()
	for _, policy := range []gate.Policy{gate.Standard(), gate.Classic()} {
		for _, e := range []gate.Evidence{timed(better(t)), timed(regression(400, 1)), timed(multiclass(300))} {
			for _, c := range gate.Evaluate(policy, e).Checks {
				require.NotEmpty(t, c.Criterion)
				require.NotEmpty(t, c.Proof, c.Criterion)
				require.NotEmpty(t, c.Reason, c.Criterion)
				require.False(t, math.IsNaN(c.Statistic), c.Criterion)
				require.False(t, math.IsNaN(c.Threshold), c.Criterion)
				require.Positive(t, c.N, c.Criterion)
				if c.Proof == gate.ProveBetter || c.Proof == gate.ProveNotWorse {
					require.NotNil(t, c.CI, c.Criterion)
				}
				if c.Proof == gate.ProveBetter && c.Verdict == gate.Undecided && c.Statistic > 0 {
					require.Greater(t, c.Needed, c.N, c.Criterion)
				}
			}
		}
	}
}

func TestEvaluate_PassWithoutNumber(t *testing.T) {
	t.Parallel()
	host := gate.CriterionFunc(func(*gate.Evidence) gate.Check {
		return gate.Check{Verdict: gate.Pass, Statistic: math.NaN(), Reason: "looks fine"}
	})
	d := gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{host}}, better(t))
	require.Equal(t, gate.Inconclusive, d.Outcome)
	require.Equal(t, gate.Errored, d.Checks[0].Verdict)
	require.Equal(t, "criterion 1", d.Checks[0].Criterion)
	require.Equal(t, "passed on a statistic that is not a number: looks fine", d.Checks[0].Reason)
}

// What a host's criterion fills in can be written, or is Errored.
func TestEvaluate_WhatNoDecisionHolds(t *testing.T) {
	t.Parallel()
	inf := math.Inf(1)
	good := gate.SegmentResult{Segment: "good", Verdict: gate.Pass}
	for want, spoil := range map[string]func(c *gate.Check){
		"unknown verdict 5":                                func(c *gate.Check) { c.Verdict = 5 },
		"a statistic of +Inf and a threshold of 0":         func(c *gate.Check) { c.Statistic = inf },
		"a statistic of 1 and a threshold of -Inf":         func(c *gate.Check) { c.Threshold = -inf },
		"an interval of NaN to 1 at the level 0.9":         func(c *gate.Check) { c.CI = &gate.Interval{Lo: nan, Hi: 1, Level: 0.9} },
		"an interval of +Inf to +Inf at the level 0.9":     func(c *gate.Check) { c.CI = &gate.Interval{Lo: inf, Hi: inf, Level: 0.9} },
		"an interval of 0 to 1 at the level NaN":           func(c *gate.Check) { c.CI = &gate.Interval{Hi: 1, Level: nan} },
		"unknown verdict 9 of segment a":                   func(c *gate.Check) { c.Segments = []gate.SegmentResult{good, {Segment: "a", Verdict: 9}} },
		"NaN among the numbers of segment a":               func(c *gate.Check) { c.Segments = []gate.SegmentResult{good, {Segment: "a", Drop: nan}} },
		"+Inf among the numbers of segment a":              func(c *gate.Check) { c.Segments = []gate.SegmentResult{{Segment: "a", Detectable: inf}} },
		"passed on a statistic that is not a number: fine": func(c *gate.Check) { c.Statistic = nan },
	} {
		host := gate.CriterionFunc(func(*gate.Evidence) gate.Check {
			c := gate.Check{Criterion: "host", Verdict: gate.Pass, Statistic: 1, Reason: "fine"}
			spoil(&c)
			return c
		})
		e := better(t)
		d := gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{host, gate.MinSamples{Rows: 1}}}, e)
		require.Equal(t, gate.Errored, d.Checks[0].Verdict, want)
		require.Contains(t, d.Checks[0].Reason, want)
		require.Equal(t, gate.Inconclusive, d.Outcome, want)
		checkDecision(t, e, d)
	}
	open := gate.CriterionFunc(func(*gate.Evidence) gate.Check {
		return gate.Check{Verdict: gate.Pass, Threshold: nan, CI: &gate.Interval{Lo: math.Inf(-1), Hi: inf, Level: 0.9}, Segments: []gate.SegmentResult{good}}
	})
	d := gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{open}}, better(t))
	require.Equal(t, gate.Promote, d.Outcome, d.Checks[0].Reason)
}

func TestEvaluate_Presets(t *testing.T) {
	t.Parallel()
	for _, policy := range []gate.Policy{gate.Classic(), gate.Standard()} {
		t.Run(policy.Name, func(t *testing.T) {
			require.NoError(t, policy.Validate())
			e := better(t)
			d := gate.Evaluate(policy, e)
			require.Equal(t, gate.Promote, d.Outcome, d.Reasons())
			require.Empty(t, d.Reasons())
			require.Equal(t, policy.Name, d.Policy)
			require.Equal(t, day0, d.At)
			require.Equal(t, e.RowSet(), d.RowSet)
			require.Contains(t, d.Production, metrics.F1.String())
			require.Contains(t, d.Shadow, metrics.ROCAUC.String())
			require.NotContains(t, d.Shadow, metrics.RMSE.String())

			require.Equal(t, gate.Promote, gate.Evaluate(policy, regression(400, 0.5)).Outcome)
			require.Equal(t, gate.Reject, gate.Evaluate(policy, regression(400, 2)).Outcome)
			require.Equal(t, gate.Promote, gate.Evaluate(policy, multiclass(400)).Outcome)

			worse := e
			worse.Production, worse.Shadow = &e.Shadow, *e.Production
			require.Equal(t, gate.Reject, gate.Evaluate(policy, worse).Outcome)

			recent := e
			recent.LastPromotion = day0.AddDate(0, 0, -6)
			d = gate.Evaluate(policy, recent)
			require.Equal(t, gate.Inconclusive, d.Outcome)
			require.Len(t, d.Reasons(), 1)
			recent.Production, recent.Shadow = &e.Shadow, *e.Production
			require.Equal(t, gate.Reject, gate.Evaluate(policy, recent).Outcome, "a bad shadow is bad at any time")

			few := tiny(t, []float64{1, 1, 0, 0}, []float64{1, 1, 0, 0}, []float64{0, 0, 0, 0})
			require.Equal(t, gate.Inconclusive, gate.Evaluate(policy, few).Outcome)

			uncovered := e
			uncovered.Coverage = labels.Count{Predictions: 100_000, Labelled: 2000}
			require.Equal(t, gate.Inconclusive, gate.Evaluate(policy, uncovered).Outcome)

			first := alone(e)
			d = gate.Evaluate(policy, first)
			require.Equal(t, gate.Promote, d.Outcome, d.Reasons())
			require.True(t, d.First)
			require.Nil(t, d.Production)
			first.Shadow = metrics.Answers{Class: make([]int, e.N()), Probability: [][]float64{repeat(0, e.N()), repeat(1, e.N())}}
			require.Equal(t, gate.Reject, gate.Evaluate(policy, first).Outcome, "worse than a constant")
			reg := alone(regression(400, 0.5))
			require.Equal(t, gate.Promote, gate.Evaluate(policy, reg).Outcome)
		})
	}
}

func TestEvaluate_Malformed(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(e *gate.Evidence){
		"NaN":            func(e *gate.Evidence) { e.Shadow.Probability[0][5] = math.NaN() },
		"unequal length": func(e *gate.Evidence) { e.Production.Class = e.Production.Class[:9] },
		"no shadow":      func(e *gate.Evidence) { e.Shadow = metrics.Answers{} },
		"no truth":       func(e *gate.Evidence) { e.Truth = metrics.Answers{} },
		"same row twice": func(e *gate.Evidence) { e.IDs[0] = e.IDs[1] },
		"year":           func(e *gate.Evidence) { e.At = time.Unix(1<<40, 0) },
	} {
		e := better(t)
		spoil(&e)
		asked := gate.CriterionFunc(func(*gate.Evidence) gate.Check {
			t.Errorf("%s: a criterion was asked about malformed evidence", name)
			return gate.Check{Verdict: gate.Pass}
		})
		d := gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{asked}}, e)
		require.Equal(t, gate.Inconclusive, d.Outcome, name)
		require.Len(t, d.Checks, 1)
		require.Equal(t, "evidence", d.Checks[0].Criterion)
		require.Equal(t, gate.Errored, d.Checks[0].Verdict)
		require.Contains(t, d.Reasons()[0], "gate: invalid evidence: ")
		hash(t, d)
	}
}

func TestEvaluate_OneClass(t *testing.T) {
	t.Parallel()
	e := tiny(t, make([]float64, 500), make([]float64, 500), make([]float64, 500))
	for _, policy := range []gate.Policy{gate.Classic(), gate.Standard()} {
		d := gate.Evaluate(policy, e)
		require.Equal(t, gate.Inconclusive, d.Outcome)
		require.Contains(t, strings.Join(d.Reasons(), "; "), "no row is positive or predicted positive")
	}
}

func TestPolicy_Validate(t *testing.T) {
	t.Parallel()
	err := gate.Policy{Name: "mine", Criteria: []gate.Criterion{nil, gate.NotWorse{Metric: metrics.F1, Margin: -1}, says(gate.Pass)}}.Validate()
	require.ErrorContains(t, err, `gate: invalid policy "mine": `)
	require.ErrorContains(t, err, "Criteria[0]: the criterion is nil")
	require.ErrorContains(t, err, "Criteria[1]: Margin is -1")
	require.ErrorContains(t, err, "First is empty, so nothing can be promoted")
	require.Error(t, gate.Policy{}.Validate())
	require.NoError(t, gate.Policy{Criteria: []gate.Criterion{says(gate.Pass)}, First: []gate.Criterion{objecting{}}}.Validate())
	require.Error(t, gate.Policy{Criteria: []gate.Criterion{says(gate.Pass)}, First: []gate.Criterion{objecting{errors.New("no")}}}.Validate())
}

// objecting is a host's criterion with a validation of its own.
type objecting struct{ err error }

func (o objecting) Check(*gate.Evidence) gate.Check { return gate.Check{Verdict: gate.Pass} }
func (o objecting) Validate() error                 { return o.err }
