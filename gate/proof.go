package gate

import (
	"cmp"
	"fmt"

	"github.com/selfheal-ml/selfheal/gate/internal/digits"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// Superior wants the shadow proven better than production: the one-sided confidence
// bound of the gain, at the level 1-Alpha, must be above Min. A shadow whose true gain is
// at most Min passes with a probability of at most about Alpha. This is [ProveBetter].
//
// Both models are compared on identical rows:
//
//   - in a metric of classes, accuracy among them, by a bootstrap over the cells of the
//     joint confusion matrix, reweighted to the hypothesis ([paired.Tilted]). The exact sign
//     test limits what few differing rows can prove;
//   - in ROCAUC by the method of DeLong;
//   - in Brier, LogLoss, MAE and MAPE by the differences of the rows' losses, and in
//     BrierSkill, RMSE, R2, PRAUC and ECE by the influence of each row. The interval is that
//     of Student's t or that of its correction for skewness, whichever claims less. An ECE is
//     compared as measured, although the ECE of fewer rows is larger, whatever the model;
//   - in a host's own metric by the bootstrap if [metrics.OfCounts] made the metric, by the
//     differences of the rows' costs if [metrics.OfRows] made it.
//
// A metric of classes keeps its level down to the share of an error budget, from 200 rows on
// with some ten of each class among them, whatever the operating points of the models. So
// does the mean of a bounded loss, such as Brier's, unless a few rows make up most of the
// difference.
//
// The losses of RMSE, R2, MAE, MAPE and LogLoss have no bound, and no test of their mean
// keeps its level for every population (Bahadur & Savage 1956). The level holds for errors
// that are about normal. Where a few rows make up most of the squared error, a level of 5 %
// is in truth 6 to 8 % if twenty such rows are expected, about 10 % if ten are, and 15 to
// 50 % if five or fewer are. Then have more rows, or give the loss a bound in a metric of
// the host's own.
//
// In a metric of classes the time grows with the draws and the square of the number of
// kinds of rows (a truth and both answers): milliseconds for two or three classes, half a
// second for 2,000 rows of 200 classes. More than 1,000 classes make the check [Errored].
//
// A gain that these rows do not prove is Undecided: Needed is the number of rows that would
// prove a gain like the measured one with a power of 80 %. A gain that is ruled out, or
// models that answer every row alike, are a Fail. The statistic is the gain, positive if
// the shadow is better. The two-sided level of CI is 1-2*Alpha.
type Superior struct {
	Metric metrics.Metric `json:"metric"`
	// Min is the gain that must be exceeded, in the unit of the metric. Default 0.
	Min float64 `json:"min,omitempty"`
	// Alpha is the chance of passing by luck, from 1e-5 on. Default 0.05.
	Alpha float64 `json:"alpha,omitempty"`
	// Draws is the number of bootstrap draws, Seed what they are drawn from. Default
	// 2000 draws.
	Draws int    `json:"draws,omitempty"`
	Seed  uint64 `json:"seed,omitempty"`
}

// validate returns every violation: an unknown metric, a negative or infinite Min, an
// Alpha below 1e-5, where no approximation holds, or of 0.5 or more, Draws that are not
// 100 to 1,000,000.
func (c Superior) validate() error {
	var f fields
	f.metric(c.Metric)
	f.want(finiteFrom(c.Min, 0), "Min", c.Min, "0 or more")
	f.inference(c.Alpha, c.Draws)
	return f.err()
}

// Check passes if the gain is proven.
func (c Superior) Check(e *Evidence) Check { return c.check(newView(e, false)) }

func (c Superior) metric() metrics.Metric { return c.Metric }

func (c Superior) check(v view) Check {
	m := metricOf(c.Metric, v)
	return hypothesis{
		pairing: newPairing(m, false, c.Draws, c.Seed),
		alpha:   cmp.Or(c.Alpha, defaultAlpha),
		bound:   c.Min,
		claim: func(write func(v float64) string) string {
			if c.Min == 0 {
				return "a gain"
			}
			return "a gain above " + write(c.Min)
		},
		proven: "is proven", refuted: "is ruled out", unproven: "is not proven",
	}.check(v, m, Check{Criterion: m.String() + " superiority", Proof: ProveBetter, Metric: m.String()})
}

// NonInferior wants the shadow proven not worse than production by a margin or more: the
// one-sided confidence bound of its gain, at the level 1-Alpha, must be above -Margin.
// If it truly is that much worse, it passes with a probability of at most about Alpha.
// This is [ProveNotWorse]; everything else is as for [Superior]. Set Margin or Relative.
type NonInferior struct {
	Metric metrics.Metric `json:"metric"`
	// Margin is the loss that must be excluded, in the unit of the metric, above 0.
	Margin float64 `json:"margin,omitempty"`
	// Relative is the loss that must be excluded as a share of production's value: 0.03
	// is 3 %. For a metric of classes each end of the interval takes some eight bootstraps,
	// because each share is a hypothesis of its own. The statistic is then the gain as such
	// a share. Where production's value of a metric that should be high is within 0.01 of
	// zero, the result is Undecided.
	Relative float64 `json:"relative,omitempty"`
	// Alpha, Draws and Seed are as in [Superior].
	Alpha float64 `json:"alpha,omitempty"`
	Draws int     `json:"draws,omitempty"`
	Seed  uint64  `json:"seed,omitempty"`
}

// validate returns every violation: an unknown metric, neither or both of Margin and
// Relative, one that is negative or infinite, an Alpha or Draws that [Superior] rejects.
func (c NonInferior) validate() error {
	var f fields
	f.metric(c.Metric)
	f.want(finiteFrom(c.Relative, 0), "Relative", c.Relative, "0 or more")
	if c.Relative == 0 {
		f.want(c.Margin > 0 && finiteFrom(c.Margin, 0), "Margin", c.Margin, "above 0")
	} else {
		f.want(c.Margin == 0, "Margin", c.Margin, "0 because Relative is set")
	}
	f.inference(c.Alpha, c.Draws)
	return f.err()
}

// Check passes if a loss of the margin is excluded.
func (c NonInferior) Check(e *Evidence) Check { return c.check(newView(e, false)) }

func (c NonInferior) metric() metrics.Metric { return c.Metric }

func (c NonInferior) check(v view) Check {
	m := metricOf(c.Metric, v)
	return hypothesis{
		pairing: newPairing(m, c.Relative > 0, c.Draws, c.Seed),
		alpha:   cmp.Or(c.Alpha, defaultAlpha),
		bound:   -c.Margin - c.Relative, // one of them is 0
		claim:   func(write func(v float64) string) string { return "a loss of " + write(c.Margin+c.Relative) },
		proven:  "is ruled out", refuted: "or more is proven", unproven: "is not ruled out",
	}.check(v, m, Check{Criterion: m.String() + " non-inferiority", Proof: ProveNotWorse, Metric: m.String()})
}

// hypothesis is that the gain is above a bound, and how to say what was found of it.
type hypothesis struct {
	pairing
	alpha, bound              float64
	claim                     func(write func(v float64) string) string // writes the bound
	proven, refuted, unproven string                                    // what is said of the claim
}

// check fills the check of the hypothesis.
func (h hypothesis) check(v view, m metric, check Check) Check {
	check.Unit, check.Threshold, check.N = UnitGain, h.bound, v.n
	if h.Relative {
		check.Unit = UnitRelativeGain
	}
	if v.first {
		return check.noProduction()
	}
	if err := checkAnswers(v, m.Metric); err != nil {
		return check.unmeasured(err)
	}
	r, err := h.compare(v, subset{})
	if err != nil {
		return check.unmeasured(err)
	}
	ci, err := r.Interval(h.alpha)
	if err != nil {
		return check.unmeasured(err)
	}
	check.Statistic, check.CI = r.Gain, &Interval{Lo: ci.Lo, Hi: ci.Hi, Level: ci.Level}
	more := tell(h.write, h.bound, r.Gain, ci.Lo, ci.Hi)
	found := fmt.Sprintf("%s (gain %s, %.4g %% CI %s to %s) on %s rows",
		m.movement(r.Production, r.Shadow, more), h.signed(r.Gain, more),
		100*ci.Level, h.signed(ci.Lo, more), h.signed(ci.Hi, more), count(check.N))
	claim := h.claim(func(v float64) string { return h.write(v, more) })
	switch {
	case r.Differ == 0 && h.bound >= 0:
		return check.with(Fail, "%s: the models answer every row alike", found)
	case ci.Lo > h.bound:
		return check.with(Pass, "%s: %s %s", found, claim, h.proven)
	case ci.Hi <= h.bound:
		return check.with(Fail, "%s: %s %s", found, claim, h.refuted)
	}
	needed := ""
	if check.Needed = r.Needed(check.N, h.bound, h.alpha); check.Needed > 0 {
		needed = fmt.Sprintf("; about %s rows like these would decide", count(check.Needed))
	}
	return check.with(Undecided, "%s: %s %s%s", found, claim, h.unproven, needed)
}

// write writes an amount of a gain in its unit.
func (p pairing) write(v float64, more int) string {
	if p.Relative {
		return shareText(v, more)
	}
	return metric{p.Metric}.write(v, more)
}

// signed writes a gain in its unit.
func (p pairing) signed(gain float64, more int) string {
	if p.Relative && digits.IsFinite(gain) {
		return plus(shareText(gain, more))
	}
	return metric{p.Metric}.difference(gain, more)
}

// CapAlpha returns c with the lower of both alphas.
func (c Superior) CapAlpha(alpha float64) Criterion {
	c.Alpha = min(alpha, cmp.Or(c.Alpha, defaultAlpha))
	return c
}

// Proof returns [ProveBetter].
func (Superior) Proof() Proof { return ProveBetter }

// CapAlpha returns c with the lower of both alphas.
func (c NonInferior) CapAlpha(alpha float64) Criterion {
	c.Alpha = min(alpha, cmp.Or(c.Alpha, defaultAlpha))
	return c
}

// Proof returns [ProveNotWorse].
func (NonInferior) Proof() Proof { return ProveNotWorse }
