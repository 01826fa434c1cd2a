package audit_test

import (
	"errors"
	"fmt"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/audit"
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

// Decisions are chained as they are made. Whoever keeps the head finds any change.
func ExampleChain() {
	truth, production, shadow := columns()
	var chain audit.Chain
	var decisions []gate.Decision
	for _, n := range []int{400, 600, 800} {
		evidence, err := gate.FromScores(truth[:n], production[:n], shadow[:n])
		if err != nil {
			fmt.Println(err)
			return
		}
		decision, err := chain.Append(gate.Evaluate(gate.Classic(), evidence))
		if err != nil {
			fmt.Println(err)
			return
		}
		decisions = append(decisions, decision)
	}
	end, err := audit.Chain{}.Verify(decisions...)
	fmt.Println(end == chain, err)

	decisions[1].Checks[0].Reason = "nothing to see here"
	_, err = audit.Chain{}.Verify(decisions...)
	fmt.Println(errors.Is(err, audit.ErrChain))
	// Output:
	// true <nil>
	// true
}
