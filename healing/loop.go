package healing

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/selfheal-ml/selfheal/drift"
)

// Loop monitors, retrains, promotes and rolls back. All methods are safe for concurrent
// use, also by several processes with a Loop each on the same parts.
type Loop struct {
	parts   Parts
	cfg     Config
	monitor *Monitor

	working sync.Mutex // held by whoever does a pass or a step in this process

	watched watchMemo // guarded by working
	failed  failed    // guarded by working: the latest attempt of this process that failed
	// ordered calls Run when a person's order came in; at most one call is pending.
	ordered chan struct{}

	// telling is held from the record of an entry until the hook was told of it, so that
	// hooks are called one at a time and in the order of the journal. It is taken before mu.
	telling sync.Mutex

	mu         sync.Mutex
	state      state         // guarded by mu
	interrupt  func()        // guarded by mu: ends the step that this process is doing, nil if none
	lastReport *drift.Report // guarded by mu: of this process's latest pass that compared
	current    *Watch        // guarded by mu: what the latest look at a promoted version found
	currentRun string        // guarded by mu: the run whose version that is
	failure    *Failure      // guarded by mu: of this process's latest tick
	clock      time.Duration // guarded by mu: how far the clock of that tick was ahead of this machine's
}

// failed says when a step of a run was last tried in vain.
type failed struct {
	run string
	at  time.Time
}

// New returns a loop. It reads and starts nothing. Every missing part and every
// violation of the configuration is reported.
func New(parts Parts, cfg Config) (*Loop, error) {
	if err := parts.validate(); err != nil {
		return nil, fmt.Errorf("healing: invalid Parts: %w", err)
	}
	cfg = cfg.withDefaults()
	if err := cfg.validate(parts.Predictions.Schema()); err != nil {
		return nil, fmt.Errorf("healing: invalid Config: %w", err)
	}
	monitor, err := NewMonitor(MonitorParts{Predictions: parts.Predictions, Registry: parts.Registry, Reference: parts.Reference}, cfg.Monitor)
	if err != nil {
		return nil, err
	}
	return &Loop{parts: parts, cfg: cfg, monitor: monitor, ordered: make(chan struct{}, 1)}, nil
}

// Run calls [Loop.Tick] at once, at every monitoring interval and when this process was
// given an order, until ctx is done, and returns nil. A tick that fails is logged and
// does not end the loop: the next one goes on from the journal.
func (l *Loop) Run(ctx context.Context) error {
	ticker := time.NewTicker(l.cfg.Monitor.Every)
	defer ticker.Stop()
	for {
		if err := l.Tick(ctx, time.Now()); err != nil && ctx.Err() == nil {
			l.cfg.Logger.ErrorContext(ctx, "tick failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-l.ordered:
		}
	}
}

// Tick does what is due at the time now: a monitor pass, a trigger, and the steps of the
// open run until it ends or has to wait. It is what a cron job calls, with the present
// as now. A replay of the past passes the time of the replay. A failure of one part does
// not keep the others from being tried; all failures are returned, joined.
func (l *Loop) Tick(ctx context.Context, now time.Time) error {
	l.working.Lock()
	defer l.working.Unlock()
	err := errors.Join(l.passIfDue(ctx, now), l.heal(ctx, now))
	if ctx.Err() == nil {
		l.ticked(now, err)
	}
	return err
}

// ticked keeps what the status says of a tick.
func (l *Loop) ticked(now time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock, l.failure = time.Until(now), nil
	if err != nil {
		l.failure = &Failure{Time: now.UTC(), Error: err.Error()}
	}
}

// heal triggers a run if one is due and advances the open one as far as it goes.
func (l *Loop) heal(ctx context.Context, now time.Time) error {
	if err := l.triggerIfDue(ctx, now); err != nil {
		return err
	}
	for {
		run, ok, err := l.openRun(ctx)
		if err != nil || !ok {
			return err
		}
		next, err := l.step(ctx, run, now)
		if err != nil || next.Step == run.Step {
			return err
		}
	}
}

// step advances the run by a step that an order may interrupt: then the run comes back
// as superseded.
func (l *Loop) step(ctx context.Context, run Run, now time.Time) (Run, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l.mu.Lock()
	l.interrupt = func() { cancel(errInterrupted) }
	l.mu.Unlock()
	next, err := l.advance(ctx, run, now)
	l.mu.Lock()
	l.interrupt = nil
	l.mu.Unlock()
	if err != nil && context.Cause(ctx) == errInterrupted {
		return l.find(run.ID)
	}
	return next, err
}

// errInterrupted ends the context of a step whose run was superseded.
var errInterrupted = errors.New("healing: interrupted by an order")

// Advance does one step of the run with this ID, at the time now, and returns the run as
// the journal has it then. A run that waits, or that has ended, is returned as it is, and
// so is one that another process advanced, or an order ended, meanwhile. An error means
// that the step was not done and may be tried again. It is what a workflow engine calls.
func (l *Loop) Advance(ctx context.Context, runID string, now time.Time) (Run, error) {
	l.working.Lock()
	defer l.working.Unlock()
	run, ok, err := l.openRun(ctx)
	if err != nil {
		return Run{}, err
	}
	if ok && run.ID == runID {
		return l.step(ctx, run, now)
	}
	return l.find(runID)
}

func (l *Loop) find(runID string) (Run, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.state.runs) - 1; i >= 0; i-- {
		if l.state.runs[i].ID == runID {
			return l.state.runs[i], nil
		}
	}
	return Run{}, fmt.Errorf("healing: no run %q among the latest %d", runID, len(l.state.runs))
}

// Pass does a monitor pass at the time now, due or not, records it and returns it.
func (l *Loop) Pass(ctx context.Context, now time.Time) (Pass, error) {
	l.working.Lock()
	defer l.working.Unlock()
	return l.pass(ctx, now)
}

func (l *Loop) passIfDue(ctx context.Context, now time.Time) error {
	if err := l.catchUp(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	last := l.state.passedAt()
	l.mu.Unlock()
	if !passed(now, last, l.cfg.Monitor.Every) {
		return nil
	}
	if last.After(now) {
		l.cfg.Logger.WarnContext(ctx, "the latest pass is from the future: a clock is wrong", "latest", last, "now", now)
	}
	_, err := l.pass(ctx, now)
	return err
}

func (l *Loop) pass(ctx context.Context, now time.Time) (Pass, error) {
	if err := l.catchUp(ctx); err != nil {
		return Pass{}, err
	}
	l.mu.Lock()
	before := l.state.passedAt()
	l.mu.Unlock()
	p, err := l.monitor.Pass(ctx, now)
	if err != nil {
		return Pass{}, err
	}
	_, err = l.record(ctx, KindPass, "", now, p, func(s *state) bool {
		return s.passedAt().Equal(before) // otherwise another process did this pass
	}, func() { l.passDone(ctx, p) })
	return p, err
}

func (l *Loop) passDone(ctx context.Context, p Pass) {
	if p.Report != nil {
		l.mu.Lock()
		l.lastReport = p.Report
		l.mu.Unlock()
	}
	l.cfg.Logger.InfoContext(ctx, "monitor pass", "version", p.Version, "samples", p.Samples, "verdict", p.Verdict())
	if l.cfg.Hooks.Pass != nil {
		l.cfg.Hooks.Pass(p)
	}
}

// record appends an entry if it is still valid in view of all entries before it, calls
// tell, and reports whether it did. An entry of another kind that comes in between does
// not invalidate it.
func (l *Loop) record(ctx context.Context, kind Kind, runID string, now time.Time, body any, valid func(*state) bool, tell func()) (bool, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return false, fmt.Errorf("healing: record %s: %w", kind, err)
	}
	l.telling.Lock()
	defer l.telling.Unlock()
	recorded, err := l.append(ctx, Entry{Time: now.UTC(), Kind: kind, Run: runID, Body: data}, valid)
	if recorded {
		tell()
	}
	return recorded, err
}

// append appends e at the end of the journal, while it is valid there.
func (l *Loop) append(ctx context.Context, e Entry, valid func(*state) bool) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if err := l.catchUpLocked(ctx); err != nil {
			return false, err
		}
		if !valid(&l.state) {
			return false, nil
		}
		e.Seq, e.Prev = l.state.last.Seq+1, ""
		if l.state.last.Seq > 0 {
			e.Prev = l.state.last.Hash()
		}
		err := l.parts.Journal.Append(ctx, e)
		if errors.Is(err, ErrConflict) {
			continue // another process appended first: read what, and look again
		}
		if err != nil {
			return false, fmt.Errorf("healing: journal: %w", err)
		}
		return true, l.state.fold(e)
	}
}

// recordStep records that next follows run and returns it, or the run as it is now if
// another process advanced it, or an order ended it, meanwhile.
func (l *Loop) recordStep(ctx context.Context, run, next Run) (Run, error) {
	recorded, err := l.record(ctx, KindRun, next.ID, next.Updated, next, func(s *state) bool {
		last, ok := s.lastRun()
		return ok && last.ID == run.ID && last.Step == run.Step
	}, func() { l.stepDone(ctx, next) })
	if err != nil {
		return run, err
	}
	if !recorded {
		return l.find(run.ID)
	}
	return next, nil
}

func (l *Loop) stepDone(ctx context.Context, r Run) {
	l.cfg.Logger.InfoContext(ctx, "run", "id", r.ID, "step", r.Step, "version", r.Version, "reason", r.Reason)
	if l.cfg.Hooks.Run != nil {
		l.cfg.Hooks.Run(r)
	}
}

// start records a new run in view of the latest one, which it supersedes if that is open.
// It reports false if there is a later one by now, or if the order may not end the open
// one any more.
func (l *Loop) start(ctx context.Context, o Order, latest Run, now time.Time) (Run, bool, error) {
	l.mu.Lock()
	seq := l.state.last.Seq + 1
	l.mu.Unlock()
	run := Run{
		ID:      newRunID(seq),
		Order:   o,
		Started: now.UTC(),
		Version: o.Version,
	}.after(StepTriggered, now, o.Reason)
	if latest.ID != "" && !latest.Step.Ended() {
		run.Supersedes = latest.ID
	}
	recorded, err := l.record(ctx, KindRun, run.ID, now, run, func(s *state) bool {
		last, _ := s.lastRun()
		open, isOpen := s.open()
		return last.ID == latest.ID && open.ID == run.Supersedes && (!isOpen || o.supersedes(open))
	}, func() {
		if ended, err := l.find(run.Supersedes); err == nil {
			l.stepDone(ctx, ended)
		}
		l.stepDone(ctx, run)
	})
	return run, recorded, err
}

// newRunID returns an ID that is unique: it is the idempotency key of what the run does
// in the registry, which may outlive the journal, so the number of an entry is not
// enough. The number is for people; it is about where the run begins in the journal.
func newRunID(seq uint64) string {
	var entropy [4]byte
	rand.Read(entropy[:]) // never fails
	return fmt.Sprintf("run-%06d-%s", seq, hex.EncodeToString(entropy[:]))
}

// openRun returns the run that has not ended, as the journal has it now.
func (l *Loop) openRun(ctx context.Context) (Run, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.catchUpLocked(ctx); err != nil {
		return Run{}, false, err
	}
	run, ok := l.state.open()
	return run, ok, nil
}

// latestRun returns the open run or, if there is none, the last that ended; the zero Run if
// there was none.
func (l *Loop) latestRun(ctx context.Context) (Run, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.catchUpLocked(ctx); err != nil {
		return Run{}, err
	}
	run, _ := l.state.lastRun()
	return run, nil
}

func (l *Loop) catchUp(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.catchUpLocked(ctx)
}

// catchUpLocked folds the entries that came since the last look.
func (l *Loop) catchUpLocked(ctx context.Context) error {
	for e, err := range l.parts.Journal.Entries(ctx, l.state.last.Seq) {
		if err != nil {
			return fmt.Errorf("healing: journal: %w", err)
		}
		if err := e.Follows(l.state.last); err != nil {
			return fmt.Errorf("healing: journal: %w", err)
		}
		if err := l.state.fold(e); err != nil {
			return err
		}
	}
	return nil
}
