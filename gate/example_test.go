package gate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/metrics"
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
	// Output: promote: F1 0.679 -> 0.836 (90 % CI of the gain +0.131..+0.187), 6 of 6 checks passed, 4 skipped
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
	// Output: promote: F1 0.824 -> 0.974, 4 of 4 checks passed, 2 skipped
}

// maxMemory is a host's own criterion: one method, and a second for policies in JSON.
type maxMemory struct {
	Megabytes float64 `json:"megabytes"`

	used float64 // by the shadow, as the host measured it
}

func (c maxMemory) Check(e *gate.Evidence) gate.Check {
	check := gate.Check{
		Criterion: "memory", Verdict: gate.Pass, N: e.N(),
		Statistic: c.used, Threshold: c.Megabytes,
		Reason: fmt.Sprintf("the shadow takes %v MB, at most %v MB wanted", c.used, c.Megabytes),
	}
	if c.used > c.Megabytes {
		check.Verdict = gate.Fail
	}
	return check
}

func (maxMemory) Kind() string { return "max_memory" }

func ExampleCriterion() {
	truth, production, shadow := columns()
	evidence, err := gate.FromScores(truth, production, shadow)
	if err != nil {
		fmt.Println(err)
		return
	}
	policy := gate.Standard()
	policy.Name = "standard and small"
	policy.Criteria = append(policy.Criteria, maxMemory{Megabytes: 500, used: 730})
	decision := gate.Evaluate(policy, evidence)
	fmt.Println(decision.Outcome)
	for _, reason := range decision.Reasons() {
		fmt.Println(reason)
	}
	// Output:
	// reject
	// the shadow takes 730 MB, at most 500 MB wanted
}

// A policy comes from a file, and has a criterion of the host's own.
func ExampleParsePolicy() {
	file := []byte(`{
		"schema_version": 1,
		"name": "loans",
		"criteria": [
			{"type": "min_samples", "rows": 500},
			{"type": "cooldown", "period": "72h"},
			{"type": "superior", "metric": "f1", "alpha": 0.01},
			{"type": "max_memory", "megabytes": 500}
		],
		"first": [{"type": "floor", "metric": "f1", "bound": 0.6}]
	}`)
	policy, err := gate.ParsePolicy(file, gate.KindOf(func() maxMemory { return maxMemory{used: 120} }))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := policy.Validate(); err != nil {
		fmt.Println(err)
		return
	}
	truth, production, shadow := columns()
	evidence, err := gate.FromScores(truth, production, shadow)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range gate.Evaluate(policy, evidence).Checks {
		fmt.Println(c.Verdict, c.Criterion)
	}

	_, err = gate.ParsePolicy([]byte(`{"schema_version": 1, "name": "loans", "criteria": [{"type": "cooldown", "days": 3}], "first": []}`))
	fmt.Println(err)
	// Output:
	// pass samples
	// skipped cooldown
	// pass f1 superiority
	// pass memory
	// gate: policy "loans": criteria[0]: cooldown: unknown field "days", want one of ["period"]
}

// A decision is shown in the comment of a pull request.
func ExampleDecision_WriteMarkdown() {
	truth, production, shadow := columns()
	evidence, err := gate.FromScores(truth, production, shadow)
	if err != nil {
		fmt.Println(err)
		return
	}
	policy := gate.Policy{Name: "short", Criteria: []gate.Criterion{
		gate.MinSamples{Rows: 1200},
		gate.Improvement{Metric: metrics.F1, Relative: 0.02},
	}}
	var page strings.Builder
	if err := gate.Evaluate(policy, evidence).WriteMarkdown(&page); err != nil {
		fmt.Println(err)
		return
	}
	summary, _, _ := strings.Cut(page.String(), "\n| Metric")
	fmt.Println(summary)
	// Output:
	// ## The evidence does not decide: F1 0.679 → 0.836
	//
	// 1 of 2 checks passed. 1,000 labelled rows are too few, at least 1,200 wanted.
	//
	// - Policy: short
	// - Rows: 1,000 (100.0 % of 1,000 predictions are labelled)
	//
	// | Verdict | Check | Proof | Measured | Wanted | Interval | Rows | Needed | |
	// | --- | --- | --- | ---: | ---: | --- | ---: | ---: | --- |
	// | **undecided** | samples | condition | 1,000 | ≥ 1,200 |   | 1,000 | 1,200 | 1,000 labelled rows are too few, at least 1,200 wanted |
	// | pass | f1 improvement | point estimate | gain +23.3 % | ≥ +2.0 % |   | 1,000 |   | F1 rises from 0.679 to 0.836 (+23.3 %), at least +2.0 % wanted, on 1,000 rows |
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
	// inconclusive: F1 0.679 -> 0.836, 3 of 4 checks passed, 2 skipped; samples: undecided
	// undecided samples: 100 labelled rows are too few, at least 200 wanted
	// pass label coverage: 100 of 100 predictions are labelled (100.0 %), at least 30.0 % wanted
	// skipped cooldown: the last promotion is not known
	// pass f1 improvement: F1 rises from 0.679 to 0.836 (+23.3 %), at least +2.0 % wanted, on 100 rows
	// pass brier not worse: Brier falls from 0.126 to 0.099, at most 0.010 higher wanted, on 100 rows
	// skipped f1 by segment: the evidence has no segments
}
