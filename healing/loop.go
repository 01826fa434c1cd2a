package healing

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// Loop monitors, retrains, promotes and rolls back one model. All methods are safe for
// concurrent use, also by several processes with a Loop each on the same parts.
type Loop struct {
	// Locks are taken in the order of the fields. Only working and reading are held while a
	// store is asked. The status pages need mu alone.

	parts     Parts
	cfg       Config
	monitor   *Monitor
	telemetry Telemetry
	// holder names this loop to the lease, unique among all processes.
	holder string

	working sync.Mutex // held by whoever does a pass or a step in this process

	watched watchMemo // guarded by working
	failed  failed    // guarded by working: the latest attempt of this process that failed
	token   uint64    // guarded by working: of the lease while this process holds it, else 0
	// ordered calls Run when a person's order came in; at most one call is pending.
	ordered chan struct{}
	viewing sync.Mutex // held by the request that refreshes what the pages show

	// telling is held from the record of an entry until the hook has returned, so hooks are
	// called one at a time and in the order of the journal.
	telling patient

	reading patient         // held while the journal is read or written
	chain   *registry.Chain // guarded by reading

	mu         sync.Mutex
	state      state         // guarded by mu
	passes     passes        // guarded by mu
	known      known         // guarded by mu: what the registry said
	damage     string        // guarded by mu: what is wrong with the journal, "" if nothing is
	unread     string        // guarded by mu: what the latest Refresh could not read, "" if nothing
	interrupt  func()        // guarded by mu: ends the step that this process is doing, nil if none
	lastReport *drift.Report // guarded by mu: of the rows, of this process's latest pass that compared
	lastAnswer *drift.Report // guarded by mu: the same of the answers
	current    *Watch        // guarded by mu: what the latest look at a promoted version found
	currentRun string        // guarded by mu: the run whose version that is
	failure    *Failure      // guarded by mu: of this process's latest tick
	ticks      bool          // guarded by mu: this process has ticked
	clock      time.Duration // guarded by mu: how far the clock of that tick was ahead of this machine's
}

// patient is a lock that is held while a store is asked. A caller that waits for the lock may
// give up: a store that hangs for one caller must not keep another whose time is limited.
type patient chan struct{}

func newPatient() patient { return make(patient, 1) }

// lock returns an error, and does not take the lock, if ctx ends first.
func (p patient) lock(ctx context.Context) error {
	select {
	case p <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("healing: another call is at the journal: %w", ctx.Err())
	}
}

func (p patient) unlock() { <-p }

// failed says which run failed last, and when.
type failed struct {
	run string
	at  time.Time
}

// known is what the registry said when it was last asked.
type known struct {
	at         time.Time         // by this machine's clock, zero if it was never asked
	production *registry.Version // nil for none
}

// New returns a loop. New reads and starts nothing. The error names every missing part and
// every violation of the configuration.
func New(parts Parts, cfg Config) (*Loop, error) {
	var schema *predictlog.Schema
	if parts.Predictions != nil {
		schema = parts.Predictions.Schema()
	}
	var errs []error
	if err := parts.validate(); err != nil {
		errs = append(errs, fmt.Errorf("healing: invalid Parts: %w", err))
	}
	cfg = cfg.withDefaults()
	if err := cfg.validate(schema); err != nil {
		errs = append(errs, fmt.Errorf("healing: invalid Config: %w", err))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if parts.Telemetry == nil {
		parts.Telemetry = NewMemoryTelemetry()
	}
	monitor, err := NewMonitor(MonitorParts{
		Predictions: parts.Predictions,
		Model:       parts.Model,
		Tag:         parts.Tag,
		Registry:    parts.Registry,
		Telemetry:   parts.Telemetry,
		Reference:   parts.Reference,
	}, cfg.Monitor)
	if err != nil {
		return nil, err
	}
	return &Loop{
		parts:     parts,
		cfg:       cfg,
		monitor:   monitor,
		telemetry: parts.Telemetry,
		holder:    cfg.Actor + " " + rand.Text(),
		ordered:   make(chan struct{}, 1),
		telling:   newPatient(),
		reading:   newPatient(),
		chain:     registry.NewChain(parts.Journal),
	}, nil
}

// Run calls [Loop.Tick] at once, at every monitoring interval and when this process was given
// an order, until ctx is done. Run then returns nil. A tick that fails is logged and does not
// end the loop: the next tick goes on from the journal.
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

// Tick does what is due at the time now: a monitor pass, a trigger, and the steps of the open
// run until the run ends or has to wait. A cron job calls Tick with the present as now; a
// replay of the past passes the time of the replay. A failure of one part does not keep the
// other parts from being tried. The error joins all failures.
func (l *Loop) Tick(ctx context.Context, now time.Time) error {
	l.working.Lock()
	defer l.working.Unlock()
	err := errors.Join(l.passIfDue(ctx, now), l.heal(ctx, now))
	if ctx.Err() == nil {
		err = errors.Join(err, l.look(ctx))
		l.ticked(now, err)
	}
	return err
}

// ticked keeps the outcome of a tick for the status.
func (l *Loop) ticked(now time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ticks, l.clock, l.failure = true, time.Until(now), nil
	if err != nil {
		l.failure = &Failure{Time: now.UTC(), Error: err.Error()}
	}
}

// heal triggers a run if one is due and advances the open run as far as possible.
func (l *Loop) heal(ctx context.Context, now time.Time) error {
	if err := l.triggerIfDue(ctx, now); err != nil {
		return err
	}
	for waits := false; !waits; {
		run, ok, err := l.openRun(ctx)
		if err != nil || !ok {
			return err
		}
		waits = true // also if another process has the lease
		err = l.leading(ctx, run, func(ctx context.Context) error {
			for {
				next, err := l.step(ctx, run, now)
				if err != nil || next.Step == run.Step {
					return err
				}
				// What follows a watch needs the lease, and what follows the end of a run is
				// another run, if one was suspended.
				if run.Step == StepWatching || next.Step.Ended() {
					waits = false
					return nil
				}
				run = next
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// step advances the run by a step that an order may interrupt. An interrupted run comes back
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

// Advance does one step of the run with this ID, at the time now, and returns the run as the
// journal has it then. A run that waits or has ended is returned unchanged. If meanwhile
// another process works on the run or advanced it, or an order ended it, the run of the
// journal is returned. An error means that the step was not done and may be tried again. A
// workflow engine calls Advance.
func (l *Loop) Advance(ctx context.Context, runID string, now time.Time) (Run, error) {
	l.working.Lock()
	defer l.working.Unlock()
	run, ok, err := l.openRun(ctx)
	if err != nil {
		return Run{}, err
	}
	if ok && run.ID == runID {
		next := run
		err := l.leading(ctx, run, func(ctx context.Context) (err error) {
			next, err = l.step(ctx, run, now)
			return err
		})
		return next, errors.Join(err, l.look(ctx))
	}
	return l.find(runID)
}

func (l *Loop) find(runID string) (Run, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if run, ok := l.state.find(runID); ok {
		return run.whole()
	}
	return Run{}, fmt.Errorf("healing: no run %q among the latest %d", runID, len(l.state.runs))
}

// record appends the run to the journal, with the token of the lease or 0, if the run is
// still valid in view of all entries before it. If record did so, it calls tell and returns
// true.
func (l *Loop) record(ctx context.Context, token uint64, run Run, valid func(*state) bool, tell func()) (bool, error) {
	body, err := sealEntry(run)
	if err != nil {
		return false, fmt.Errorf("healing: record %s: %w", run.ID, err)
	}
	if err := l.telling.lock(ctx); err != nil {
		return false, err
	}
	defer l.telling.unlock()
	recorded, err := l.append(ctx, token, body, valid)
	if recorded {
		tell()
	}
	return recorded, err
}

// append appends a body at the end of the journal as long as the body is valid there.
func (l *Loop) append(ctx context.Context, token uint64, body []byte, valid func(*state) bool) (bool, error) {
	if err := l.reading.lock(ctx); err != nil {
		return false, err
	}
	defer l.reading.unlock()
	for {
		if err := l.catchUpLocked(ctx); err != nil {
			return false, err
		}
		l.mu.Lock()
		ok := valid(&l.state)
		l.mu.Unlock()
		if !ok {
			return false, nil
		}
		link, done, err := l.chain.Append(ctx, token, body)
		if err != nil {
			return false, fmt.Errorf("healing: journal: %w", err)
		}
		if done {
			return true, l.fold(link)
		}
		// Another process appended first: read what, and look again.
	}
}

// fold adds an entry of the journal to the state.
func (l *Loop) fold(link registry.Link) error {
	e, err := openEntry(link)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.fold(e)
	return nil
}

// recordStep records that next follows run and returns next. If another process advanced the
// run, or an order ended it, recordStep returns the run of the journal.
func (l *Loop) recordStep(ctx context.Context, run, next Run) (Run, error) {
	recorded, err := l.record(ctx, l.token, next, func(s *state) bool {
		last := s.last()
		return last.ID == run.ID && last.Step == run.Step
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

// start records a new run in view of the latest run, which the new run supersedes if the
// latest is open. start reports false if there is a later run by now, or if the order may not
// end the open run any more.
func (l *Loop) start(ctx context.Context, o Order, latest Run, now time.Time) (Run, bool, error) {
	l.mu.Lock()
	seq := l.state.seq + 1
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
	recorded, err := l.record(ctx, 0, run, func(s *state) bool {
		open, isOpen := s.open()
		return s.last().ID == latest.ID && open.ID == run.Supersedes && (!isOpen || o.supersedes(open))
	}, func() {
		if ended, err := l.find(run.Supersedes); err == nil {
			l.stepDone(ctx, ended)
		}
		l.stepDone(ctx, run)
	})
	return run, recorded, err
}

// newRunID returns a unique ID. The ID is the idempotency key of what the run does in the
// registry, which may outlive the journal, so the number of an entry is not enough. The
// number is for people: about where the run begins in the journal.
func newRunID(seq uint64) string {
	var entropy [4]byte
	rand.Read(entropy[:]) // never fails
	return fmt.Sprintf("run-%06d-%s", seq, hex.EncodeToString(entropy[:]))
}

// openRun returns the run that has not ended, as the journal has it now.
func (l *Loop) openRun(ctx context.Context) (Run, bool, error) {
	if err := l.catchUp(ctx); err != nil {
		return Run{}, false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	run, ok := l.state.open()
	run, err := run.whole()
	return run, ok, err
}

// latestRun returns the open run, else the last run that ended, else the zero Run.
func (l *Loop) latestRun(ctx context.Context) (Run, error) {
	if err := l.catchUp(ctx); err != nil {
		return Run{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.last(), nil
}

// catchUp folds the entries that came since the last look.
func (l *Loop) catchUp(ctx context.Context) error {
	if err := l.reading.lock(ctx); err != nil {
		return err
	}
	defer l.reading.unlock()
	return l.catchUpLocked(ctx)
}

// catchUpLocked is catchUp for a caller that holds reading.
func (l *Loop) catchUpLocked(ctx context.Context) error {
	err := l.chain.CatchUp(ctx, l.fold)
	for errors.Is(err, registry.ErrRewound) { // a repair set aside what was folded
		l.mu.Lock()
		l.state = state{}
		l.mu.Unlock()
		err = l.chain.CatchUp(ctx, l.fold)
	}
	switch {
	case errors.Is(err, registry.ErrCorrupt):
		err = fmt.Errorf("healing: journal: %w; see healing.RepairJournal", err)
	case err != nil:
		err = fmt.Errorf("healing: journal: %w", err)
	}
	if ctx.Err() == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.damage = ""
		if errors.Is(err, registry.ErrCorrupt) {
			l.damage = err.Error()
		}
	}
	return err
}

// look asks the registry for the version in production, which the status shows.
func (l *Loop) look(ctx context.Context) error {
	k := known{at: time.Now().UTC()}
	v, err := registry.InProduction(ctx, l.parts.Registry)
	switch {
	case err == nil:
		k.production = &v
	case !errors.Is(err, registry.ErrNoProduction):
		return fmt.Errorf("healing: registry: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = k
	return nil
}
