package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	defaultPoll = 5 * time.Second
	maxPoll     = 24 * time.Hour
)

// LiveConfig tunes a [Live]. The zero LiveConfig is valid.
type LiveConfig struct {
	// Poll is the time between two questions to the registry about the version in production.
	// Each wait is drawn from [Poll/2, 3*Poll/2), so that replicas spread out. Default 5s, at
	// most 24h.
	Poll time.Duration
	// Logger receives swaps, and the begin and the end of failures. Nil is silent.
	Logger *slog.Logger
}

// Loaded is a model with the version from which it was loaded, so that an answer is logged
// under the right version.
type Loaded[M any] struct {
	Model   M
	Version Version // as it was when it was loaded
}

// Live holds the model in production and follows promotions and rollbacks while requests are
// being answered: a new model is loaded and verified beside the old one, and swapped in
// atomically. If the registry cannot be reached or the new model cannot be loaded, the old
// model stays, and [Live.Err] returns the error.
//
// A former model lives until the last request that got it is done, and is then garbage
// collected; nothing closes it.
//
// All methods are safe for concurrent use.
type Live[M any] struct {
	registry   Registry
	load       LoadFunc[M]
	cfg        LiveConfig
	loaded     atomic.Pointer[Loaded[M]]
	err        atomic.Pointer[error] // of the last Refresh, nil before the first
	refreshing chan struct{}         // holds an element while a Refresh is at work
}

// NewLive returns a Live that has nothing loaded yet. Call [Live.Refresh] to load the model
// in production at once, and [Live.Run] to follow production.
func NewLive[M any](r Registry, load LoadFunc[M], cfg LiveConfig) (*Live[M], error) {
	var errs []error
	if r == nil {
		errs = append(errs, errors.New("nil Registry"))
	}
	if load == nil {
		errs = append(errs, errors.New("nil LoadFunc"))
	}
	if cfg.Poll < 0 || cfg.Poll > maxPoll {
		errs = append(errs, fmt.Errorf("LiveConfig: Poll is %v, want 0 to %v", cfg.Poll, maxPoll))
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("registry: new Live: %w", errors.Join(errs...))
	}
	if cfg.Poll == 0 {
		cfg.Poll = defaultPoll
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Live[M]{registry: r, load: load, cfg: cfg, refreshing: make(chan struct{}, 1)}, nil
}

// Get returns the loaded model and its version, nil before the first load. A request calls
// Get once and uses the result to its end; it must not change the Version. Get never blocks
// and does not allocate.
func (l *Live[M]) Get() *Loaded[M] { return l.loaded.Load() }

// Err returns the error of the last Refresh that ended before its ctx was done, nil for none.
// Before the first promotion that is [ErrNoProduction].
func (l *Live[M]) Err() error {
	if err := l.err.Load(); err != nil {
		return *err
	}
	return nil
}

// Refresh loads the model in production, unless it is loaded already, and returns once
// [Live.Get] returns it. If Refresh fails, Get returns the same as before. Simultaneous
// Refreshes wait for each other, and the later ones find the work done.
func (l *Live[M]) Refresh(ctx context.Context) error {
	select {
	case l.refreshing <- struct{}{}:
		defer func() { <-l.refreshing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	err := l.refresh(ctx)
	// A caller that gave up says nothing about the health of the registry or the model.
	if err == nil || ctx.Err() == nil {
		l.err.Store(&err)
	}
	return err
}

func (l *Live[M]) refresh(ctx context.Context) error {
	v, err := InProduction(ctx, l.registry)
	if err != nil {
		return err
	}
	former := l.Get()
	if former != nil && former.Version.ID == v.ID {
		return nil
	}
	model, err := Load(ctx, l.registry, v, l.load)
	if err != nil {
		return err
	}
	l.loaded.Store(&Loaded[M]{Model: model, Version: v})

	from := ""
	if former != nil {
		from = former.Version.ID
	}
	l.cfg.Logger.InfoContext(ctx, "registry: model swapped", "from", from, "to", v.ID)
	return nil
}

// Run refreshes at once and then after every wait until ctx is done, and returns nil. No
// failure ends Run: see [Live.Err]. A version that does not load is tried again every time.
func (l *Live[M]) Run(ctx context.Context) error {
	var last error
	for {
		err := l.Refresh(ctx)
		if ctx.Err() != nil {
			return nil
		}
		l.logChange(ctx, last, err)
		last = err

		select {
		case <-ctx.Done():
			return nil
		case <-time.After(l.cfg.Poll/2 + rand.N(l.cfg.Poll)):
		}
	}
}

// logChange logs that a failure began, changed or ended, so that an outage makes two lines,
// not one line with every poll.
func (l *Live[M]) logChange(ctx context.Context, before, now error) {
	switch {
	case now == nil && before != nil && !errors.Is(before, ErrNoProduction):
		l.cfg.Logger.InfoContext(ctx, "registry: refresh works again")
	case now == nil || before != nil && before.Error() == now.Error():
	case errors.Is(now, ErrNoProduction):
		l.cfg.Logger.InfoContext(ctx, "registry: no version in production yet")
	default:
		l.cfg.Logger.WarnContext(ctx, "registry: refresh failed", "err", now)
	}
}
