// Package looptest drives a whole healing loop on the stores of an adapter. The kits of the
// stores check single promises; looptest shows that these are enough for the loop. A host
// that keeps registry, journal and lease in stores of its own calls [Run] from a test, once
// the stores pass their kits.
package looptest

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/registry"
)

const day = 24 * time.Hour

// Stores are what the processes of a service share, as one process sees it.
type Stores struct {
	Registry registry.Registry
	Journal  registry.Log
	Lease    healing.Lease
}

// Memory returns stores in the memory of this process.
func Memory() Stores {
	return Stores{Registry: registry.NewMemory(), Journal: new(registry.MemoryLog), Lease: new(healing.MemoryLease)}
}

// Outcome is the result of a story. The second version replaced the first, and the first came
// back when a person rolled the second one back.
type Outcome struct {
	First, Second registry.Version
	// Loop is the loop of a fourth process, which took no part, and Status is what that
	// process knew at the end.
	Loop   *healing.Loop
	Status healing.Status

	world *world
}

// Now returns the time in the story.
func (o Outcome) Now() time.Time { return o.world.now }

// Days lets more days go by, in which the fourth process works. It returns the status of that
// process, and all errors of its ticks and of the service as it followed production.
func (o Outcome) Days(t testing.TB, days int) (healing.Status, error) {
	t.Helper()
	var errs []error
	for range 4 * days {
		errs = append(errs, o.world.pass(t, day/4), o.Loop.Tick(t.Context(), o.world.now))
	}
	return read(t, o.Loop), errors.Join(errs...)
}

// Run tells the story of a service of four processes, each of which gets its stores from
// open. The first process deploys a version. The population drifts. The first process begins
// to train and is paused for longer than its lease lasts. The second one trains, promotes and
// watches. The first one wakes up and can change nothing. The third process, which has read
// nothing before, ends the watch, and carries out a rollback that a person orders.
//
// Predictions, labels and telemetry are in memory. Run takes some 5 s, in which it waits for
// the end of a lease.
func Run(t testing.TB, open func() Stores) Outcome {
	t.Helper()
	ctx := t.Context()
	w := newWorld(t, open().Registry)
	first := pausable(t, open(), w)
	defer first.wake() // also if the story breaks off
	second, third := w.loop(t, open(), healing.TrainerFunc(train)), w.loop(t, open(), healing.TrainerFunc(train))

	check(t, w.pass(t, 4*day))
	check(t, first.loop.Tick(ctx, w.now))
	status := read(t, first.loop)
	expect(t, status, healing.TriggerFirst, healing.StepConfirmed)
	v1 := status.Production.ID
	w.days(t, first.loop, 2)
	if status = read(t, first.loop); status.Health != "stable" {
		t.Fatalf("is %s before there is drift: %s", status.Health, status.Summary)
	}

	w.centre = 3
	pauses := make(chan error, 1)
	for paused := false; !paused; {
		check(t, w.pass(t, day/4))
		now := w.now
		go func() { pauses <- first.loop.Tick(ctx, now) }()
		select {
		case err := <-pauses:
			check(t, err)
		case <-first.begun:
			paused = true
		}
	}
	check(t, second.Tick(ctx, w.now))
	if status = read(t, second); status.Production.ID != v1 || status.Runs[0].Step != healing.StepConditions {
		t.Fatalf("a process without the lease did something: %s", status.Summary)
	}
	for wait := 50 * time.Millisecond; status.Runs[0].Step == healing.StepConditions; time.Sleep(wait) {
		check(t, second.Tick(ctx, w.now))
		status = read(t, second)
	}
	expect(t, status, healing.TriggerDrift, healing.StepWatching)
	v2, entries := status.Production.ID, w.entries(t, open().Journal)
	if v2 == v1 || status.Runs[0].Version != v2 {
		t.Fatalf("version %s is in production after %s was promoted", v2, status.Runs[0].Version)
	}

	first.wake()
	if err := <-pauses; !errors.Is(err, registry.ErrFenced) {
		t.Fatalf("a holder of the lease that was paused woke up to %v, want ErrFenced", err)
	}
	if status = read(t, second); status.Production.ID != v2 || w.entries(t, open().Journal) != entries {
		t.Fatal("a holder of the lease that was paused changed something")
	}

	w.days(t, third, 2)
	status = read(t, third)
	expect(t, status, healing.TriggerDrift, healing.StepConfirmed)
	if n := status.Runs[0].Watch.Rows; n == 0 {
		t.Fatal("the watch compared no row")
	}
	_, err := third.Rollback(ctx, v2, "ann", "to see that it works", w.now)
	check(t, err)
	check(t, third.Tick(ctx, w.now))

	last := open()
	out := Outcome{Loop: w.loop(t, last, healing.TrainerFunc(train)), world: w}
	out.Status = read(t, out.Loop)
	status = out.Status
	expect(t, status, healing.TriggerRecall, healing.StepRolledBack)
	out.First, err = registry.Get(ctx, last.Registry, v1)
	check(t, err)
	out.Second, err = registry.Get(ctx, last.Registry, v2)
	check(t, err)
	if status.Production.ID != v1 || out.Second.Stage != registry.Quarantined {
		t.Fatalf("version %s is in production and %s is %s after a rollback", status.Production.ID, v2, out.Second.Stage)
	}
	checkHistory(t, last.Registry, out)
	return out
}

// checkHistory fails unless the registry has the right versions in production, each by the
// right decision of the journal.
func checkHistory(t testing.TB, r registry.Registry, o Outcome) {
	t.Helper()
	n := len(o.Status.Runs)
	first, second := o.Status.Runs[n-1], o.Status.Runs[1]
	want := []registry.Event{
		{Version: o.First.ID, Decision: hash(t, first)},
		{Version: o.Second.ID, Displaced: o.First.ID, DisplacedTo: registry.Archived, Decision: hash(t, second)},
		{Version: o.First.ID, Displaced: o.Second.ID, DisplacedTo: registry.Quarantined},
	}
	var got []registry.Event
	token := uint64(1)
	for e, err := range r.History(t.Context(), 0) {
		check(t, err)
		if e.To != registry.Production { // a version that the gate rejected
			continue
		}
		if e.Token < token {
			t.Fatalf("event %d has the token %d after %d", e.Seq, e.Token, token)
		}
		token = e.Token
		got = append(got, registry.Event{Version: e.Version, Displaced: e.Displaced, DisplacedTo: e.DisplacedTo, Decision: e.Decision})
	}
	if len(got) != len(want) {
		t.Fatalf("%d promotions in the history, want %d: %+v", len(got), len(want), got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("promotion %d is %+v, want %+v", i+1, got[i], want[i])
		}
	}
	for _, run := range []healing.Run{first, second} {
		data, err := registry.ReadFile(t.Context(), r, run.Version, healing.DecisionDocument)
		check(t, err)
		var d gate.Decision
		check(t, json.Unmarshal(data, &d))
		if got, err := d.Hash(); err != nil || got != hash(t, run) {
			t.Fatalf("version %s: its %s is not the decision of the journal: %v", run.Version, healing.DecisionDocument, err)
		}
	}
}

func hash(t testing.TB, r healing.Run) string {
	t.Helper()
	h, err := r.Decision.Hash()
	check(t, err)
	return h
}

// process is a process that pauses in its second training.
type process struct {
	loop  *healing.Loop
	begun chan struct{} // closed when the pause begins
	wake  func()        // ends it
}

// pausable returns a process whose second training does not end before wake is called,
// whatever becomes of its context. The process does not renew its lease between the begin of
// the pause and the use of that training.
func pausable(t testing.TB, s Stores, w *world) process {
	t.Helper()
	awake, used := make(chan struct{}), make(chan struct{})
	p := process{begun: make(chan struct{}), wake: sync.OnceFunc(func() { close(awake) })}
	s.Lease = pausedLease{s.Lease, p.begun, used}
	trained := 0
	p.loop = w.loop(t, s, healing.TrainerFunc(func(ctx context.Context, r healing.TrainRequest) (healing.Trained, error) {
		if trained++; trained == 1 {
			return train(ctx, r)
		}
		close(p.begun)
		<-awake
		m, err := train(ctx, r)
		m.Artifact = closer{m.Artifact, used}
		return m, err
	}))
	return p
}

// read returns the status of a process that has read what others did.
func read(t testing.TB, l *healing.Loop) healing.Status {
	t.Helper()
	check(t, l.Refresh(t.Context()))
	return l.Status()
}

// expect fails unless the latest run has this trigger and is at this step.
func expect(t testing.TB, s healing.Status, trigger healing.Trigger, step healing.Step) {
	t.Helper()
	if run := s.Runs[0]; run.Order.Trigger != trigger || run.Step != step {
		t.Fatalf("the latest run, by %s, is at step %q, want %s and %q: %s", run.Order.Trigger, run.Step, trigger, step, run.Reason)
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
