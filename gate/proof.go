package gate

import (
	"cmp"
	"fmt"

	"github.com/selfheal-ml/selfheal/gate/internal/digits"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// Superior wants the shadow proven better than production: the one-sided confidence bound of
// the gain, at the level 1-Alpha, must be above Min. A shadow whose true gain is at most Min
// passes with a probability of at most about Alpha. This is [ProveBetter].
//
// Both models are compared on the same rows:
//
//   - Metrics of classes, such as accuracy: by a bootstrap over the cells of the joint
//     confusion matrix, reweighted to the hypothesis ([paired.Tilted]). The exact sign test
//     limits what few differing rows can prove.
//   - ROCAUC: by the method of DeLong.
//   - Brier, LogLoss, MAE and MAPE: by the differences of the rows' losses.
//   - BrierSkill, RMSE, R2, PRAUC and ECE: by the influence of each row. The ECE is not
//     corrected for its bias: fewer rows give a larger ECE, whatever the model.
//   - A host's own metric: by the bootstrap if made by [metrics.OfCounts], by the differences
//     of the rows' costs if made by [metrics.OfRows].
//
// Intervals from losses, costs and influences are those of Student's t or of its correction
// for skewness, whichever claims less.
//
// A metric of classes keeps its level down to the share of an error budget, from 200 rows on
// with some ten rows of each class, whatever the operating points of the models. The mean of a
// bounded loss, such as Brier's, also keeps its level, unless a few rows make up most of the
// difference.
//
// The losses of RMSE, R2, MAE, MAPE and LogLoss have no bound, and no test of such a mean
// keeps its level for every population (Bahadur & Savage 1956). The level holds for errors
// that are about normal. If a few rows make up most of the squared error, a nominal level of
// 5 % is really 6 to 8 % with twenty such rows expected, about 10 % with ten, and 15 to 50 %
// with five or fewer. Then use more rows, or a host's metric with a bounded loss.
//
// For a metric of classes the time grows with the draws and with the square of the number of
// kinds of rows (a truth and both answers): milliseconds for two or three classes, half a
// second for 2,000 rows of 200 classes. More than 1,000 classes make the check [Errored].
//
// A gain that is neither proven nor ruled out is Undecided. Needed is then the number of rows
// that would prove a gain like the measured one with a power of 80 %. A gain that is ruled out
// is a Fail, and so are models that answer every row alike. The statistic is the gain,
// positive if the shadow is better. The two-sided level of CI is 1-2*Alpha.
type Superior struct {
	Metric metrics.Metric `json:"metric"`
	// Min is the gain that must be exceeded, in the unit of the metric. Default 0.
	Min float64 `json:"min,omitempty"`
	// Alpha is the chance of passing by luck, from 1e-5, below which no approximation holds,
	// to below 0.5. Default 0.05.
	Alpha float64 `json:"alpha,omitempty"`
	// Draws is the number of bootstrap draws, 100 to 1,000,000. Default 2000. Seed seeds the
	// draws.
	Draws int    `json:"draws,omitempty"`
	Seed  uint64 `json:"seed,omitempty"`
}

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
// one-sided confidence bound of the gain, at the level 1-Alpha, must be above -Margin. A
// shadow that is truly worse by the margin passes with a probability of at most about Alpha.
// This is [ProveNotWorse]. Set either Margin or Relative. Otherwise it is like [Superior].
type NonInferior struct {
	Metric metrics.Metric `json:"metric"`
	// Margin is the loss that must be ruled out, above 0, in the unit of the metric.
	Margin float64 `json:"margin,omitempty"`
	// Relative is the loss that must be ruled out, as a share of production's value: 0.03 is 3
	// %. The statistic is then the gain as a share. For a metric of classes each end of the
	// interval takes some eight bootstraps, because each share is a hypothesis of its own. If
	// production's value of a metric that should be high is within 0.01 of zero, the result is
	// Undecided.
	Relative float64 `json:"relative,omitempty"`
	// Alpha, Draws and Seed are as in [Superior].
	Alpha float64 `json:"alpha,omitempty"`
	Draws int     `json:"draws,omitempty"`
	Seed  uint64  `json:"seed,omitempty"`
}

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

// Check passes if a loss of the margin is ruled out.
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

// hypothesis says that the gain is above a bound.
type hypothesis struct {
	pairing
	alpha, bound              float64
	claim                     func(write func(v float64) string) string // writes the bound
	proven, refuted, unproven string                                    // the words for each result
}

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

func (p pairing) write(v float64, more int) string {
	if p.Relative {
		return shareText(v, more)
	}
	return metric{p.Metric}.write(v, more)
}

// signed writes a gain with its sign, as a share or in the unit of the metric.
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
