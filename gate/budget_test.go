package gate_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/internal/multinomial"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

const day = 24 * time.Hour

// decide applies the budget to a policy of one proof and conditions that hold.
func decide(t testing.TB, b gate.Budget, e gate.Evidence, at time.Time) gate.Decision {
	t.Helper()
	e.At, e.LastPromotion = at, time.Time{}
	policy, err := b.Apply(gate.Standard(), at)
	require.NoError(t, err)
	return gate.Evaluate(policy, e)
}

// charged decides on a shadow that is not better and charges for it.
func charged(t testing.TB, b gate.Budget, at time.Time) gate.Budget {
	t.Helper()
	e := better(t)
	e.Shadow = *e.Production
	b, err := b.Charge(decide(t, b, e, at))
	require.NoError(t, err)
	return b
}

func TestBudget(t *testing.T) {
	t.Parallel()
	b := gate.Budget{Total: 0.06, Horizon: 30 * day, Decisions: 3}
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
	require.Equal(t, []gate.Charge{{day0, 0.02}, {day0.Add(day), 0.02}, {day0.Add(2 * day), 0.02}}, b.Charges)
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
	applied, err := gate.Budget{Total: 0.06, Decisions: 3}.Apply(policy, day0)
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
		policy, err := gate.Budget{}.Apply(gate.Standard(), day0)
		require.NoError(t, err)
		b, err := gate.Budget{}.Charge(gate.Evaluate(policy, spoiled))
		require.NoError(t, err)
		require.Empty(t, b.Charges, name)
	}
	require.Len(t, charged(t, gate.Budget{}, day0).Charges, 1)
}

func TestBudget_Errors(t *testing.T) {
	t.Parallel()
	b := charged(t, gate.Budget{Total: 0.1, Decisions: 2}, day0)
	_, err := b.Apply(gate.Standard(), day0)
	require.EqualError(t, err, "gate: budget: a decision at 2025-03-01T00:00:00Z, want one later than that charged at 2025-03-01T00:00:00Z")
	_, err = b.Charge(gate.Decision{At: day0.Add(-day)})
	require.ErrorContains(t, err, "want one later")

	promoted := gate.Evaluate(gate.Classic(), better(t))
	promoted.At = day0.Add(day)
	_, err = b.Charge(promoted)
	require.EqualError(t, err, "gate: budget: the decision promotes without a grant")

	e := better(t)
	e.Shadow = *e.Production
	generous := decide(t, gate.Budget{Total: 0.4, Decisions: 1}, e, day0.Add(day))
	_, err = b.Charge(generous)
	require.EqualError(t, err, "gate: budget: the decision was granted 0.4, but of 0.1 0.05 is spent")

	late := e
	policy, err := gate.Budget{}.Apply(gate.Standard(), day0)
	require.NoError(t, err)
	late.At = day0.Add(time.Second)
	d := gate.Evaluate(policy, late)
	require.NotEqual(t, gate.Promote, d.Outcome)
	require.Contains(t, d.Reasons()[0], "granted for a decision at 2025-03-01T00:00:00Z, but the evidence is of 2025-03-01T00:00:01Z")

	for want, b := range map[string]gate.Budget{
		"Total is 1, want between 0 and 1": {Total: 1},
		"Total is NaN":                     {Total: nan},
		"Horizon is -1ns":                  {Horizon: -1},
		"Decisions is -2":                  {Decisions: -2},
		"Total/Decisions is 5.0000000000000004e-08, want 1e-05 to 0.5": {Decisions: 1e6},
		"Charges[0].Alpha is 0":                 {Charges: []gate.Charge{{At: day0}}},
		"Charges[1].At is 2025-03-01 00:00:00 ": {Charges: []gate.Charge{{day0, 0.1}, {day0, 0.1}}},
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
		_, err := gate.Budget{}.Apply(policy, e.At)
		require.EqualError(t, err, fmt.Sprintf("gate: budget: policy %q: %s", name, why))
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

// stricter is a host's criterion that adds a demand of its own to an embedded one, and so
// has its CapAlpha.
type stricter struct{ gate.Superior }

func (c stricter) Check(e *gate.Evidence) gate.Check {
	check := c.Superior.Check(e)
	check.Verdict, check.Reason = gate.Fail, "never enough"
	return check
}

// capped is the same with a CapAlpha that keeps the demand.
type capped struct{ stricter }

func (c capped) CapAlpha(alpha float64) gate.Criterion {
	c.Superior = c.Superior.CapAlpha(alpha).(gate.Superior)
	return c
}

// gone is a host's criterion whose CapAlpha returns nothing.
type gone struct{ gate.Superior }

func (gone) CapAlpha(float64) gate.Criterion { return nil }

// A host's criterion is not replaced by what it embeds.
func TestPolicy_MaxAlphaOfAHost(t *testing.T) {
	t.Parallel()
	e := better(t)
	superior := gate.Superior{Metric: metrics.F1}
	for _, c := range []gate.Criterion{stricter{superior}, &stricter{superior}, gone{superior}} {
		_, err := gate.Budget{}.Apply(gate.Policy{Criteria: []gate.Criterion{c}}, e.At)
		require.ErrorContains(t, err, "give the type a CapAlpha of its own")
		policy := gate.Policy{Criteria: []gate.Criterion{c, superior}, First: []gate.Criterion{superior}, MaxAlpha: 0.01}
		require.ErrorContains(t, policy.Validate(), "criterion 1: CapAlpha of a ")
		require.NotEqual(t, gate.Promote, gate.Evaluate(policy, e).Outcome)
	}
	for _, c := range []gate.Criterion{capped{stricter{superior}}, &capped{stricter{superior}}} {
		policy, err := gate.Budget{}.Apply(gate.Policy{Criteria: []gate.Criterion{c}, First: []gate.Criterion{superior}}, e.At)
		require.NoError(t, err)
		require.NoError(t, policy.Validate())
		d := gate.Evaluate(policy, e)
		require.Equal(t, gate.Reject, d.Outcome)
		require.Equal(t, []string{"never enough"}, d.Reasons())
		require.InDelta(t, 1-2*0.05/60, d.Checks[1].CI.Level, 1e-12)
	}
	pointer := gate.Policy{Criteria: []gate.Criterion{&superior}, First: []gate.Criterion{superior}, MaxAlpha: 0.01}
	require.NoError(t, pointer.Validate(), "a pointer to a criterion is of its type")
}

func TestPolicy_MaxAlpha(t *testing.T) {
	t.Parallel()
	policy := gate.Policy{MaxAlpha: 0.01, Criteria: []gate.Criterion{
		gate.Superior{Metric: metrics.F1}, gate.Superior{Metric: metrics.F1, Alpha: 0.001, Draws: 20_000}, gate.NonInferior{Metric: metrics.Brier, Margin: 0.1, Alpha: 0.2},
		gate.Segments{Metric: metrics.F1, Alpha: 0.05},
	}}
	d := gate.Evaluate(policy, better(t))
	require.InDelta(t, 0.98, d.Checks[0].CI.Level, 1e-12)
	require.InDelta(t, 0.998, d.Checks[1].CI.Level, 1e-12, "lower already")
	require.InDelta(t, 0.98, d.Checks[2].CI.Level, 1e-12)
	for _, alpha := range []float64{-1, 1e-9, 0.5, 1, nan, math.Inf(1)} {
		policy.MaxAlpha = alpha
		d := gate.Evaluate(policy, better(t))
		require.Equal(t, gate.Inconclusive, d.Outcome, alpha)
		require.Contains(t, d.Reasons()[0], "MaxAlpha is")
	}
}

func TestBudget_JSON(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(charged(t, gate.Budget{}, day0))
	require.NoError(t, err)
	require.Equal(t, `{"schema_version":1,"total":0.05,"horizon":"8760h0m0s","decisions":60,"charges":[{"at":"2025-03-01T00:00:00Z","alpha":0.0008333333333333334}]}`, string(data))
	var read gate.Budget
	require.NoError(t, json.Unmarshal(data, &read))
	again, err := json.Marshal(read)
	require.NoError(t, err)
	require.Equal(t, string(data), string(again))
	for _, replace := range [][2]string{{`"total"`, `"sum"`}, {`,"charges":[{"at":"2025-03-01T00:00:00Z","alpha":0.0008333333333333334}]`, ``}, {`[{"at":"2025-03-01T00:00:00Z","alpha":0.0008333333333333334}]`, `null`}, {`:1,`, `:2,`}, {`0.05`, `7`}, {`8760h0m0s`, `a year`}, {`0.0008333333333333334`, `0`}, {`:0.05,`, `:0,`}, {`"8760h0m0s"`, `"0s"`}, {`:60,`, `:0,`}, {`:60,`, `:null,`}} {
		kept := gate.Budget{Decisions: 7}
		require.Error(t, json.Unmarshal([]byte(strings.Replace(string(data), replace[0], replace[1], 1)), &kept), replace)
		require.Equal(t, gate.Budget{Decisions: 7}, kept)
	}
}

// What has a default in Go has none in JSON, where it is written as it is.
func TestBudget_JSONDefaults(t *testing.T) {
	t.Parallel()
	for _, fields := range []string{
		`"total":0,"horizon":"8760h","decisions":60`, `"total":0.05,"horizon":"0s","decisions":60`, `"total":0.05,"horizon":"8760h","decisions":0`,
	} {
		var b gate.Budget
		require.ErrorContains(t, json.Unmarshal([]byte(`{"schema_version":1,`+fields+`,"charges":[]}`), &b), "want none of them 0")
	}
}

// A share that no test could tell from none is refused where it is made, not granted.
func TestBudget_SmallShares(t *testing.T) {
	t.Parallel()
	least := gate.Budget{Total: 0.05, Decisions: 5000}
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
	_, err = gate.Budget{Total: 0.05, Decisions: 5001}.Apply(gate.Standard(), day0)
	require.ErrorContains(t, err, "Total/Decisions is 9.99")
}

func TestErrorBudget_Validate(t *testing.T) {
	t.Parallel()
	good := gate.ErrorBudget{At: day0, Alpha: 0.01, Spent: 0.04, Total: 0.05, Horizon: 24 * time.Hour}
	within := func(c gate.ErrorBudget) error {
		return gate.Policy{MaxAlpha: 0.01, Criteria: []gate.Criterion{c, gate.Superior{Metric: metrics.F1}}, First: gate.Standard().First}.Validate()
	}
	require.NoError(t, within(good))
	for want, spoil := range map[string]func(c *gate.ErrorBudget){
		"Alpha is 0.5, want 0, or 1e-05 to the 0.01 that is left": func(c *gate.ErrorBudget) { c.Alpha = 0.5 },
		"Alpha is 1e-06, want 0, or 1e-05 to":                     func(c *gate.ErrorBudget) { c.Alpha = 1e-6 },
		"Alpha is -0.01":                                          func(c *gate.ErrorBudget) { c.Alpha = -0.01 },
		"Alpha is NaN":                                            func(c *gate.ErrorBudget) { c.Alpha = nan },
		"Total is 0, want between 0 and 1":                        func(c *gate.ErrorBudget) { c.Total = 0 },
		"Spent is NaN, want 0 or more":                            func(c *gate.ErrorBudget) { c.Spent = nan },
		"Horizon is 0s, want above 0":                             func(c *gate.ErrorBudget) { c.Horizon = 0 },
		"Next is 0001-01-01 00:00:00 +0000 UTC, want At or later": func(c *gate.ErrorBudget) { c.Alpha = 0 },
	} {
		bad := good
		spoil(&bad)
		require.ErrorContains(t, within(bad), want)
	}
}

// What a decision says that it may err with, its criteria must hold to.
func TestPolicy_HoldsToTheErrorBudget(t *testing.T) {
	t.Parallel()
	e := better(t)
	e.LastPromotion = time.Time{}
	grant := gate.ErrorBudget{At: e.At, Alpha: 0.01, Total: 0.05, Horizon: 24 * time.Hour}
	for _, budget := range []gate.Criterion{grant, &grant} {
		policy := gate.Standard()
		policy.Criteria = append([]gate.Criterion{budget}, policy.Criteria...)
		for _, c := range []struct {
			maxAlpha float64
			ok       bool
		}{{0, false}, {0.02, false}, {0.01, true}, {0.001, true}} {
			policy.MaxAlpha = c.maxAlpha
			d := gate.Evaluate(policy, e)
			if c.ok {
				require.NoError(t, policy.Validate())
				require.Equal(t, gate.Promote, d.Outcome, d.Reasons())
				continue
			}
			want := fmt.Sprintf("criterion 1: the error budget grants 0.01, but MaxAlpha is %v, want above 0 and at most that", c.maxAlpha)
			require.ErrorContains(t, policy.Validate(), want)
			require.Equal(t, gate.Inconclusive, d.Outcome)
			require.Equal(t, []string{want}, d.Reasons())
		}
	}
}

// Whatever a budget grants is valid, and so is the policy.
func TestBudget_AppliedIsValid(t *testing.T) {
	t.Parallel()
	b := gate.Budget{Total: 0.07, Horizon: 30 * day, Decisions: 7}
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
		b := gate.Budget{Total: 0.1, Horizon: 10 * day, Decisions: decisions}
		at := day0
		var all []gate.Charge
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
				all = append(all, gate.Charge{At: at, Alpha: grant.Statistic})
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

// equalNumbers returns evidence of two regressions that err alike, with correlated errors.
func equalNumbers(rng *rand.Rand) gate.Evidence {
	const n = 60
	truth, production, shadow := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range n {
		common := rng.NormFloat64()
		truth[i] = 3 * rng.NormFloat64()
		production[i] = truth[i] + common + rng.NormFloat64()
		shadow[i] = truth[i] + common + rng.NormFloat64()
	}
	e, err := gate.FromValues(truth, production, shadow)
	if err != nil {
		panic(err) // columns of one length
	}
	return e
}

// equalClasses returns evidence of two classifiers of an F1 of 0.5, one of which finds 90 %
// of the few positive rows and the other 40 %, and so gives fewer false alarms.
func equalClasses(rng *rand.Rand) gate.Evidence {
	const n, positive, f1 = 200, 0.1, 0.5
	cells := make([]float64, 8)
	for cell := range cells {
		recall := []float64{0.9, 0.4} // by model
		cells[cell] = 1 - positive
		if cell&4 > 0 {
			cells[cell] = positive
		}
		for model, bit := range []int{2, 1} {
			p := recall[model]
			if cell&4 == 0 {
				p = (2*positive*p/f1 - positive - positive*p) / (1 - positive)
			}
			if cell&bit == 0 {
				p = 1 - p
			}
			cells[cell] *= p
		}
	}
	counts := make([]float64, len(cells))
	multinomial.New(n, cells, rng.Uint64()).Draw(counts)
	var s segmented
	s.add(counts, "all")
	return s.evidence()
}

// TestBudget_Year retrains every week for a year although no new model is better, and
// counts the years with a promotion. Run it with -v for the numbers.
func TestBudget_Year(t *testing.T) {
	t.Parallel()
	const weeks = 52
	years, _ := simulations(t, 100)
	for name, c := range map[string]struct {
		equal    func(rng *rand.Rand) gate.Evidence
		superior gate.Superior
		without  float64 // what share of the years errs at least
		totals   []float64
	}{
		"regressions": {equalNumbers, gate.Superior{Metric: metrics.MAE}, 0.85, []float64{0.05, 0.2}},
		"classifiers": {equalClasses, gate.Superior{Metric: metrics.F1, Draws: 100}, 0.75, []float64{0.05}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			policy := gate.Policy{Criteria: []gate.Criterion{c.superior}}
			rng := rand.New(rand.NewPCG(5, 9))
			// erring returns the share of years with a false promotion.
			erring := func(decide func(e gate.Evidence) gate.Outcome) float64 {
				wrong := 0
				for range years {
					for week := range weeks {
						e := c.equal(rng)
						e.At = day0.Add(time.Duration(week) * 7 * day)
						if decide(e) == gate.Promote {
							wrong++
							break
						}
					}
				}
				return float64(wrong) / float64(years)
			}
			without := erring(func(e gate.Evidence) gate.Outcome { return gate.Evaluate(policy, e).Outcome })
			t.Logf("a false promotion in a year of %d weeks, of %d years: no budget %.1f %% (1-0.95^52 is 93.1 %%)", weeks, years, 100*without)
			require.Greater(t, without, c.without)
			for _, total := range c.totals {
				var b gate.Budget
				with := erring(func(e gate.Evidence) gate.Outcome {
					if e.At.Equal(day0) {
						b = gate.Budget{Total: total}
					}
					granted, err := b.Apply(policy, e.At)
					require.NoError(t, err)
					d := gate.Evaluate(granted, e)
					b, err = b.Charge(d)
					require.NoError(t, err)
					return d.Outcome
				})
				t.Logf("a budget of %.2f: %.1f %%", total, 100*with)
				require.LessOrEqual(t, with, total+3*math.Sqrt(total*(1-total)/float64(years)))
			}
		})
	}
}

// FuzzBudgetJSON checks that no stored budget panics, or grants more than it has left.
func FuzzBudgetJSON(f *testing.F) {
	f.Add([]byte(`{"schema_version":1,"total":0.05,"horizon":"8760h","decisions":3,"charges":[{"at":"2025-02-01T00:00:00Z","alpha":0.04}]}`))
	f.Add([]byte(`{"schema_version":1,"charges":[{"at":"2025-01-01T00:00:00Z","alpha":0.1}]}`)) // more than there is
	f.Add([]byte(`{"schema_version":1,"horizon":"2562047h","charges":[{"at":"9999-12-31T23:59:59Z","alpha":0.01}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var b gate.Budget
		if json.Unmarshal(data, &b) != nil {
			return
		}
		first, err := json.Marshal(b)
		if err != nil {
			return // a time beyond the year 9999
		}
		var read gate.Budget
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
