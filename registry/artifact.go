package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
)

// LoadFunc makes a model from the artifact of a version. The artifact is an [*Artifact]. A
// single file is read from it directly, and
//
//	folder, err := artifact.(*registry.Artifact).Folder()
//
// returns a folder. The model is not used before all of the artifact was read, which verifies
// the SHA-256 of its files; the caller reads what the LoadFunc did not read. A LoadFunc must
// not use the artifact after it has returned.
type LoadFunc[M any] func(ctx context.Context, v Version, artifact io.Reader) (M, error)

// Load returns the model of a version and verifies all of its artifact. A model from damaged
// bytes is never returned: that is [ErrCorrupt].
func Load[M any](ctx context.Context, r Registry, v Version, load LoadFunc[M]) (model M, err error) {
	defer func() {
		if err != nil {
			var none M
			model, err = none, fmt.Errorf("registry: load version %q: %w", v.ID, err)
		}
	}()
	artifact, err := OpenArtifact(ctx, r, v)
	if err != nil {
		return model, err
	}
	defer func() { err = errors.Join(err, artifact.Close()) }()
	if model, err = load(ctx, v, artifact); err != nil {
		return model, err
	}
	return model, artifact.Verify()
}

// Artifact is the artifact of a version, opened to be read once: a single file, as an
// [io.Reader], or a folder. An Artifact is not safe for concurrent use, but files of the
// folder may be opened and read concurrently.
type Artifact struct {
	// The ctx is in the struct because fs.FS has no place for one. An Artifact lives for the
	// length of one call.
	ctx      context.Context
	registry Registry
	version  Version
	single   io.ReadCloser // nil if the artifact is a folder

	mu       sync.Mutex
	verified map[string]bool // files of the folder that were read to their end; guarded by mu
}

// OpenArtifact opens the artifact of a version, whose Files say whether it is a folder. The
// Artifact can be used until ctx is done. The caller closes the Artifact, and calls
// [Artifact.Verify] before using the bytes that it read.
func OpenArtifact(ctx context.Context, r Registry, v Version) (*Artifact, error) {
	a := &Artifact{ctx: ctx, registry: r, version: v, verified: make(map[string]bool)}
	if len(a.names()) > 0 {
		return a, ctx.Err()
	}
	single, err := r.Open(ctx, v.ID, ModelFile)
	if err != nil {
		return nil, err
	}
	a.single = single
	return a, nil
}

// names returns the names of the files in the folder, nil for a single file.
func (a *Artifact) names() []string {
	var names []string
	for _, f := range a.version.Files {
		if _, ok := pathInFolder(f.Name); ok {
			names = append(names, f.Name)
		}
	}
	return names
}

// Read reads an artifact that is a single file. Damage is [ErrCorrupt]. Read of a folder is
// an error.
func (a *Artifact) Read(p []byte) (int, error) {
	if a.single == nil {
		return 0, fmt.Errorf("registry: the artifact of version %q is a folder, not a file", a.version.ID)
	}
	return a.single.Read(p)
}

// Folder returns an artifact that is a folder. The folder can be used until the Artifact is
// closed. Its files are streams: they cannot be sought in. Damage to a file is [ErrCorrupt]
// at its end. Folder of a single file is an error.
func (a *Artifact) Folder() (fs.FS, error) {
	if a.single != nil {
		return nil, fmt.Errorf("registry: the artifact of version %q is a file, not a folder", a.version.ID)
	}
	return folder{a}, nil
}

// Verify reads all files that were not read to their end, and returns [ErrCorrupt] if any
// part of the artifact is damaged.
func (a *Artifact) Verify() error {
	if a.single != nil {
		_, err := io.Copy(io.Discard, a.single)
		return err
	}
	for _, name := range a.names() {
		a.mu.Lock()
		done := a.verified[name]
		a.mu.Unlock()
		if done {
			continue
		}
		f, err := a.registry.Open(a.ctx, a.version.ID, name)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the use of the artifact. The caller closes the files of the folder that it
// opened.
func (a *Artifact) Close() error {
	if a.single == nil {
		return nil
	}
	return a.single.Close()
}
