package gate

import "fmt"

// The defaults of the statistical criteria.
const (
	defaultAlpha = 0.05
	defaultDraws = 2000
)

// Superior wants the shadow proven better than production: the one-sided confidence
// bound of its gain, at the level 1-Alpha, must be above Min. If it truly is no better
// than that, it passes with a probability of at most about Alpha. This is [ProveBetter].
//
// A metric of classes is inferred by a paired bootstrap (percentile, one multinomial
// draw over the cells of the joint confusion matrix), which needs enough rows on which
// the models differ; Brier, BrierSkill, LogLoss, MAE, RMSE, R2 and MAPE by a t interval
// of the paired differences. ROCAUC, PRAUC and ECE have no interval and are an Error.
//
// Not shown on these rows is Undecided, with the rows that would show a gain as large as
// the measured one with a power of 80 %; proven not to be better is a Fail. The statistic
// is the gain, positive if the shadow is better, and CI bounds it on either side at
// 1-Alpha, which makes its two-sided level 1-2*Alpha.
type Superior struct {
	Metric Metric `json:"metric"`
	// Min is the gain that must be exceeded, in the unit of the metric. Default 0.
	Min float64 `json:"min,omitempty"`
	// Alpha is the chance of passing by luck. Default 0.05.
	Alpha float64 `json:"alpha,omitempty"`
	// Draws is the number of bootstrap draws, Seed what they are drawn from. Default
	// 2000 draws.
	Draws int    `json:"draws,omitempty"`
	Seed  uint64 `json:"seed,omitempty"`
}

// Validate returns every violation: an unknown metric, a negative or infinite Min, an
// Alpha of 0.5 or more, too few Draws to find a quantile at Alpha.
func (c Superior) Validate() error {
	var f fields
	f.metric(c.Metric)
	f.want(finiteFrom(c.Min, 0), "Min", c.Min, "0 or more")
	f.bootstrap(c.Alpha, c.Draws)
	return f.err()
}

// Check passes if the gain is proven.
func (c Superior) Check(e *Evidence) Check {
	m := c.Metric.For(e.Target)
	p := pairing{m, c.Alpha, c.Draws, c.Seed}.withDefaults()
	check := Check{Criterion: string(m) + " superiority", Proof: ProveBetter, Metric: m}
	gain := "a gain"
	if c.Min > 0 {
		gain = "a gain above " + m.format(c.Min)
	}
	return p.prove(e, check, c.Min, findings{
		proven:   gain + " is proven",
		refuted:  gain + " is ruled out",
		unproven: gain + " is not proven",
	})
}

// NonInferior wants the shadow proven not worse than production by Margin or more: the
// one-sided confidence bound of its gain, at the level 1-Alpha, must be above -Margin.
// If it truly is that much worse, it passes with a probability of at most about Alpha.
// This is [ProveNotWorse]; everything else is as for [Superior].
type NonInferior struct {
	Metric Metric `json:"metric"`
	// Margin is the loss that must be excluded, in the unit of the metric, above 0.
	Margin float64 `json:"margin"`
	// Alpha is the chance of passing by luck. Default 0.05.
	Alpha float64 `json:"alpha,omitempty"`
	// Draws is the number of bootstrap draws, Seed what they are drawn from. Default
	// 2000 draws.
	Draws int    `json:"draws,omitempty"`
	Seed  uint64 `json:"seed,omitempty"`
}

// Validate returns every violation: an unknown metric, a Margin that is not positive, an
// Alpha of 0.5 or more, too few Draws to find a quantile at Alpha.
func (c NonInferior) Validate() error {
	var f fields
	f.metric(c.Metric)
	f.want(c.Margin > 0 && finiteFrom(c.Margin, 0), "Margin", c.Margin, "above 0")
	f.bootstrap(c.Alpha, c.Draws)
	return f.err()
}

// Check passes if a loss of Margin is excluded.
func (c NonInferior) Check(e *Evidence) Check {
	m := c.Metric.For(e.Target)
	p := pairing{m, c.Alpha, c.Draws, c.Seed}.withDefaults()
	check := Check{Criterion: string(m) + " non-inferiority", Proof: ProveNotWorse, Metric: m}
	loss := "a loss of " + m.format(c.Margin)
	return p.prove(e, check, -c.Margin, findings{
		proven:   loss + " is ruled out",
		refuted:  loss + " or more is proven",
		unproven: loss + " is not ruled out",
	})
}

// findings are the ways to say what was found of a hypothesis.
type findings struct{ proven, refuted, unproven string }

// prove fills the check of the hypothesis that the gain is above the bound.
func (p pairing) prove(e *Evidence, check Check, bound float64, say findings) Check {
	m := p.metric
	check.Threshold, check.N = bound, e.N()
	if e.First() {
		return check.noProduction()
	}
	r, err := p.compare(e.Target, e.Truth, *e.Production, e.Shadow)
	if err != nil {
		return check.unmeasured(err)
	}
	check.Statistic = r.gain
	check.CI = &Interval{Lo: r.lo, Hi: r.hi, Level: 1 - 2*p.alpha}
	found := fmt.Sprintf("%s (gain %s, %.0f %% CI %s to %s) on %s rows",
		movement(m, r.production, r.shadow), m.signed(r.gain), 100*check.CI.Level, m.signed(r.lo), m.signed(r.hi), count(check.N))
	switch {
	case r.lo > bound:
		return check.with(Pass, "%s: %s", found, say.proven)
	case r.hi <= bound:
		return check.with(Fail, "%s: %s", found, say.refuted)
	}
	check.Needed = p.needed(r, check.N, bound)
	if check.Needed == 0 {
		return check.with(Undecided, "%s: %s", found, say.unproven)
	}
	return check.with(Undecided, "%s: %s; about %s rows like these would decide", found, say.unproven, count(check.Needed))
}

func (p pairing) withDefaults() pairing {
	if p.alpha == 0 {
		p.alpha = defaultAlpha
	}
	if p.draws == 0 {
		p.draws = defaultDraws
	}
	return p
}

// bootstrap records violations of Alpha and Draws, zero being the defaults.
func (f *fields) bootstrap(alpha float64, draws int) {
	p := pairing{alpha: alpha, draws: draws}.withDefaults()
	f.want(p.alpha > 0 && p.alpha < 0.5, "Alpha", alpha, "0 to 0.5")
	// Ten draws beyond it are the least that locate a quantile.
	f.want(p.alpha*float64(p.draws) >= 10, "Draws", draws, fmt.Sprintf("at least 10/Alpha, which is %.0f", 10/p.alpha))
}
