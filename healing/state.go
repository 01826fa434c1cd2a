package healing

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/gate"
)

// How much of the journal is kept at hand; the rest stays in the journal.
const (
	keepRuns   = 200
	keepPasses = 600
)

// state is what the journal says, folded.
type state struct {
	last   Entry  // the last entry
	runs   []Run  // in the order in which they began, but the open one last; the latest keepRuns
	passes []Pass // oldest first, the latest keepPasses
	// suspended is the run whose watch an order ended and which goes on if production
	// does not change; nil for none.
	suspended *Run
	// drifted counts the latest passes in a row that reported drift.
	drifted int
	// quarantined holds the fingerprints of training data whose model did harm, and the
	// run that found out.
	quarantined map[string]string
	// decisions is the chain of all decisions, charges what they took from the budget.
	decisions gate.Chain
	charges   []gate.Charge
}

// fold adds the next entry.
func (s *state) fold(e Entry) error {
	switch e.Kind {
	case KindPass:
		var p Pass
		if err := json.Unmarshal(e.Body, &p); err != nil {
			return fmt.Errorf("%w: entry %d: %v", ErrCorrupt, e.Seq, err)
		}
		s.passes = keepLast(append(s.passes, p), keepPasses)
		switch {
		case p.Drifted():
			s.drifted++
		case p.Skipped == "":
			s.drifted = 0
		}
	case KindRun:
		var r Run
		err := json.Unmarshal(e.Body, &r)
		if err == nil {
			err = r.check()
		}
		if err == nil {
			err = s.foldRun(r)
		}
		if err != nil {
			return fmt.Errorf("%w: entry %d: %v", ErrCorrupt, e.Seq, err)
		}
	}
	s.last = e
	return nil
}

func (s *state) foldRun(r Run) error {
	if r.Step == StepJudged {
		hash, err := r.Decision.Hash()
		if err != nil {
			return err
		}
		s.decisions = gate.Chain{N: s.decisions.N + 1, Head: hash}
		if r.Budget != nil {
			s.charges = r.Budget.Charges
		}
	}
	if n := len(s.runs); n > 0 && s.runs[n-1].ID == r.ID {
		s.runs[n-1] = r
	} else {
		s.supersede(r)
		s.runs = keepLast(append(s.runs, r), keepRuns)
	}
	if r.Step == StepWatching || r.Step.Ended() {
		s.drifted = 0 // what was seen before does not trigger the next run
	}
	if r.Step == StepRolledBack && r.Dataset != "" {
		if s.quarantined == nil {
			s.quarantined = map[string]string{}
		}
		s.quarantined[r.Dataset] = r.ID
	}
	switch {
	case !r.Promoted.IsZero() || r.Step == StepRolledBack: // production is another
		s.suspended = nil
	case r.Step.Ended() && s.suspended != nil:
		s.resume()
	}
	return nil
}

// supersede ends the run in whose place r begins.
func (s *state) supersede(r Run) {
	open, ok := s.open()
	if !ok || open.ID != r.Supersedes {
		return
	}
	if open.Step == StepWatching {
		s.suspended = &open
	}
	s.runs[len(s.runs)-1] = open.after(StepSuperseded, r.Started, fmt.Sprintf("%s by %s: %s", r.Order.Trigger, r.Order.Actor, r.Order.Reason))
	s.drifted = 0
}

// resume opens the suspended run again.
func (s *state) resume() {
	s.runs = slices.DeleteFunc(s.runs, func(r Run) bool { return r.ID == s.suspended.ID })
	s.runs = append(s.runs, *s.suspended)
	s.suspended = nil
}

// open returns the run that has not ended, if there is one. There is at most one.
func (s *state) open() (Run, bool) {
	if n := len(s.runs); n > 0 && !s.runs[n-1].Step.Ended() {
		return s.runs[n-1], true
	}
	return Run{}, false
}

// lastRun returns the latest run.
func (s *state) lastRun() (Run, bool) {
	if n := len(s.runs); n > 0 {
		return s.runs[n-1], true
	}
	return Run{}, false
}

// passedAt returns the time of the latest pass.
func (s *state) passedAt() time.Time {
	if n := len(s.passes); n > 0 {
		return s.passes[n-1].Time
	}
	return time.Time{}
}

// lastDrift says in words what the latest pass that reported drift found.
func (s *state) lastDrift() string {
	for _, p := range slices.Backward(s.passes) {
		if p.Drifted() {
			return p.Verdict()
		}
	}
	return ""
}

// keepLast drops the oldest elements once there are twice as many as to be kept.
func keepLast[T any](list []T, keep int) []T {
	if len(list) < 2*keep {
		return list
	}
	return append([]T(nil), list[len(list)-keep:]...)
}
