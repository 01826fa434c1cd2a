package gate_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/budget"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// dearer is a host's criterion around one of this package: the shadow, which costs more
// to run, must be proven better by more than its price. It can be written in a policy,
// and used under a Budget.
type dearer struct {
	gate.Superior
	Price float64 `json:"price"`
}

func (dearer) Kind() string { return "dearer" }

func (c dearer) Check(e *gate.Evidence) gate.Check {
	c.Min = c.Price / 1000
	check := c.Superior.Check(e)
	check.Criterion = "worth its price"
	return check
}

// CapAlpha returns a dearer. Without it that of Superior would be called, which returns a
// Superior, to which no price matters: a policy refuses that.
func (c dearer) CapAlpha(alpha float64) gate.Criterion {
	c.Superior = c.Superior.CapAlpha(alpha).(gate.Superior)
	return c
}

func ExampleAlphaCapper() {
	truth, production, shadow := columns()
	evidence, err := gate.FromScores(truth, production, shadow)
	if err != nil {
		fmt.Println(err)
		return
	}
	policy := gate.Policy{
		Name:     "dear",
		Criteria: []gate.Criterion{dearer{gate.Superior{Metric: metrics.F1, Alpha: 0.05}, 200}},
	}
	if policy, err = (budget.Budget{}).Apply(policy, evidence.At); err != nil {
		fmt.Println(err)
		return
	}
	check := gate.Evaluate(policy, evidence).Checks[1]
	fmt.Printf("%s: %s at %.2f %%\n", check.Criterion, check.Verdict, 100*check.CI.Level)
	// Output: worth its price: undecided at 99.83 %
}

// A shadow that is better over all, but worse in a region.
func ExampleSegmentVeto() {
	truth, production, shadow := columns()
	evidence, err := gate.FromScores(truth, production, shadow)
	if err != nil {
		fmt.Println(err)
		return
	}
	regions := make([]string, len(truth))
	for i := range regions {
		regions[i] = []string{"north", "south", "islands"}[min(i/450, 2)]
		if regions[i] == "south" {
			evidence.Shadow.Class[i] = 1 - evidence.Truth.Class[i]
		}
	}
	evidence.Segments = map[string][]string{"region": regions}
	veto := gate.SegmentVeto{Metric: metrics.Accuracy, MaxDrop: 0.05, MinRows: 200, Alpha: 0.05, Columns: []string{"region"}}
	decision := gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{veto}}, evidence)
	fmt.Println(decision.Outcome)
	for _, s := range decision.Checks[0].Segments {
		fmt.Printf("%s, %d rows: %s\n", s.Segment, s.Rows, s.Verdict)
	}
	// Output:
	// reject
	// region=islands, 100 rows: undecided
	// region=north, 450 rows: pass
	// region=south, 450 rows: fail
}

// A decision becomes a page that is sent to the owner of the model.
func ExampleDecision_WriteHTML() {
	truth, production, shadow := columns()
	evidence, err := gate.FromScores(truth, production, shadow)
	if err != nil {
		fmt.Println(err)
		return
	}
	var page strings.Builder
	if err := gate.Evaluate(gate.Classic(), evidence).WriteHTML(&page); err != nil {
		fmt.Println(err)
		return
	}
	_, title, _ := strings.Cut(page.String(), "<title>")
	title, _, _ = strings.Cut(title, "</title>")
	fmt.Println(title)
	// Output: Promote the shadow: F1 0.679 → 0.836
}

// recent is a host's criterion: what another asks of all rows, it asks of those of the
// last days alone.
type recent struct {
	gate.NonInferior
	Within time.Duration `json:"within"`
}

func (recent) Kind() string { return "recent" }

func (c recent) Check(e *gate.Evidence) gate.Check {
	var rows []int
	for row, predicted := range e.Times {
		if e.At.Sub(predicted) <= c.Within {
			rows = append(rows, row)
		}
	}
	part, err := e.Subset(rows)
	if err != nil {
		return gate.Check{Verdict: gate.Errored, Reason: err.Error()}
	}
	check := c.NonInferior.Check(&part)
	check.Criterion = "recent " + check.Criterion
	return check
}

// CapAlpha returns a recent, as that of NonInferior would not.
func (c recent) CapAlpha(alpha float64) gate.Criterion {
	c.NonInferior = c.NonInferior.CapAlpha(alpha).(gate.NonInferior)
	return c
}

// A shadow that is better over all, but got worse in the last days.
func ExampleEvidence_Subset() {
	truth, production, shadow := columns()
	evidence, err := gate.FromScores(truth, production, shadow)
	if err != nil {
		fmt.Println(err)
		return
	}
	evidence.At = time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)
	for row := range evidence.N() {
		evidence.Times = append(evidence.Times, evidence.At.Add(-time.Duration(row)*time.Hour))
		if row < 100 {
			evidence.Shadow.Class[row] = 0
		}
	}
	overall := gate.NonInferior{Metric: metrics.F1, Margin: 0.02}
	policy := gate.Policy{Name: "recent too", Criteria: []gate.Criterion{overall, recent{overall, 4 * 24 * time.Hour}}}
	for _, check := range gate.Evaluate(policy, evidence).Checks {
		fmt.Printf("%s: %s on %d rows\n", check.Criterion, check.Verdict, check.N)
	}
	// Output:
	// f1 non-inferiority: pass on 1000 rows
	// recent f1 non-inferiority: fail on 97 rows
}
