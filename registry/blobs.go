package registry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"sync"
	"time"
)

// Blobs keeps the content of files, each under a name that is used once. A [Ledger] chooses
// the names, keeps the SHA-256 of each content in its log and verifies it with every reading.
// Names are random and not the hashes of contents: a stream is stored in one pass, and no two
// versions share a blob, so deleting the files of one version never takes those of another.
// All methods are safe for concurrent use. The function registrytest.RunBlobs checks these
// promises.
type Blobs interface {
	// Put stores the content under the name, in memory that does not grow with the content,
	// and returns once it is as durable as the store promises. After any error, including an
	// error of content and a cancelled ctx, Get either does not find the name or finds the
	// whole content: never a part. A name is lower-case letters, digits and '-', at most 100
	// of them, and is put at most once.
	Put(ctx context.Context, name string, content io.Reader) error

	// Get returns the content, which the caller closes. An unknown name is [ErrNotFound].
	Get(ctx context.Context, name string) (io.ReadCloser, error)

	// Delete removes the content. An unknown name is no error.
	Delete(ctx context.Context, name string) error

	// List yields the stored blobs, in no promised order. It may also yield, under a name
	// that Get does not find, the remains of a Put that died, so that Delete can remove them.
	// The sequence ends at the first error, which comes with a zero Blob; a cancelled ctx is
	// such an error.
	List(ctx context.Context) iter.Seq2[Blob, error]
}

// Blob describes one content in [Blobs].
type Blob struct {
	Name string
	Size int64     // bytes
	Time time.Time // when it was stored, by the clock of the store
}

// MemoryBlobs is a [Blobs] in the memory of a process, for tests and examples. The zero
// MemoryBlobs is empty and ready to use.
type MemoryBlobs struct {
	mu    sync.Mutex
	blobs map[string]memoryBlob // guarded by mu
}

type memoryBlob struct {
	content []byte // never changes
	stored  time.Time
}

// Put implements [Blobs]. A name that is taken is an error.
func (b *MemoryBlobs) Put(ctx context.Context, name string, content io.Reader) error {
	if !isBlobName(name) {
		return fmt.Errorf("registry: put blob %q: want lower-case letters, digits and '-', at most 100", name)
	}
	all, err := io.ReadAll(newMeter(ctx, content))
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, taken := b.blobs[name]; taken {
		return fmt.Errorf("registry: put blob %q: the name is taken", name)
	}
	if b.blobs == nil {
		b.blobs = make(map[string]memoryBlob)
	}
	b.blobs[name] = memoryBlob{all, time.Now()}
	return nil
}

// Get implements [Blobs].
func (b *MemoryBlobs) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	blob, ok := b.blobs[name]
	if !ok {
		return nil, fmt.Errorf("%w: blob %q", ErrNotFound, name)
	}
	return io.NopCloser(bytes.NewReader(blob.content)), nil
}

// Delete implements [Blobs].
func (b *MemoryBlobs) Delete(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.blobs, name)
	return nil
}

// List implements [Blobs].
func (b *MemoryBlobs) List(ctx context.Context) iter.Seq2[Blob, error] {
	return func(yield func(Blob, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(Blob{}, err)
			return
		}
		b.mu.Lock()
		blobs := maps.Clone(b.blobs)
		b.mu.Unlock()
		for name, blob := range blobs {
			if !yield(Blob{Name: name, Size: int64(len(blob.content)), Time: blob.stored}, nil) {
				return
			}
		}
	}
}
