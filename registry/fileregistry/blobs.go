package fileregistry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/selfheal-ml/selfheal/registry"
)

// Blobs is a [registry.Blobs] in a folder, safe for concurrent use by many goroutines and
// processes. Each content is a file.
type Blobs struct {
	dir  string
	disk disk
}

var _ registry.Blobs = (*Blobs)(nil)

// OpenBlobs opens the blobs in dir, which is made if it does not exist.
func OpenBlobs(dir string) (*Blobs, error) { return openBlobs(dir, disk{}) }

func openBlobs(dir string, d disk) (*Blobs, error) {
	if dir == "" {
		return nil, errors.New("fileregistry: dir is empty")
	}
	if err := d.makeDir(dir); err != nil {
		return nil, fmt.Errorf("fileregistry: open: %w", err)
	}
	return &Blobs{dir: dir, disk: d}, nil
}

// Put implements [registry.Blobs]. The content is written and synced under a name that ends
// in ".tmp", and then renamed.
func (b *Blobs) Put(ctx context.Context, name string, content io.Reader) error {
	path, err := b.path(name)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	temp := path + temporary
	if err := b.disk.write(ctx, temp, content); err != nil {
		return fmt.Errorf("fileregistry: put blob: %w", err)
	}
	if err := b.disk.rename(temp, path); err != nil {
		return fmt.Errorf("fileregistry: put blob: %w", errors.Join(err, b.disk.remove(temp)))
	}
	if err := b.disk.syncDir(b.dir); err != nil {
		return fmt.Errorf("fileregistry: put blob: %w", err)
	}
	return nil
}

// path returns the path of a blob. Any other text is an error, because it could lead out of
// the folder.
func (b *Blobs) path(name string) (string, error) {
	for _, c := range name {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-') {
			return "", fmt.Errorf("fileregistry: blob %q: want lower-case letters, digits and '-'", name)
		}
	}
	if name == "" || len(name) > 100 {
		return "", fmt.Errorf("fileregistry: blob %q: want 1 to 100 characters", name)
	}
	return filepath.Join(b.dir, name), nil
}

// Get implements [registry.Blobs].
func (b *Blobs) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path, err := b.path(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", registry.ErrNotFound, err)
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("fileregistry: %w: %s", registry.ErrNotFound, path)
	}
	if err != nil {
		return nil, fmt.Errorf("fileregistry: get blob: %w", err)
	}
	return f, nil
}

// Delete implements [registry.Blobs].
func (b *Blobs) Delete(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path, err := b.path(strings.TrimSuffix(name, temporary))
	if err != nil {
		return err
	}
	if strings.HasSuffix(name, temporary) {
		path += temporary
	}
	if err := b.disk.remove(path); err != nil {
		return fmt.Errorf("fileregistry: delete blob: %w", err)
	}
	return nil
}

// List implements [registry.Blobs]. The name of a content that a process was writing when it
// died ends in ".tmp".
func (b *Blobs) List(ctx context.Context) iter.Seq2[registry.Blob, error] {
	return func(yield func(registry.Blob, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(registry.Blob{}, err)
			return
		}
		entries, err := os.ReadDir(b.dir)
		if err != nil {
			yield(registry.Blob{}, fmt.Errorf("fileregistry: list blobs: %w", err))
			return
		}
		for _, entry := range entries {
			if err := ctx.Err(); err != nil {
				yield(registry.Blob{}, err)
				return
			}
			info, err := entry.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // deleted since it was listed
			}
			if err != nil {
				yield(registry.Blob{}, fmt.Errorf("fileregistry: list blobs: %w", err))
				return
			}
			if _, err := b.path(strings.TrimSuffix(entry.Name(), temporary)); err != nil || !info.Mode().IsRegular() {
				continue // not ours
			}
			if !yield(registry.Blob{Name: entry.Name(), Size: info.Size(), Time: info.ModTime().UTC()}, nil) {
				return
			}
		}
	}
}
