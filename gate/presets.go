package gate

import (
	"time"

	"github.com/selfheal-ml/selfheal/gate/metrics"
)

const week = 7 * 24 * time.Hour

// Standard returns the policy with stated error rates. It promotes a shadow that
//   - is proven better than production in the primary metric (F1, or RMSE for a
//     regression) at a level of 0.05,
//   - is proven not worse by 0.01 in the secondary metric (Brier, or R2) at a level of 0.05,
//   - is proven not worse by 3 % of production's value in the primary metric at a level of
//     0.01, which few rows cannot show,
//   - is not proven worse by more than 5 % in any segment,
//   - is better than a constant answer,
//   - takes at most twice production's time for a row, or 10 ms, if times were measured.
//
// The evidence must have at least 200 rows, ten rows of each class, and labels for 30 % of the
// period's predictions. At least half of the rows must be from before the last day, if the
// times are known. The last promotion must be at least a week ago.
//
// All of these must hold (Berger 1982). Whatever the other criteria are, a shadow that is no
// better in the primary metric is therefore promoted in at most about 5 % of comparisons, and
// a shadow that is worse by 3 % or more in at most about 1 %. Simulation confirms this for
// classes: the test TestErrorRates prints these rates, and the share of better models that are
// promoted. The rows must be drawn independently and must not have been used to choose the
// shadow. Package budget bounds the error over many comparisons.
//
// For a regression these rates hold if both models' errors are about normal. They do not hold
// for a shadow that errs rarely and grossly. Take a shadow with errors a fifth smaller on all
// but 0.5 % of the rows, and the same RMSE as production. It is promoted in about half of the
// comparisons on 200 rows, in 10 % on 1000, and in 2 % on 5000. [Superior] says why.
//
// A first deployment must be no worse than a constant answer.
//
// Models without probabilities have no Brier score. They need a policy without
// [metrics.Secondary] and [metrics.Skill].
func Standard() Policy {
	return Policy{
		Name: "standard",
		Criteria: []Criterion{
			MinSamples{Rows: 200, PerClass: 10},
			MinCoverage{Share: 0.30},
			Maturity{Age: 24 * time.Hour, Share: 0.5, Optional: true},
			Cooldown{Period: week},
			Superior{Metric: metrics.Primary, Alpha: 0.05},
			NonInferior{Metric: metrics.Secondary, Margin: 0.01, Alpha: 0.05},
			NonInferior{Metric: metrics.Primary, Relative: 0.03, Alpha: 0.01},
			SegmentVeto{Metric: metrics.Primary, MaxDrop: 0.05, MinRows: 30, Alpha: 0.05},
			Floor{Metric: metrics.Skill, Bound: 0},
			MaxLatency{Relative: 2, Absolute: 10 * time.Millisecond, Optional: true},
		},
		First: firstCriteria(),
	}
}

// Classic returns the usual six rules on point estimates: at least 200 rows, labels for 30 %
// of the predictions, a week since the last promotion, the primary metric better by 2 %, Brier
// at most 0.01 higher (R2 at most 0.01 lower for a regression), and no segment of 30 rows or
// more that loses over 5 % of the primary metric. It has no error rate: of two equal models it
// promotes the new one in a third or more of comparisons at 1000 rows. Prefer [Standard].
//
// A first deployment must be no worse than a constant answer. Models without probabilities
// need another policy, as for Standard.
func Classic() Policy {
	return Policy{
		Name: "classic",
		Criteria: []Criterion{
			MinSamples{Rows: 200},
			MinCoverage{Share: 0.30},
			Cooldown{Period: week},
			Improvement{Metric: metrics.Primary, Relative: 0.02},
			NotWorse{Metric: metrics.Secondary, Margin: 0.01},
			SegmentVeto{Metric: metrics.Primary, MaxDrop: 0.05, MinRows: 30},
		},
		First: firstCriteria(),
	}
}

func firstCriteria() []Criterion {
	return []Criterion{
		MinSamples{Rows: 200},
		MinCoverage{Share: 0.30},
		Floor{Metric: metrics.Skill, Bound: 0},
	}
}
