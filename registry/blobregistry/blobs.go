package blobregistry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/selfheal-ml/selfheal/registry"
)

// blobs is a [registry.Blobs] with an object for each blob.
type blobs struct {
	b      *Bucket
	prefix string
}

// Put implements [registry.Blobs]. A failed Put removes the parts of a large content that it
// has sent. If that fails too, Sweep removes them.
func (s *blobs) Put(ctx context.Context, name string, content io.Reader) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if content == nil {
		return fmt.Errorf("blobregistry: put %q: nil reader", name)
	}
	writing, cancel := context.WithCancel(ctx)
	defer cancel()
	src := &source{ctx: writing, content: content, fail: cancel}
	nonce := rand.Text()
	err := s.b.bucket.Upload(writing, s.prefix+name, src, &blob.WriterOptions{
		ContentType:    "application/octet-stream",
		IfNotExist:     true,
		BufferSize:     s.b.cfg.PartSize,
		MaxConcurrency: s.b.cfg.Concurrency,
		Metadata:       map[string]string{"nonce": nonce},
	})
	switch {
	case src.err != nil && ctx.Err() == nil:
		err = fmt.Errorf("blobregistry: put %q: read the content: %w", name, src.err)
	case err == nil:
		return nil
	case gcerrors.Code(err) == gcerrors.FailedPrecondition:
		// The blob exists. Perhaps this call stored it and then repeated a request whose
		// answer was lost.
		a, aerr := s.b.bucket.Attributes(ctx, s.prefix+name)
		if aerr == nil && a.Metadata["nonce"] == nonce {
			return nil
		}
		err = fmt.Errorf("blobregistry: put %q: the name is taken: %w", name, errors.Join(err, aerr))
	default:
		err = contextError(ctx, err)
	}
	cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, aerr := s.b.abort(cleaning, s.prefix+name, func(rest string, _ time.Duration) bool { return rest == "" })
	return errors.Join(err, aerr)
}

// source is the content of one Put. When the content fails, source cancels the write before a
// driver can mistake the failure for the end and store a part.
type source struct {
	ctx     context.Context // of the one Put that a source lives for; not every driver looks at it
	content io.Reader
	fail    context.CancelFunc
	err     error // of content
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.content.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
		s.fail()
	}
	return n, err
}

// Get implements [registry.Blobs]. The content is read with ctx.
func (s *blobs) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil { // not every driver looks
		return nil, err
	}
	r, err := s.b.bucket.NewReader(ctx, s.prefix+name, nil)
	switch {
	case err == nil:
		return r, nil
	case gcerrors.Code(err) == gcerrors.NotFound:
		return nil, fmt.Errorf("%w: blob %q", registry.ErrNotFound, name)
	}
	return nil, contextError(ctx, err)
}

// Delete implements [registry.Blobs].
func (s *blobs) Delete(ctx context.Context, name string) error {
	return s.b.delete(ctx, s.prefix+name)
}

// List implements [registry.Blobs].
func (s *blobs) List(ctx context.Context) iter.Seq2[registry.Blob, error] {
	return func(yield func(registry.Blob, error) bool) {
		objects, err := s.b.list(ctx, s.prefix)
		if err != nil {
			yield(registry.Blob{}, err)
			return
		}
		for _, o := range objects {
			if !yield(registry.Blob{Name: strings.TrimPrefix(o.Key, s.prefix), Size: o.Size, Time: o.ModTime.UTC()}, nil) {
				return
			}
		}
	}
}
