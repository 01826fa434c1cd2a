package gate_test

import (
	"fmt"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// A host counts in money: a false alarm costs 5 EUR, a miss 40 EUR. Its metric is proven,
// vetoed by segment and recomputed as the metrics of this module are.
func ExampleKindOfMetric() {
	cost, err := metrics.OfCounts(metrics.Info{
		Name: "cost", Title: "cost per row", LowerIsBetter: true, Unit: "EUR",
	}, func(c metrics.Counts) (float64, error) {
		return (5*c[1].FP + 40*c[1].FN) / c.Total(), nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	truth, production, shadow := columns()
	evidence, err := gate.FromScores(truth, production, shadow)
	if err != nil {
		fmt.Println(err)
		return
	}
	evidence.Segments = map[string][]string{"half": make([]string, evidence.N())}
	for i := range evidence.N() {
		evidence.Segments["half"][i] = []string{"first", "second"}[2*i/evidence.N()]
	}
	decision := gate.Evaluate(gate.Policy{Name: "money", Criteria: []gate.Criterion{
		gate.Superior{Metric: cost},
		gate.SegmentVeto{Metric: cost, MaxDrop: 0.05, MinRows: 30, Alpha: 0.05},
	}}, evidence)
	fmt.Println(decision.Outcome)
	for _, c := range decision.Checks {
		fmt.Println(c.Verdict, c.Reason)
	}

	again, err := gate.Recompute(decision, gate.KindOfMetric(cost))
	fmt.Println(again.Outcome, err)
	// Output:
	// promote
	// pass cost per row falls from 3 EUR to 1.15 EUR (gain +1.85 EUR, 90 % CI +1.467 EUR to +2.303 EUR) on 1,000 rows: a gain is proven
	// pass worst in half=first: cost per row falls from 3 EUR to 1.15 EUR (61.7 % better, at most 5.0 % worse allowed) on 500 rows; 0 of 2 segments proven worse
	// promote <nil>
}
