package blobregistry

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/selfheal-ml/selfheal/registry"
)

// ErrUnsafe means that a bucket does not keep the one promise on which this package rests: of
// several writers of one key that all require the key not to exist, one succeeds.
var ErrUnsafe = errors.New("blobregistry: the bucket does not keep concurrent writers apart")

// Config tunes a [Bucket]. The zero Config is valid.
type Config struct {
	// PartSize is the number of bytes of an artifact that are sent at a time: 5 MiB to 1 GiB,
	// 8 MiB by default. S3 takes 10,000 parts at most, so the default allows artifacts of 78
	// GiB.
	PartSize int
	// Concurrency is the number of parts of an artifact that are sent at once: 1 to 100, 3 by
	// default. Storing an artifact takes about PartSize × (Concurrency + 2) bytes of memory,
	// and at least 16 MiB, whatever its size.
	Concurrency int
}

func (c Config) withDefaults() Config {
	if c.PartSize == 0 {
		c.PartSize = 8 << 20
	}
	if c.Concurrency == 0 {
		c.Concurrency = 3
	}
	return c
}

func (c Config) validate() error {
	var errs []error
	within := func(name string, v, lo, hi int) {
		if v < lo || v > hi {
			errs = append(errs, fmt.Errorf("%s is %d, want %d to %d", name, v, lo, hi))
		}
	}
	within("PartSize", c.PartSize, 5<<20, 1<<30)
	within("Concurrency", c.Concurrency, 1, 100)
	return errors.Join(errs...)
}

// Bucket makes logs, blobs and leases in a bucket. A Bucket holds nothing open and is safe
// for concurrent use by goroutines; any number of processes may open the same bucket.
type Bucket struct {
	bucket *blob.Bucket
	cfg    Config
}

// Open returns a Bucket over bucket, which the caller closes and which [blob.PrefixedBucket]
// may have made. Open writes an object twice to see that the second write is refused, and
// deletes the object. A bucket that does not refuse the second write is [ErrUnsafe]. A bucket
// that is a folder of files is ErrUnsafe too, because its driver separates only the writers
// of one process.
func Open(ctx context.Context, bucket *blob.Bucket, cfg Config) (*Bucket, error) {
	if bucket == nil {
		return nil, errors.New("blobregistry: nil bucket")
	}
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("blobregistry: invalid Config: %w", err)
	}
	var folder os.FileInfo // what the driver fileblob gives, and no other
	if bucket.As(&folder) {
		return nil, fmt.Errorf("%w: it is a folder of files; use package fileregistry", ErrUnsafe)
	}
	b := &Bucket{bucket: bucket, cfg: cfg}
	if err := b.probe(ctx); err != nil {
		return nil, fmt.Errorf("blobregistry: open: %w", err)
	}
	return b, nil
}

// Log returns the log of this name, which may be any text.
func (b *Bucket) Log(name string) registry.Log {
	return &log{b: b, prefix: "log/" + segment(name) + "/"}
}

// Blobs returns the blobs of this name, which may be any text.
func (b *Bucket) Blobs(name string) registry.Blobs {
	return &blobs{b: b, prefix: "blob/" + segment(name) + "/"}
}

// Lease returns the lease of this name, which may be any text. A process keeps the Lease and
// asks it again and again: the Lease remembers for how long the holder was silent.
func (b *Bucket) Lease(name string) *Lease {
	return &Lease{b: b, prefix: "lease/" + segment(name) + "/"}
}

// Registry returns the registry of a model, whose name may be any text: a [registry.Ledger]
// over the log and the blobs of that name. A journal needs a log of another name.
func (b *Bucket) Registry(model string) *registry.Ledger {
	return registry.NewLedger(b.Log(model), b.Blobs(model))
}

// segment returns name as a part of a key. Different names give different parts, with no
// character that a store, a proxy or a file system treats in its own way.
func segment(name string) string {
	var s strings.Builder
	for _, c := range []byte(name) {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' {
			s.WriteByte(c)
		} else {
			fmt.Fprintf(&s, "_%02x", c)
		}
	}
	if name == "" {
		return "_"
	}
	return s.String()
}

// Objects that belong to no log, blobs or lease: those of [Bucket.probe], and those that were
// written to learn the store's time. Sweep deletes the ones that died processes left.
const scratch = "scratch/"

func (b *Bucket) probe(ctx context.Context) error {
	key, first := scratch+rand.Text(), []byte(rand.Text())
	created, err := b.create(ctx, key, first)
	if err != nil {
		return err
	}
	if !created {
		return fmt.Errorf("%w: it refused the first write of a key", ErrUnsafe)
	}
	created, err = b.create(ctx, key, []byte(rand.Text()))
	if err == nil && created {
		err = fmt.Errorf("%w: it accepted a second write of a key that was to be new", ErrUnsafe)
	}
	if err == nil {
		var found []byte
		if found, err = b.get(ctx, key); err == nil && !bytes.Equal(found, first) {
			err = fmt.Errorf("%w: a write that it refused changed the object", ErrUnsafe)
		}
	}
	return errors.Join(err, b.delete(ctx, key))
}

// create writes an object unless its key exists, and reports whether it did. create also
// reports false if the object is its own, from an earlier attempt whose answer was lost.
// After an error it is unknown whether the object was written.
func (b *Bucket) create(ctx context.Context, key string, content []byte) (bool, error) {
	opts := &blob.WriterOptions{
		ContentType: "application/octet-stream", // without it the driver guesses from the content
		IfNotExist:  true,
	}
	for wait := 10 * time.Millisecond; ; wait *= 2 {
		err := b.bucket.WriteAll(ctx, key, content, opts)
		switch {
		case err == nil:
			return true, nil
		case gcerrors.Code(err) == gcerrors.FailedPrecondition:
			return false, nil
		case !isConflict(err) || wait > 5*time.Second:
			return false, contextError(ctx, err)
		}
		// Another write of this key is under way and may yet fail: the key is not taken.
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// isConflict reports whether a store answered that a write met another write under way and
// shall be repeated. gocloud.dev has no code for this.
func isConflict(err error) bool {
	var api interface {
		error
		ErrorCode() string // as the SDK of S3 has it
	}
	return errors.As(err, &api) &&
		(api.ErrorCode() == "ConditionalRequestConflict" || api.ErrorCode() == "OperationAborted")
}

// get returns the content of an object, nil if the key does not exist.
func (b *Bucket) get(ctx context.Context, key string) ([]byte, error) {
	content, err := b.bucket.ReadAll(ctx, key)
	switch {
	case err == nil && content == nil:
		return []byte{}, nil
	case err == nil || gcerrors.Code(err) == gcerrors.NotFound:
		return content, nil
	}
	return nil, contextError(ctx, err)
}

// delete deletes an object if its key exists.
func (b *Bucket) delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil { // not every driver looks
		return err
	}
	if err := b.bucket.Delete(ctx, key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return contextError(ctx, err)
	}
	return nil
}

// list returns the objects whose keys begin with prefix, in the order of their keys.
func (b *Bucket) list(ctx context.Context, prefix string) ([]*blob.ListObject, error) {
	if err := ctx.Err(); err != nil { // not every driver looks
		return nil, err
	}
	var objects []*blob.ListObject
	for it := b.bucket.List(&blob.ListOptions{Prefix: prefix}); ; {
		o, err := it.Next(ctx)
		if err == io.EOF {
			return objects, nil
		}
		if err != nil {
			return nil, contextError(ctx, err)
		}
		objects = append(objects, o)
	}
}

// contextError returns the error of ctx if it caused err: drivers report it in different
// ways.
func contextError(ctx context.Context, err error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return fmt.Errorf("blobregistry: %w", err)
}
