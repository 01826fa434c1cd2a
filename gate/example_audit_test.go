package gate_test

import (
	"errors"
	"fmt"

	"github.com/selfheal-ml/selfheal/gate"
)

// An auditor makes a stored decision again from what it holds.
func ExampleRecompute() {
	truth, production, shadow := columns()
	evidence, err := gate.FromScores(truth, production, shadow)
	if err != nil {
		fmt.Println(err)
		return
	}
	decision := gate.Evaluate(gate.Standard(), evidence)
	again, err := gate.Recompute(decision)
	fmt.Println(again.Outcome, err)

	decision.Basis.Coverage.Predictions = 5000
	_, err = gate.Recompute(decision)
	fmt.Println(errors.Is(err, gate.ErrDiffers))
	// Output:
	// promote <nil>
	// true
}

// An auditor who has the rows too learns whether they are what the decision rests on. The
// host's own criteria are read as by ParsePolicy.
func ExampleRecomputeFrom() {
	truth, production, shadow := columns()
	evidence, err := gate.FromScores(truth, production, shadow)
	if err != nil {
		fmt.Println(err)
		return
	}
	policy := gate.Classic()
	policy.Criteria = append(policy.Criteria, maxMemory{Megabytes: 500, used: 120})
	decision := gate.Evaluate(policy, evidence)
	kind := gate.KindOf(func() maxMemory { return maxMemory{used: 120} })
	again, err := gate.RecomputeFrom(decision, evidence, kind)
	fmt.Println(again.Outcome, err)

	evidence.Shadow.Class[0] = 1
	_, err = gate.RecomputeFrom(decision, evidence, kind)
	fmt.Println(err != nil)
	// Output:
	// promote <nil>
	// true
}
