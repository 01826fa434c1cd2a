package gate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// columns returns what a job may have read from a table: truths, and the scores of two
// models of which the second is better.
func columns() (truth, production, shadow []float64) {
	for i := range 1000 {
		y := float64(i % 4 / 3)         // every fourth row is positive
		noise := float64(i*37%100) / 99 // 0 to 1
		truth = append(truth, y)
		production = append(production, 0.35*y+0.6*noise)
		shadow = append(shadow, 0.45*y+0.55*noise)
	}
	return truth, production, shadow
}

// A custom job has the truth and the scores of both models, and wants the decision.
func Example() {
	truth, production, shadow := columns()
	evidence, err := gate.FromScores(truth, production, shadow)
	if err != nil {
		fmt.Println(err)
		return
	}
	decision := gate.Evaluate(gate.Standard(), evidence)
	fmt.Println(decision)
	// Output: promote: F1 0.679 -> 0.836 (90 % CI +0.131..+0.186), 6 of 6 checks passed
}

func ExampleReplay() {
	schema, err := predictlog.NewSchema([]predictlog.Column{
		{Name: "income", Kind: predictlog.Numeric},
	}, predictlog.Target{})
	if err != nil {
		fmt.Println(err)
		return
	}
	data := labels.Dataset{Schema: schema}
	for i := range 400 {
		class := "0"
		if i >= 200 {
			class = "1"
		}
		data.Examples = append(data.Examples, labels.Example{
			Record: predictlog.Record{
				ID:   fmt.Sprint(i),
				Time: time.Date(2025, 3, 1, 0, i, 0, 0, time.UTC),
				Row:  predictlog.Row{predictlog.Number(float64(i))},
			},
			Label:    labels.Label{Class: class},
			Labelled: true,
		})
	}
	// above answers 1 for an income of the limit or more.
	above := func(limit float64) gate.Model {
		return gate.ModelFunc(func(_ context.Context, rows []predictlog.Row) ([]predictlog.Output, error) {
			outputs := make([]predictlog.Output, len(rows))
			for i, row := range rows {
				outputs[i] = predictlog.Output{Class: "0", Probabilities: []float64{0.8, 0.2}}
				if income, _ := row[0].Number(); income >= limit {
					outputs[i] = predictlog.Output{Class: "1", Probabilities: []float64{0.2, 0.8}}
				}
			}
			return outputs, nil
		})
	}
	evidence, err := gate.Replay(context.Background(), above(260), above(210), data, gate.ReplayConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(gate.Evaluate(gate.Classic(), evidence))
	// Output: promote: F1 0.824 -> 0.974, 6 of 6 checks passed
}

// maxLatency is a host's own criterion: one method.
type maxLatency struct{ limit time.Duration }

func (c maxLatency) Check(e *gate.Evidence) gate.Check {
	p95 := e.ShadowLatency.P95
	check := gate.Check{
		Criterion: "latency", Verdict: gate.Pass, N: e.N(),
		Statistic: p95.Seconds(), Threshold: c.limit.Seconds(),
		Reason: fmt.Sprintf("95 %% of the batches take at most %v per row, at most %v wanted", p95, c.limit),
	}
	if p95 > c.limit {
		check.Verdict = gate.Fail
	}
	return check
}

func ExampleCriterion() {
	truth, production, shadow := columns()
	evidence, err := gate.FromScores(truth, production, shadow)
	if err != nil {
		fmt.Println(err)
		return
	}
	evidence.ShadowLatency = gate.Latency{Mean: time.Millisecond, P95: 3 * time.Millisecond}

	policy := gate.Standard()
	policy.Name = "standard and fast"
	policy.Criteria = append(policy.Criteria, maxLatency{2 * time.Millisecond})
	decision := gate.Evaluate(policy, evidence)
	fmt.Println(decision.Outcome)
	for _, reason := range decision.Reasons() {
		fmt.Println(reason)
	}
	// Output:
	// reject
	// 95 % of the batches take at most 3ms per row, at most 2ms wanted
}

// A decision was stored as JSON and is read by someone on call.
func ExampleDecision() {
	truth, production, shadow := columns()
	evidence, err := gate.FromScores(truth[:100], production[:100], shadow[:100])
	if err != nil {
		fmt.Println(err)
		return
	}
	stored, err := json.Marshal(gate.Evaluate(gate.Classic(), evidence))
	if err != nil {
		fmt.Println(err)
		return
	}

	var decision gate.Decision
	if err := json.Unmarshal(stored, &decision); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(decision)
	for _, c := range decision.Checks {
		fmt.Printf("%s %s: %s\n", c.Verdict, c.Criterion, c.Reason)
	}
	// Output:
	// inconclusive: F1 0.679 -> 0.836, 5 of 6 checks passed; samples: undecided
	// undecided samples: 100 labelled rows are too few, at least 200 wanted
	// pass label coverage: 100 of 100 predictions are labelled (100.0 %), at least 30.0 % wanted
	// pass cooldown: no model was promoted before
	// pass f1 improvement: F1 rises from 0.679 to 0.836 (+23.3 %), at least +2.0 % wanted, on 100 rows
	// pass brier not worse: Brier falls from 0.126 to 0.099, at most 0.010 higher wanted, on 100 rows
	// pass f1 by segment: no segment to compare
}

func ExampleMetric_Measure() {
	truth := gate.Answers{Class: []int{0, 1, 1, 0}}
	answers := gate.Answers{Class: []int{0, 1, 0, 0}}
	f1, err := gate.F1.Measure(predictlog.Target{}, truth, answers)
	fmt.Printf("%s %.3f %v\n", gate.F1.Title(), f1, err)
	_, err = gate.Brier.Measure(predictlog.Target{}, truth, answers)
	fmt.Println(err)
	// Output:
	// F1 0.667 <nil>
	// gate: Brier needs probabilities, and the model gives none
}

// A watch looks after every label whether the new version costs more than the old one.
func ExampleBetting() {
	bets, err := gate.NewBetting(gate.BettingConfig{Alpha: 0.01})
	if err != nil {
		fmt.Println(err)
		return
	}
	for n := 1; ; n++ {
		newLoss, oldLoss := 0.9, 0.4
		if n%5 == 0 {
			newLoss = 0.1
		}
		if err := bets.Add((newLoss - oldLoss + 1) / 2); err != nil {
			fmt.Println(err)
			return
		}
		if bets.Rejected() {
			fmt.Printf("harm proven after %d labels\n", n)
			return
		}
	}
	// Output: harm proven after 28 labels
}
