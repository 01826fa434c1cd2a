package gate_test

import (
	"fmt"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// A job has prices, and what two models said of them.
func ExampleFromValues() {
	var truth, production, shadow []float64
	for i := range 400 {
		price, wave := float64(100+i), float64(i*37%100)/99-0.5 // -0.5 to 0.5
		truth = append(truth, price)
		production = append(production, price+40*wave)
		shadow = append(shadow, price-30*wave)
	}
	evidence, err := gate.FromValues(truth, production, shadow)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(gate.Evaluate(gate.Standard(), evidence))
	// Output: promote: RMSE 11.66 -> 8.747 (90 % CI of the gain +2.808..+3.026), 6 of 6 checks passed, 4 skipped
}

// No model is in production yet, which must be said.
func ExampleFirstFromScores() {
	truth, _, shadow := columns()
	evidence, err := gate.FirstFromScores(truth, shadow)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(gate.Evaluate(gate.Standard(), evidence))
	_, err = gate.FromScores(truth, nil, shadow)
	fmt.Println(err)
	// Output:
	// promote: F1 0.836, 3 of 3 checks passed
	// gate: invalid evidence: production: missing: set FirstDeployment if no model is in production yet
}

// Positives are rare and the models are calibrated, so that hardly a score reaches 0.5. The
// job acts from 0.3 on, and that is what is to be compared.
func ExampleFromScores_threshold() {
	truth, production, shadow := columns()
	evidence, err := gate.FromScores(truth, production, shadow)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, answers := range []*metrics.Answers{evidence.Production, &evidence.Shadow} {
		for i, p := range answers.Probability[1] {
			answers.Class[i] = 0
			if p >= 0.3 {
				answers.Class[i] = 1
			}
		}
	}
	fmt.Println(gate.Evaluate(gate.Classic(), evidence))
	// Output: promote: F1 0.575 -> 0.595, 4 of 4 checks passed, 2 skipped
}
