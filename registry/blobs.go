package registry

import (
	"context"
	"io"
	"iter"
	"time"
)

// Blobs keeps the content of files, each under a name that is used once. The names are
// chosen by a [Ledger], which keeps the SHA-256 of each content in its log and verifies
// it whenever the content is read. Names are random and not the hashes of contents: so a
// stream is stored in one pass, and no two versions share a blob, so that deleting the
// files of one version can never take those of another. All methods are safe for
// concurrent use. The function registrytest.RunBlobs checks these promises.
type Blobs interface {
	// Put stores all that content holds under the name, in memory that does not grow with
	// it, and returns once it is as durable as the store promises. After any error, that
	// of content and a cancelled ctx included, Get does not find the name, or finds the
	// whole content: never a part. A name is lower-case letters, digits and '-', at most
	// 100 of them, and is put at most once.
	Put(ctx context.Context, name string, content io.Reader) error

	// Get returns the content, which the caller closes. A name that is not there is
	// [ErrNotFound].
	Get(ctx context.Context, name string) (io.ReadCloser, error)

	// Delete removes the content. A name that is not there is no error.
	Delete(ctx context.Context, name string) error

	// List yields what is stored, in no promised order. The sequence ends at the first
	// error, which it yields with a zero Blob.
	List(ctx context.Context) iter.Seq2[Blob, error]
}

// Blob describes one content in [Blobs].
type Blob struct {
	Name string
	Size int64     // bytes
	Time time.Time // when it was stored, by the clock of the store
}
