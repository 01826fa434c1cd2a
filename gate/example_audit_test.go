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
