package healing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
)

// Status is the state of a loop for people.
type Status struct {
	// Model is [Parts.Model], with the tag if there is one.
	Model string `json:"model,omitempty"`
	// Health is the state in a word or two: "no model", "unknown", "stable", "drifted",
	// "retraining", "watching" or "rolling back". Summary says it in a sentence.
	Health  string `json:"health"`
	Summary string `json:"summary"`
	// Production is the version that answers, nil if there is none. Since is when it took
	// production.
	Production *registry.Version `json:"production"`
	Since      time.Time         `json:"since,omitzero"`
	// Watch is the result of the latest look at a promoted version, nil if no version is
	// watched or this process has not looked.
	Watch *Watch `json:"watch,omitempty"`
	// AsOf is when this process last read registry, journal and telemetry, by the machine's
	// clock; zero if it never read them.
	AsOf time.Time `json:"as_of,omitzero"`
	// Unread says what could not be read since AsOf, "" if nothing failed.
	Unread string `json:"unread,omitempty"`
	// Damage names the places where journal or telemetry are damaged, "" for none. See
	// [RepairJournal].
	Damage string `json:"damage,omitempty"`
	// Caveat is a sentence on what the registry promises less than other registries do, ""
	// for nothing; see [registry.Caveat].
	Caveat string `json:"caveat,omitempty"`
	// Failure is the failure of the latest tick of this process, nil if that tick succeeded.
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

// Refresh reads what other processes did, for [Loop.Status]. Tick and Advance refresh by
// themselves; a process that only shows the status calls Refresh. The error joins all that
// could not be read.
func (l *Loop) Refresh(ctx context.Context) error {
	l.mu.Lock()
	var to time.Time
	if l.ticks {
		to = time.Now().Add(l.clock)
	}
	l.mu.Unlock()
	err := errors.Join(l.catchUp(ctx), l.readPasses(ctx, to), l.look(ctx))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unread = ""
	if err != nil {
		l.unread = err.Error()
	}
	return err
}

// Status returns what this process knows, by the clock of its latest Tick, or by the
// machine's clock before the first Tick. Status waits for no store; see [Loop.Refresh].
// Health is "unknown" while nobody monitors, that is, while the latest pass is more than
// three intervals old, and if the latest pass could not compare, as its Skipped says.
func (l *Loop) Status() Status {
	l.mu.Lock()
	s := Status{
		Model:      l.parts.name(),
		Production: l.known.production,
		AsOf:       l.known.at,
		Unread:     l.unread,
		Damage:     l.damages(),
		Caveat:     l.parts.caveat(),
		Failure:    l.failure,
		Runs:       newest(l.state.runs, statusRuns),
		Passes:     newest(l.passes.list, statusPasses),
	}
	open, isOpen := l.state.open()
	if isOpen && open.Step == StepWatching && l.currentRun == open.ID {
		s.Watch = l.current
	}
	now := time.Now().Add(l.clock)
	l.mu.Unlock()
	for i, r := range s.Runs {
		// A decision that cannot be read was written by a newer version: the run is shown
		// without it.
		s.Runs[i], _ = r.whole()
	}
	if s.Production != nil {
		s.Since = s.Production.Since
	}
	s.Health, s.Summary = s.health(open, isOpen, now, 3*l.cfg.Monitor.Every)
	return s
}

// damages lists what is damaged. The caller holds mu.
func (l *Loop) damages() string {
	all := append([]string{l.damage, l.passes.damage}, l.passes.last().Damaged...)
	return strings.Join(slices.DeleteFunc(all, func(s string) bool { return s == "" }), "; ")
}

// health returns Health and Summary. A pass that is older than fresh says nothing of the
// present.
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
	case s.Production == nil && s.AsOf.IsZero():
		return "unknown", "this process has read nothing yet"
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
	list = append([]T{}, list[max(0, len(list)-n):]...) // never nil, which JSON has as null
	slices.Reverse(list)
	return list
}
