package budget_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/budget"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// decide applies the budget to a policy of one proof and conditions that hold.
func decide(t testing.TB, b budget.Budget, e gate.Evidence, at time.Time) gate.Decision {
	t.Helper()
	e.At, e.LastPromotion = at, time.Time{}
	policy, err := b.Apply(gate.Standard(), at)
	require.NoError(t, err)
	return gate.Evaluate(policy, e)
}

// charged decides on a shadow that is not better and charges for it.
func charged(t testing.TB, b budget.Budget, at time.Time) budget.Budget {
	t.Helper()
	e := better(t)
	e.Shadow = *e.Production
	b, err := b.Charge(decide(t, b, e, at))
	require.NoError(t, err)
	return b
}

func TestBudget(t *testing.T) {
	t.Parallel()
	b := budget.Budget{Total: 0.06, Horizon: 30 * day, Decisions: 3}
	d := decide(t, b, better(t), day0)
	require.Equal(t, gate.Promote, d.Outcome, d.Reasons())
	require.Equal(t, "error budget", d.Checks[0].Criterion)
	require.Equal(t, "this decision may err with a probability of 0.02; 0 of 0.06 within 30 days is spent", d.Checks[0].Reason)
	require.Equal(t, 0.96, d.Checks[5].CI.Level, "at the level granted")
	require.Equal(t, 0.96, d.Checks[6].CI.Level)
	after, err := b.Charge(d)
	require.NoError(t, err)
	require.Equal(t, b, after, "a promotion is not charged")

	for i := range 3 {
		b = charged(t, b, day0.Add(time.Duration(i)*day))
	}
	require.Equal(t, []budget.Charge{{At: day0, Alpha: 0.02}, {At: day0.Add(day), Alpha: 0.02}, {At: day0.Add(2 * day), Alpha: 0.02}}, b.Charges)
	d = decide(t, b, better(t), day0.Add(3*day))
	require.Equal(t, gate.Inconclusive, d.Outcome)
	require.Equal(t, []string{"0.06 of 0.06 within 30 days is spent, so nothing is promoted before 2025-03-31T00:00:00Z"}, d.Reasons())
	spent, err := b.Charge(d)
	require.NoError(t, err)
	require.Equal(t, b, spent)

	require.Equal(t, gate.Promote, decide(t, b, better(t), day0.Add(30*day)).Outcome, "the first charge is past")
	b = charged(t, b, day0.Add(30*day))
	require.Len(t, b.Charges, 3)
	require.Equal(t, day0.Add(day), b.Charges[0].At, "and is forgotten")
}

// A policy that is stricter than the budget stays so.
func TestBudget_StricterPolicy(t *testing.T) {
	t.Parallel()
	policy := gate.Standard()
	policy.MaxAlpha = 0.001
	applied, err := budget.Budget{Total: 0.06, Decisions: 3}.Apply(policy, day0)
	require.NoError(t, err)
	require.Equal(t, 0.001, applied.MaxAlpha)
}

func TestBudget_Uncharged(t *testing.T) {
	t.Parallel()
	e := better(t)
	e.Shadow = *e.Production
	for name, spoil := range map[string]func(e *gate.Evidence){
		"too few rows":     func(e *gate.Evidence) { *e = tiny(t, repeat(1, 9), repeat(1, 9), repeat(1, 9)) },
		"too few labels":   func(e *gate.Evidence) { e.Coverage.Predictions *= 100 },
		"cooldown":         func(e *gate.Evidence) { e.LastPromotion = day0.Add(-day) },
		"no rows":          func(e *gate.Evidence) { *e = gate.Evidence{Production: &metrics.Answers{}} },
		"first deployment": func(e *gate.Evidence) { *e = alone(*e) },
	} {
		spoiled := e
		spoiled.At, spoiled.LastPromotion = day0, time.Time{}
		spoil(&spoiled)
		spoiled.At = day0
		policy, err := budget.Budget{}.Apply(gate.Standard(), day0)
		require.NoError(t, err)
		b, err := budget.Budget{}.Charge(gate.Evaluate(policy, spoiled))
		require.NoError(t, err)
		require.Empty(t, b.Charges, name)
	}
	require.Len(t, charged(t, budget.Budget{}, day0).Charges, 1)
}

func TestBudget_Errors(t *testing.T) {
	t.Parallel()
	b := charged(t, budget.Budget{Total: 0.1, Decisions: 2}, day0)
	_, err := b.Apply(gate.Standard(), day0)
	require.EqualError(t, err, "budget: a decision at 2025-03-01T00:00:00Z, want one later than that charged at 2025-03-01T00:00:00Z")
	_, err = b.Charge(gate.Decision{At: day0.Add(-day)})
	require.ErrorContains(t, err, "want one later")

	promoted := gate.Evaluate(gate.Classic(), better(t))
	promoted.At = day0.Add(day)
	_, err = b.Charge(promoted)
	require.EqualError(t, err, "budget: the decision promotes without a grant")

	e := better(t)
	e.Shadow = *e.Production
	generous := decide(t, budget.Budget{Total: 0.4, Decisions: 1}, e, day0.Add(day))
	_, err = b.Charge(generous)
	require.EqualError(t, err, "budget: the decision was granted 0.4, but of 0.1 0.05 is spent")

	late := e
	policy, err := budget.Budget{}.Apply(gate.Standard(), day0)
	require.NoError(t, err)
	late.At = day0.Add(time.Second)
	d := gate.Evaluate(policy, late)
	require.NotEqual(t, gate.Promote, d.Outcome)
	require.Contains(t, d.Reasons()[0], "granted for a decision at 2025-03-01T00:00:00Z, but the evidence is of 2025-03-01T00:00:01Z")

	for want, b := range map[string]budget.Budget{
		"Total is 1, want between 0 and 1": {Total: 1},
		"Total is NaN":                     {Total: math.NaN()},
		"Horizon is -1ns":                  {Horizon: -1},
		"Decisions is -2":                  {Decisions: -2},
		"Total/Decisions is 5.0000000000000004e-08, want 1e-05 to 0.5": {Decisions: 1e6},
		"Charges[0].Alpha is 0":                 {Charges: []budget.Charge{{At: day0}}},
		"Charges[1].At is 2025-03-01 00:00:00 ": {Charges: []budget.Charge{{At: day0, Alpha: 0.1}, {At: day0, Alpha: 0.1}}},
	} {
		require.ErrorContains(t, b.Validate(), want)
		_, err := b.Apply(gate.Standard(), day0.Add(day))
		require.ErrorContains(t, err, want)
		_, err = b.Charge(gate.Decision{At: day0.Add(day)})
		require.ErrorContains(t, err, want)
	}
}

// A policy without an error rate cannot be bounded.
func TestBudget_PointEstimates(t *testing.T) {
	t.Parallel()
	e := better(t)
	const why = "MaxAlpha is set, but no criterion that proves the shadow better has an error rate that it could lower"
	notWorse := gate.NonInferior{Metric: metrics.Brier, Margin: 0.05}
	for name, criteria := range map[string][]gate.Criterion{
		"classic":              gate.Classic().Criteria,
		"not worse":            {gate.Improvement{Metric: metrics.F1}, notWorse},
		"out of reach":         {gate.CriterionFunc(gate.Superior{Metric: metrics.F1}.Check), notWorse},
		"a pointer, not worse": {gate.Improvement{Metric: metrics.F1}, &notWorse},
	} {
		policy := gate.Policy{Name: name, Criteria: criteria}
		_, err := budget.Budget{}.Apply(policy, e.At)
		require.EqualError(t, err, fmt.Sprintf("budget: policy %q: %s", name, why))
		require.Equal(t, gate.Promote, gate.Evaluate(policy, e).Outcome)
		policy.MaxAlpha = 0.01
		require.ErrorContains(t, policy.Validate(), why)
		d := gate.Evaluate(policy, e)
		require.Equal(t, gate.Inconclusive, d.Outcome)
		require.Equal(t, []string{why}, d.Reasons())
	}
	policy := gate.Classic()
	policy.MaxAlpha = 0.01
	e = alone(e)
	require.Equal(t, gate.Promote, gate.Evaluate(policy, e).Outcome, "a first deployment is no comparison")
}

func TestBudget_JSON(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(charged(t, budget.Budget{}, day0))
	require.NoError(t, err)
	require.Equal(t, `{"schema_version":1,"total":0.05,"horizon":"8760h0m0s","decisions":60,"charges":[{"at":"2025-03-01T00:00:00Z","alpha":0.0008333333333333334}]}`, string(data))
	var read budget.Budget
	require.NoError(t, json.Unmarshal(data, &read))
	again, err := json.Marshal(read)
	require.NoError(t, err)
	require.Equal(t, string(data), string(again))
	for _, replace := range [][2]string{{`"total"`, `"sum"`}, {`,"charges":[{"at":"2025-03-01T00:00:00Z","alpha":0.0008333333333333334}]`, ``}, {`[{"at":"2025-03-01T00:00:00Z","alpha":0.0008333333333333334}]`, `null`}, {`:1,`, `:2,`}, {`0.05`, `7`}, {`8760h0m0s`, `a year`}, {`0.0008333333333333334`, `0`}, {`:0.05,`, `:0,`}, {`"8760h0m0s"`, `"0s"`}, {`:60,`, `:0,`}, {`:60,`, `:null,`}} {
		kept := budget.Budget{Decisions: 7}
		require.Error(t, json.Unmarshal([]byte(strings.Replace(string(data), replace[0], replace[1], 1)), &kept), replace)
		require.Equal(t, budget.Budget{Decisions: 7}, kept)
	}
}

// What has a default in Go has none in JSON, where it is written as it is.
func TestBudget_JSONDefaults(t *testing.T) {
	t.Parallel()
	for _, fields := range []string{
		`"total":0,"horizon":"8760h","decisions":60`, `"total":0.05,"horizon":"0s","decisions":60`, `"total":0.05,"horizon":"8760h","decisions":0`,
	} {
		var b budget.Budget
		require.ErrorContains(t, json.Unmarshal([]byte(`{"schema_version":1,`+fields+`,"charges":[]}`), &b), "want none of them 0")
	}
}

// A share that no test could tell from none is refused where it is made, not granted.
func TestBudget_SmallShares(t *testing.T) {
	t.Parallel()
	least := budget.Budget{Total: 0.05, Decisions: 5000}
	require.NoError(t, least.Validate())
	policy, err := least.Apply(gate.Standard(), day0)
	require.NoError(t, err)
	require.NoError(t, policy.Validate(), "the criteria are not asked for less than they can")
	e := better(t)
	e.At, e.LastPromotion = day0, time.Time{}
	d := gate.Evaluate(policy, e)
	for _, c := range d.Checks {
		require.NotEqual(t, gate.Errored, c.Verdict, c.Reason)
	}
	_, err = budget.Budget{Total: 0.05, Decisions: 5001}.Apply(gate.Standard(), day0)
	require.ErrorContains(t, err, "Total/Decisions is 9.99")
}

// Whatever a budget grants is valid, and so is the policy.
func TestBudget_AppliedIsValid(t *testing.T) {
	t.Parallel()
	b := budget.Budget{Total: 0.07, Horizon: 30 * day, Decisions: 7}
	for i := range 40 {
		at := day0.Add(time.Duration(i) * day)
		policy, err := b.Apply(gate.Standard(), at)
		require.NoError(t, err)
		require.NoError(t, policy.Validate(), i)
		if i%3 > 0 {
			b = charged(t, b, at)
		}
	}
}

func TestBudget_Properties(t *testing.T) {
	t.Parallel()
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250101))
	// Decisions that are all tested and never promote are the worst for a budget.
	props.Property("no horizon is granted more than the total", prop.ForAll(func(hours []int, decisions int) bool {
		b := budget.Budget{Total: 0.1, Horizon: 10 * day, Decisions: decisions}
		at := day0
		var all []budget.Charge
		for _, h := range hours {
			at = at.Add(time.Duration(h) * time.Hour)
			policy, err := b.Apply(gate.Standard(), at)
			if err != nil {
				return false
			}
			grant := policy.Criteria[0].Check(&gate.Evidence{At: at})
			next, err := b.Charge(gate.Decision{At: at, Outcome: gate.Reject, Checks: []gate.Check{grant, {Verdict: gate.Fail}}})
			if err != nil {
				return false
			}
			if grant.Verdict == gate.Pass {
				all = append(all, budget.Charge{At: at, Alpha: grant.Statistic})
			}
			b = next
		}
		for i := range all {
			var sum float64
			for _, c := range all[i:] {
				if c.At.Before(all[i].At.Add(10 * day)) {
					sum += c.Alpha
				}
			}
			if sum > 0.1+1e-12 {
				return false
			}
		}
		return true
	}, gen.SliceOfN(60, gen.IntRange(1, 100)), gen.IntRange(1, 30)))
	props.TestingRun(t)
}

// FuzzBudgetJSON checks that no stored budget panics, or grants more than it has left.
func FuzzBudgetJSON(f *testing.F) {
	f.Add([]byte(`{"schema_version":1,"total":0.05,"horizon":"8760h","decisions":3,"charges":[{"at":"2025-02-01T00:00:00Z","alpha":0.04}]}`))
	f.Add([]byte(`{"schema_version":1,"charges":[{"at":"2025-01-01T00:00:00Z","alpha":0.1}]}`)) // more than there is
	f.Add([]byte(`{"schema_version":1,"horizon":"2562047h","charges":[{"at":"9999-12-31T23:59:59Z","alpha":0.01}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var b budget.Budget
		if json.Unmarshal(data, &b) != nil {
			return
		}
		first, err := json.Marshal(b)
		if err != nil {
			return // a time beyond the year 9999
		}
		var read budget.Budget
		if err := json.Unmarshal(first, &read); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if again, _ := json.Marshal(read); string(again) != string(first) {
			t.Errorf("%s became %s", first, again)
		}
		policy, err := b.Apply(gate.Standard(), day0)
		if err != nil {
			return
		}
		left := read.Total
		for _, c := range read.Charges {
			if c.At.Add(read.Horizon).After(day0) {
				left -= c.Alpha
			}
		}
		if policy.MaxAlpha > max(left, 0)+1e-9 {
			t.Errorf("grants %v of %v", policy.MaxAlpha, left)
		}
	})
}
