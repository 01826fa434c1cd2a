package fileregistry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/selfheal-ml/selfheal/registry"
)

// Config tunes a [Registry]. The zero Config is valid.
type Config struct {
	// Logger receives every change that is made through the Registry, and at debug level
	// the races with other processes that it lost. Nil is silent.
	Logger *slog.Logger
}

// Registry is a [registry.Registry] in a folder, safe for concurrent use by many
// goroutines and processes. It holds no file open between calls.
type Registry struct {
	dir  string
	cfg  Config
	disk disk

	mu      sync.Mutex
	state   registry.State // the sum of the events up to head; guarded by mu
	head    int            // the number of the last event read; guarded by mu
	headSum string         // the SHA-256 of its file, "" if there is none; guarded by mu
}

var _ registry.Registry = (*Registry)(nil)

// Open opens the registry in dir, which is made if it does not exist, and reads its whole
// history. If a part of that is damaged or missing, the error is [registry.ErrCorrupt]
// and names the file.
func Open(dir string, cfg Config) (*Registry, error) {
	return open(dir, cfg, disk{})
}

func open(dir string, cfg Config, d disk) (*Registry, error) {
	if dir == "" {
		return nil, errors.New("fileregistry: dir is empty")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Registry{dir: dir, cfg: cfg, disk: d}
	for _, sub := range []string{r.objects(), r.events(), r.temps()} {
		if err := d.makeDir(sub); err != nil {
			return nil, fmt.Errorf("fileregistry: open: %w", err)
		}
	}
	if err := r.readAll(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Registry) objects() string { return filepath.Join(r.dir, "objects") }
func (r *Registry) events() string  { return filepath.Join(r.dir, "events") }
func (r *Registry) temps() string   { return filepath.Join(r.dir, "tmp") }

func (r *Registry) object(sha256 string) string { return filepath.Join(r.objects(), sha256) }
func (r *Registry) event(number int) string     { return filepath.Join(r.events(), eventName(number)) }

func eventName(number int) string { return fmt.Sprintf("%08d.json", number) }

// Register implements [registry.Registry]. The artifact is streamed to disk in constant
// memory.
func (r *Registry) Register(ctx context.Context, draft registry.Draft, artifact io.Reader) (registry.Version, error) {
	if err := draft.Validate(); err != nil {
		return registry.Version{}, err
	}
	var files []registry.File
	existing, err := r.versions(ctx, registry.Query{Key: draft.Key})
	if err != nil {
		return registry.Version{}, err
	}
	if len(existing) == 0 {
		if files, err = r.store(ctx, draft.Documents, artifact); err != nil {
			return registry.Version{}, fmt.Errorf("fileregistry: register: %w", err)
		}
	}
	e, err := r.publish(ctx, func(s *registry.State) (event, bool, error) {
		v, repeated, err := s.PlanVersion(draft, files)
		return event{Registered: &v}, repeated, err
	})
	if err != nil {
		return registry.Version{}, err
	}
	return *e.Registered, nil
}

// Versions implements [registry.Registry].
func (r *Registry) Versions(ctx context.Context, q registry.Query) iter.Seq2[registry.Version, error] {
	return func(yield func(registry.Version, error) bool) {
		versions, err := r.versions(ctx, q)
		if err != nil {
			yield(registry.Version{}, err)
			return
		}
		for _, v := range versions {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func (r *Registry) versions(ctx context.Context, q registry.Query) (versions []registry.Version, err error) {
	err = r.read(ctx, func(s *registry.State) error {
		versions = s.Versions(q)
		return nil
	})
	return versions, err
}

// Open implements [registry.Registry]. The ctx is not used by the reader it returns.
func (r *Registry) Open(ctx context.Context, id, file string) (io.ReadCloser, error) {
	v, err := registry.Get(ctx, r, id)
	if err != nil {
		return nil, err
	}
	f, err := v.File(file)
	if err != nil {
		return nil, err
	}
	content, err := os.Open(r.object(f.SHA256))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("fileregistry: %s: %w: it is missing, and is file %q of version %q", r.object(f.SHA256), registry.ErrCorrupt, file, id)
	}
	if err != nil {
		return nil, fmt.Errorf("fileregistry: open: %w", err)
	}
	return registry.Verify(f, content), nil
}

// Transition implements [registry.Registry].
func (r *Registry) Transition(ctx context.Context, t registry.Transition) (registry.Event, error) {
	e, err := r.publish(ctx, func(s *registry.State) (event, bool, error) {
		e, repeated, err := s.PlanTransition(t)
		return event{Transition: &e}, repeated, err
	})
	if err != nil {
		return registry.Event{}, err
	}
	return *e.Transition, nil
}

// History implements [registry.Registry].
func (r *Registry) History(ctx context.Context, after uint64) iter.Seq2[registry.Event, error] {
	return func(yield func(registry.Event, error) bool) {
		var events []registry.Event
		err := r.read(ctx, func(s *registry.State) error {
			events = s.Events()
			return nil
		})
		if err != nil {
			yield(registry.Event{}, err)
			return
		}
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
}
