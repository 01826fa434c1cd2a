package budget_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/budget"
)

// columns returns what a job may have read from a table: truths, and the scores of a
// model.
func columns() (truth, scores []float64) {
	for i := range 1000 {
		y := float64(i % 4 / 3)         // every fourth row is positive
		noise := float64(i*37%100) / 99 // 0 to 1
		truth = append(truth, y)
		scores = append(scores, 0.35*y+0.6*noise)
	}
	return truth, scores
}

// A job retrains every week. The budget bounds the chance of any false promotion in a
// year, and is kept as JSON from one week to the next.
func ExampleBudget() {
	truth, scores := columns()
	state := []byte(`{"schema_version": 1, "total": 0.1, "horizon": "8760h", "decisions": 2, "charges": []}`)
	for week := range 3 {
		now := time.Date(2025, 3, 1+7*week, 0, 0, 0, 0, time.UTC)
		var b budget.Budget
		if err := json.Unmarshal(state, &b); err != nil {
			fmt.Println(err)
			return
		}
		policy, err := b.Apply(gate.Standard(), now)
		if err != nil {
			fmt.Println(err)
			return
		}
		evidence, err := gate.FromScores(truth, scores, scores) // no better
		if err != nil {
			fmt.Println(err)
			return
		}
		evidence.At = now
		decision := gate.Evaluate(policy, evidence)
		fmt.Println(decision.Checks[0].Reason)

		if b, err = b.Charge(decision); err != nil {
			fmt.Println(err)
			return
		}
		if state, err = json.Marshal(b); err != nil { // store it before acting on the decision
			fmt.Println(err)
			return
		}
	}
	// Output:
	// this decision may err with a probability of 0.05; 0 of 0.1 within 365 days is spent
	// this decision may err with a probability of 0.05; 0.05 of 0.1 within 365 days is spent
	// 0.1 of 0.1 within 365 days is spent, so nothing is promoted before 2026-03-01T00:00:00Z
}
