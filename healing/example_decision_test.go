package healing_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// A job that only wants the decision: two models, and rows whose truth is known.
func Example_decision() {
	ctx := context.Background()
	production, shadow, rows := incomeModel{Income: 45000}, incomeModel{Income: 42000}, judgedRows()

	evidence, err := gate.Replay(ctx, production, shadow, rows, gate.ReplayConfig{}) // or gate.FromScores(truth, a, b)
	decision := gate.Evaluate(gate.Standard(), evidence)
	fmt.Println(decision) // promote: F1 0.767 -> 0.824 (90 % CI of the gain +0.045..+0.071), 7 of 7 checks passed, 3 skipped

	if err != nil {
		log.Fatal(err)
	}
	// Output: promote: F1 0.767 -> 0.824 (90 % CI of the gain +0.045..+0.071), 7 of 7 checks passed, 3 skipped
}

// judgedRows are applicants of whom about every second was accepted, the more often the
// higher the income.
func judgedRows() labels.Dataset {
	rng := rand.New(rand.NewPCG(1, 2))
	data := labels.Dataset{Schema: must(predictlog.SchemaOf[Applicant]())}
	for i := range 2000 {
		income := 20000 + 40000*rng.Float64()
		class := "0"
		if income+8000*rng.NormFloat64() > 40000 {
			class = "1"
		}
		data.Examples = append(data.Examples, labels.Example{
			Record: predictlog.Record{
				ID:   strconv.Itoa(i),
				Time: time.Date(2026, 3, 1, 0, i, 0, 0, time.UTC),
				Row:  predictlog.Row{predictlog.Number(income), predictlog.Number(40), predictlog.Category("north")},
			},
			Label:    labels.Label{Class: class},
			Labelled: true,
		})
	}
	return data
}
