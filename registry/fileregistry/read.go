package fileregistry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/selfheal-ml/selfheal/registry"
)

// read calls look with the present state.
func (r *Registry) read(ctx context.Context, look func(*registry.State) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.catchUp(); err != nil {
		return err
	}
	return look(&r.state)
}

// readAll reads all events, and makes sure that none is missing before the newest.
func (r *Registry) readAll() error {
	entries, err := os.ReadDir(r.events())
	if err != nil {
		return fmt.Errorf("fileregistry: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.catchUp(); err != nil {
		return err
	}
	for _, entry := range entries {
		var number int
		_, err := fmt.Sscanf(entry.Name(), "%d.json", &number)
		if err == nil && entry.Name() == eventName(number) && number > r.head {
			return fmt.Errorf("fileregistry: %s: %w: it is missing, but there is %s", r.event(r.head+1), registry.ErrCorrupt, entry.Name())
		}
	}
	return nil
}

// catchUp adds the events that were published since it was last called. The caller holds
// r.mu.
func (r *Registry) catchUp() error {
	for {
		path := r.event(r.head + 1)
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return r.checkHead()
		}
		if err != nil {
			return fmt.Errorf("fileregistry: %w", err)
		}
		e, err := decode(data)
		if err != nil {
			return fmt.Errorf("fileregistry: %s: %w", path, err)
		}
		if e.Previous != r.headSum {
			return fmt.Errorf("fileregistry: %s: %w: it follows a file with the SHA-256 %q, that of %s is %q",
				path, registry.ErrCorrupt, e.Previous, eventName(r.head), r.headSum)
		}
		if err := e.addTo(&r.state); err != nil {
			// Not wrapped: to the caller, this is damage and not a conflict of its own.
			return fmt.Errorf("fileregistry: %s: %w: %v", path, registry.ErrCorrupt, err)
		}
		sum := sha256.Sum256(data)
		r.head, r.headSum = r.head+1, hex.EncodeToString(sum[:])
	}
}

// checkHead tells that there is no newer event from that the folder is gone, as when it
// is on a disk that is no longer mounted.
func (r *Registry) checkHead() error {
	path := r.events()
	if r.head > 0 {
		path = r.event(r.head)
	}
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("fileregistry: %s: %w: it is missing", path, registry.ErrCorrupt)
	}
	if err != nil {
		return fmt.Errorf("fileregistry: %w", err)
	}
	return nil
}
