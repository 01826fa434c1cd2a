package registry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"sync"
)

// Memory is a [Registry] that lives as long as its process. It serves tests and examples.
type Memory struct {
	mu      sync.RWMutex
	state   State             // guarded by mu
	content map[string][]byte // by SHA-256; guarded by mu, each content never changes
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	return &Memory{content: make(map[string][]byte)}
}

// Register implements [Registry].
func (m *Memory) Register(ctx context.Context, draft Draft, artifact io.Reader) (Version, error) {
	if err := draft.Validate(); err != nil {
		return Version{}, err
	}
	existing, err := m.versions(ctx, Query{Key: draft.Key})
	if err != nil {
		return Version{}, err
	}
	if len(existing) > 0 {
		return existing[0], nil
	}

	var files []File
	content := make(map[string][]byte)
	read := func(name string, src io.Reader) error {
		var b bytes.Buffer
		f, err := Copy(ctx, &b, name, src)
		if err != nil {
			return fmt.Errorf("registry: store file %q: %w", name, err)
		}
		files = append(files, f)
		content[f.SHA256] = b.Bytes()
		return nil
	}
	if err := read(ModelFile, artifact); err != nil {
		return Version{}, err
	}
	for name, document := range draft.Documents {
		if err := read(name, bytes.NewReader(document)); err != nil {
			return Version{}, err
		}
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	v, repeated, err := m.state.PlanVersion(draft, files)
	if err != nil || repeated {
		return v, err
	}
	if err := ctx.Err(); err != nil {
		return Version{}, err
	}
	for sum, b := range content {
		m.content[sum] = b
	}
	return v, m.state.AddVersion(v)
}

// Versions implements [Registry].
func (m *Memory) Versions(ctx context.Context, q Query) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		versions, err := m.versions(ctx, q)
		if err != nil {
			yield(Version{}, err)
			return
		}
		for _, v := range versions {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func (m *Memory) versions(ctx context.Context, q Query) ([]Version, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.state.Versions(q), nil
}

// Open implements [Registry].
func (m *Memory) Open(ctx context.Context, id, file string) (io.ReadCloser, error) {
	v, err := Get(ctx, m, id)
	if err != nil {
		return nil, err
	}
	f, err := v.File(file)
	if err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	return Verify(f, io.NopCloser(bytes.NewReader(m.content[f.SHA256]))), nil
}

// Transition implements [Registry].
func (m *Memory) Transition(ctx context.Context, t Transition) (Event, error) {
	if err := ctx.Err(); err != nil {
		return Event{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e, repeated, err := m.state.PlanTransition(t)
	if err != nil || repeated {
		return e, err
	}
	return e, m.state.AddEvent(e)
}

// History implements [Registry].
func (m *Memory) History(ctx context.Context, after uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(Event{}, err)
			return
		}
		m.mu.RLock()
		events := m.state.Events()
		m.mu.RUnlock()
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
}
