package blobregistry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
)

func logKey(name string, seq uint64) string { return fmt.Sprintf("log/%s/%020d", name, seq) }

// fake is a store in memory that misbehaves when told to. Its hooks are called without a
// lock and may use the store. Set them before it is used.
type fake struct {
	// before is called before a request is done, and can fail it.
	before func(op, key string) error
	// after is called after a request was done, and can lose its answer.
	after func(op, key string) error
	// missed is called after a request for an object that is not there.
	missed func(key string)
	// ignoresCondition makes it write what exists already, as some stores do.
	ignoresCondition bool
	// skew is added to its clock.
	skew time.Duration

	mu       sync.Mutex
	objects  map[string]object // guarded by mu
	requests []string          // "op key", guarded by mu
}

type object struct {
	content  []byte
	metadata map[string]string
	written  time.Time
}

// Errors of a fake, as the SDK of S3 has them.
type apiError string

func (e apiError) Error() string     { return "api error " + string(e) }
func (e apiError) ErrorCode() string { return string(e) }

const (
	notFound           = apiError("NoSuchKey")
	preconditionFailed = apiError("PreconditionFailed")
	conflict           = apiError("ConditionalRequestConflict")
	aborted            = apiError("OperationAborted")
)

var errLost = errors.New("connection reset by peer")

func (f *fake) bucket() *blob.Bucket { return blob.NewBucket(f) }

// asked returns how many requests of this kind were made.
func (f *fake) asked(prefix string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		if strings.HasPrefix(r, prefix) {
			n++
		}
	}
	return n
}

func (f *fake) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = nil
}

func (f *fake) keys() (keys []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key := range f.objects {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func (f *fake) do(ctx context.Context, op, key string, request func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	f.requests = append(f.requests, op+" "+key)
	f.mu.Unlock()
	if f.before != nil {
		if err := f.before(op, key); err != nil {
			return err
		}
	}
	f.mu.Lock()
	err := request()
	f.mu.Unlock()
	if err == notFound && f.missed != nil {
		f.missed(key)
	}
	if err == nil && f.after != nil {
		err = f.after(op, key)
	}
	return err
}

func (f *fake) ErrorCode(err error) gcerrors.ErrorCode {
	switch {
	case errors.Is(err, notFound):
		return gcerrors.NotFound
	case errors.Is(err, preconditionFailed):
		return gcerrors.FailedPrecondition
	}
	return gcerrors.Unknown
}

func (f *fake) As(any) bool                   { return false }
func (f *fake) ErrorAs(err error, i any) bool { return errors.As(err, i) }
func (f *fake) Close() error                  { return nil }

func (f *fake) find(key string) (o object, err error) {
	o, ok := f.objects[key]
	if !ok {
		return o, notFound
	}
	return o, nil
}

func (f *fake) Attributes(ctx context.Context, key string) (a *driver.Attributes, err error) {
	err = f.do(ctx, "head", key, func() error {
		o, err := f.find(key)
		a = &driver.Attributes{Metadata: o.metadata, ModTime: o.written, Size: int64(len(o.content))}
		return err
	})
	return a, err
}

func (f *fake) ListPaged(ctx context.Context, opts *driver.ListOptions) (page *driver.ListPage, err error) {
	page = new(driver.ListPage)
	return page, f.do(ctx, "list", opts.Prefix, func() error {
		for key, o := range f.objects {
			if strings.HasPrefix(key, opts.Prefix) {
				page.Objects = append(page.Objects, &driver.ListObject{Key: key, ModTime: o.written, Size: int64(len(o.content))})
			}
		}
		slices.SortFunc(page.Objects, func(a, b *driver.ListObject) int { return strings.Compare(a.Key, b.Key) })
		return nil
	})
}

type fakeReader struct {
	io.Reader
	o object
}

func (r fakeReader) Close() error { return nil }
func (r fakeReader) As(any) bool  { return false }
func (r fakeReader) Attributes() *driver.ReaderAttributes {
	return &driver.ReaderAttributes{ModTime: r.o.written, Size: int64(len(r.o.content))}
}

func (f *fake) NewRangeReader(ctx context.Context, key string, _, _ int64, _ *driver.ReaderOptions) (r driver.Reader, err error) {
	err = f.do(ctx, "get", key, func() error {
		o, err := f.find(key)
		r = fakeReader{bytes.NewReader(o.content), o}
		return err
	})
	return r, err
}

type fakeWriter struct {
	bytes.Buffer
	ctx  context.Context // of the write, as the interface demands
	f    *fake
	key  string
	opts *driver.WriterOptions
}

func (f *fake) NewTypedWriter(ctx context.Context, key, _ string, opts *driver.WriterOptions) (driver.Writer, error) {
	return &fakeWriter{ctx: ctx, f: f, key: key, opts: opts}, nil
}

// Close writes what it has, also after a failed source, as some drivers do.
func (w *fakeWriter) Close() error {
	return w.f.do(w.ctx, "put", w.key, func() error {
		if _, ok := w.f.objects[w.key]; ok && w.opts.IfNotExist && !w.f.ignoresCondition {
			return preconditionFailed
		}
		if w.f.objects == nil {
			w.f.objects = make(map[string]object)
		}
		w.f.objects[w.key] = object{bytes.Clone(w.Bytes()), w.opts.Metadata, time.Now().Add(w.f.skew).Truncate(time.Second)}
		return nil
	})
}

func (f *fake) Copy(context.Context, string, string, *driver.CopyOptions) error {
	return errors.New("not needed")
}

func (f *fake) Delete(ctx context.Context, key string, _ *driver.DeleteOptions) error {
	return f.do(ctx, "delete", key, func() error {
		_, err := f.find(key)
		delete(f.objects, key)
		return err
	})
}

func (f *fake) SignedURL(context.Context, string, *driver.SignedURLOptions) (string, error) {
	return "", errors.New("not needed")
}
