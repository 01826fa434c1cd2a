package healing

import (
	"fmt"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/gate/audit"
	"github.com/selfheal-ml/selfheal/gate/budget"
)

// keepRuns is the number of runs in memory; earlier runs are in the journal only.
const keepRuns = 100

// state is the folded journal.
type state struct {
	seq  uint64 // of the last entry
	runs []Run  // in the order in which they began, but the open one last; the latest keepRuns
	// suspended is the run whose watch was ended by an order and goes on if production does
	// not change; nil for none.
	suspended *Run
	// settled is when the last run ended or changed production. Earlier findings of the
	// monitor do not trigger the next run.
	settled time.Time
	// quarantined holds the fingerprints of training data whose model did harm, and for each
	// the run that proved it.
	quarantined map[string]string
	// decisions is the chain of all decisions, charges their charges to the budget.
	decisions audit.Chain
	charges   []budget.Charge
}

// fold adds the next entry.
func (s *state) fold(e Entry) {
	if e.Repair == nil {
		s.foldRun(e.Run)
	}
	s.seq = e.Seq
}

func (s *state) foldRun(r Run) {
	if r.Step == StepJudged {
		s.decisions = audit.Chain{N: s.decisions.N + 1, Head: r.stored.hash()}
		if r.Budget != nil {
			s.charges = r.Budget.Charges
		}
	}
	if n := len(s.runs); n > 0 && s.runs[n-1].ID == r.ID {
		if r.stored == nil {
			r.stored, r.Budget = s.runs[n-1].stored, s.runs[n-1].Budget
		}
		s.runs[n-1] = r
	} else {
		s.supersede(r)
		s.runs = keepLast(append(s.runs, r), keepRuns)
	}
	if r.Step == StepWatching || r.Step.Ended() {
		s.settled = r.Updated
	}
	if r.Step == StepRolledBack && r.Dataset != "" {
		if s.quarantined == nil {
			s.quarantined = map[string]string{}
		}
		s.quarantined[r.Dataset] = r.ID
	}
	switch {
	case !r.Promoted.IsZero() || r.Step == StepRolledBack: // production has changed
		s.suspended = nil
	case r.Step.Ended() && s.suspended != nil:
		s.resume()
	}
}

// supersede ends the run that r supersedes.
func (s *state) supersede(r Run) {
	open, ok := s.open()
	if !ok || open.ID != r.Supersedes {
		return
	}
	if open.Step == StepWatching {
		s.suspended = &open
	}
	s.runs[len(s.runs)-1] = open.after(StepSuperseded, r.Started, fmt.Sprintf("%s by %s: %s", r.Order.Trigger, r.Order.Actor, r.Order.Reason))
	s.settled = r.Started
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

// last returns the latest run, the zero Run if there was none.
func (s *state) last() Run {
	if n := len(s.runs); n > 0 {
		return s.runs[n-1]
	}
	return Run{}
}

// find returns the run with this ID, if the run is in memory.
func (s *state) find(id string) (Run, bool) {
	for _, r := range slices.Backward(s.runs) {
		if r.ID == id {
			return r, true
		}
	}
	return Run{}, false
}

// keepLast returns the last keep elements once there are twice as many.
func keepLast[T any](list []T, keep int) []T {
	if len(list) < 2*keep {
		return list
	}
	return append([]T(nil), list[len(list)-keep:]...)
}
