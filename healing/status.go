package healing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
)

// Status is what a person wants to know first.
type Status struct {
	// Health is the state in one word: "no model", "unknown", "stable", "drifted",
	// "retraining", "watching" or "rolling back". Summary says it in a sentence.
	Health  string `json:"health"`
	Summary string `json:"summary"`
	// Production is the version that answers, nil if there is none, and Since is when
	// it took production.
	Production *registry.Version `json:"production"`
	Since      time.Time         `json:"since,omitzero"`
	// Watch is what the latest look at a promoted version found, nil if none is watched
	// or this process has not looked.
	Watch *Watch `json:"watch,omitempty"`
	// Failure is what was wrong with the latest tick of this process, nil if nothing was.
	Failure *Failure `json:"failure,omitempty"`
	// Runs and Passes are the latest, newest first.
	Runs   []Run  `json:"runs"`
	Passes []Pass `json:"passes"`
}

// Failure is a tick that failed.
type Failure struct {
	Time  time.Time `json:"time"`
	Error string    `json:"error"`
}

// How many runs and passes a status holds.
const (
	statusRuns   = 50
	statusPasses = 288 // a day of passes every 5 minutes
)

// Status returns the state of things as journal and registry have it now, by the clock of
// this process's latest Tick, or the machine's before that. Health is "unknown" while the
// latest pass is more than three intervals old: nobody is monitoring.
func (l *Loop) Status(ctx context.Context) (Status, error) {
	if err := l.catchUp(ctx); err != nil {
		return Status{}, err
	}
	var s Status
	production, err := registry.InProduction(ctx, l.parts.Registry)
	switch {
	case err == nil:
		s.Production = &production
	case !errors.Is(err, registry.ErrNoProduction):
		return Status{}, fmt.Errorf("healing: status: %w", err)
	}
	if s.Since, err = l.changedAt(ctx); err != nil {
		return Status{}, err
	}
	l.mu.Lock()
	s.Runs, s.Passes = newest(l.state.runs, statusRuns), newest(l.state.passes, statusPasses)
	open, isOpen := l.state.open()
	if isOpen && open.Step == StepWatching && l.currentRun == open.ID {
		s.Watch = l.current
	}
	s.Failure = l.failure
	now := time.Now().Add(l.clock)
	l.mu.Unlock()
	s.Health, s.Summary = s.health(open, isOpen, now, 3*l.cfg.Monitor.Every)
	return s, nil
}

// health sums it all up. A pass that is older than fresh says nothing of the present.
func (s Status) health(open Run, isOpen bool, now time.Time, fresh time.Duration) (health, summary string) {
	switch {
	case isOpen && open.Step == StepRollingBack:
		return "rolling back", open.Reason
	case isOpen && open.Step == StepWatching && s.Watch != nil:
		return "watching", fmt.Sprintf("%s: %s", open.Reason, s.Watch)
	case isOpen && open.Step == StepWatching:
		return "watching", open.Reason
	case isOpen:
		return "retraining", fmt.Sprintf("%s, step %s: %s", open.ID, open.Step, open.Reason)
	case s.Production == nil:
		return "no model", "nothing was promoted yet"
	case len(s.Passes) == 0:
		return "unknown", "no monitor pass yet"
	case passed(now, s.Passes[0].Time, fresh):
		return "unknown", "no monitor pass since " + when(s.Passes[0].Time)
	case s.Passes[0].Skipped != "":
		return "unknown", s.Passes[0].Skipped
	case s.Passes[0].Drifted():
		return "drifted", s.Passes[0].Verdict()
	}
	return "stable", s.Passes[0].Verdict()
}

// newest returns the last n elements in reverse.
func newest[T any](list []T, n int) []T {
	list = slices.Clone(list[max(0, len(list)-n):])
	slices.Reverse(list)
	return list
}
