package healing_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// A job that cron starts does what is due and ends. Here nothing is in production yet, so
// it tries a first deployment, for which there are too few labels.
func ExampleLoop_Tick() {
	ctx := context.Background()
	schema := must(predictlog.SchemaOf[Applicant]())
	loop := must(healing.New(healing.Parts{
		Predictions: predictlog.NewMemoryStore(schema),
		Labels:      labels.NewMemoryStore(),
		Registry:    registry.NewMemory(),
		Journal:     &registry.MemoryLog{},
		Trainer:     healing.TrainerFunc(train),
		Load:        decodeModel,
	}, healing.Config{
		Hooks: healing.Hooks{Run: func(r healing.Run) { fmt.Printf("%s: %s\n", r.Step, r.Reason) }},
	}))

	if err := loop.Tick(ctx, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)); err != nil {
		log.Fatal(err)
	}
	// Output:
	// triggered: no version is in production
	// skipped: 0 of 0 predictions labelled (0 %), at least 200 wanted
}

// A person puts a version into production past the gate. It is watched all the same.
func ExampleLoop_Promote() {
	ctx := context.Background()
	schema := must(predictlog.SchemaOf[Applicant]())
	versions := registry.NewMemory()
	for _, key := range []string{"old", "new"} {
		must(versions.Register(ctx, registry.Draft{Key: key}, strings.NewReader(`{"Income":30000}`)))
	}
	must(versions.Transition(ctx, registry.Transition{Version: "1", To: registry.Production}))
	loop := must(healing.New(healing.Parts{
		Predictions: predictlog.NewMemoryStore(schema),
		Labels:      labels.NewMemoryStore(),
		Registry:    versions,
		Journal:     &registry.MemoryLog{},
		Trainer:     healing.TrainerFunc(train),
		Load:        decodeModel,
	}, healing.Config{}))

	now := time.Now()
	run := must(loop.Promote(ctx, "2", "ann", "tested by hand", now))
	for {
		next := must(loop.Advance(ctx, run.ID, now))
		if next.Step == run.Step {
			break
		}
		run = next
		fmt.Println(run.Step)
	}
	fmt.Println(run.Reason)
	// Output:
	// promoting
	// watching
	// version 2 is in production in place of 1
}

// A job that only monitors needs no loop.
func ExampleMonitor_Pass() {
	ctx := context.Background()
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	rng := rand.New(rand.NewPCG(1, 2))
	schema := must(predictlog.NewSchema([]predictlog.Column{{Name: "income", Kind: predictlog.Numeric}}, predictlog.Target{}))

	// The reference: incomes around 30,000. Live: around 40,000.
	var incomes []float64
	predictions := predictlog.NewMemoryStore(schema)
	for i := range 500 {
		incomes = append(incomes, 30000+5000*rng.NormFloat64())
		err := predictions.Append(ctx, predictlog.Record{
			ID: fmt.Sprint("p", i), Time: now.Add(-time.Hour), Version: "1",
			Row:    predictlog.Row{predictlog.Number(40000 + 5000*rng.NormFloat64())},
			Output: predictlog.Output{Class: "1"},
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	reference := must(drift.NewReference([]drift.Column{drift.Numeric("income", incomes)}, drift.ReferenceConfig{}))
	versions := registry.NewMemory()
	must(versions.Register(ctx, registry.Draft{Key: "first"}, strings.NewReader("{}")))
	must(versions.Transition(ctx, registry.Transition{Version: "1", To: registry.Production}))

	monitor := must(healing.NewMonitor(healing.MonitorParts{Predictions: predictions, Registry: versions, Reference: reference}, healing.MonitorConfig{}))
	pass := must(monitor.Pass(ctx, now))
	fmt.Println(pass.Samples, "predictions,", pass.Verdict())
	// Output:
	// 500 predictions, drifted: 1 of 1 columns (income)
}
