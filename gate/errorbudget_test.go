package gate_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/budget"
	"github.com/selfheal-ml/selfheal/gate/internal/multinomial"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

const day = 24 * time.Hour

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
		_, err := budget.Budget{}.Apply(gate.Policy{Criteria: []gate.Criterion{c}}, e.At)
		require.ErrorContains(t, err, "give the type a CapAlpha of its own")
		policy := gate.Policy{Criteria: []gate.Criterion{c, superior}, First: []gate.Criterion{superior}, MaxAlpha: 0.01}
		require.ErrorContains(t, policy.Validate(), "criterion 1: CapAlpha of a ")
		require.NotEqual(t, gate.Promote, gate.Evaluate(policy, e).Outcome)
	}
	for _, c := range []gate.Criterion{capped{stricter{superior}}, &capped{stricter{superior}}} {
		policy, err := budget.Budget{}.Apply(gate.Policy{Criteria: []gate.Criterion{c}, First: []gate.Criterion{superior}}, e.At)
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
		gate.SegmentVeto{Metric: metrics.F1, Alpha: 0.05},
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

func TestPolicy_CapAlpha(t *testing.T) {
	t.Parallel()
	policy := gate.Policy{MaxAlpha: 0.01, Criteria: []gate.Criterion{gate.Superior{Metric: metrics.F1}}}
	for _, alpha := range []float64{0, -1, 1e-9, 0.5, nan, math.Inf(1)} {
		_, err := policy.CapAlpha(alpha)
		require.ErrorContains(t, err, "want 1e-05 to 0.5", alpha)
	}
	for alpha, want := range map[float64]float64{1e-5: 1e-5, 0.4: 0.01} {
		capped, err := policy.CapAlpha(alpha)
		require.NoError(t, err)
		require.Equal(t, want, capped.MaxAlpha)
	}
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
				var b budget.Budget
				with := erring(func(e gate.Evidence) gate.Outcome {
					if e.At.Equal(day0) {
						b = budget.Budget{Total: total}
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
