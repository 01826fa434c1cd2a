package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Copy copies the content of a file of a version from src to dst, and describes it under
// the given name. It ends with the error of ctx, which it looks at before each read, when
// ctx is done.
func Copy(ctx context.Context, dst io.Writer, name string, src io.Reader) (File, error) {
	if src == nil {
		return File{}, fmt.Errorf("registry: file %q: nil reader", name)
	}
	h := sha256.New()
	size, err := io.Copy(io.MultiWriter(dst, h), contextReader{ctx, src})
	if err != nil {
		return File{}, err
	}
	return File{Name: name, Size: size, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}

// contextReader lives for the length of one call, whose ctx it holds.
type contextReader struct {
	ctx context.Context
	src io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.src.Read(p)
}

// Verify returns a reader of content that keeps the promise of [Registry.Open]: if the
// content is not the one that f describes, reading ends with [ErrCorrupt], not with
// io.EOF. Closing the reader closes content. It is not safe for concurrent use.
func Verify(f File, content io.ReadCloser) io.ReadCloser {
	return &verifier{content: content, want: f, hash: sha256.New()}
}

type verifier struct {
	content io.ReadCloser
	want    File
	hash    hash.Hash
	size    int64
	err     error // the first error, which every later Read repeats
}

func (v *verifier) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	n, err := v.content.Read(p)
	v.hash.Write(p[:n])
	v.size += int64(n)
	if v.size > v.want.Size {
		err = v.corrupt("is longer than %d bytes", v.want.Size)
	} else if err == io.EOF {
		err = v.check()
	}
	v.err = err
	return n, err
}

// check returns io.EOF if all that was read is what was wanted.
func (v *verifier) check() error {
	if v.size != v.want.Size {
		return v.corrupt("has %d bytes, want %d", v.size, v.want.Size)
	}
	if sum := hex.EncodeToString(v.hash.Sum(nil)); sum != v.want.SHA256 {
		return v.corrupt("has the SHA-256 %s", sum)
	}
	return io.EOF
}

func (v *verifier) corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: file %q, stored as %s, %s", ErrCorrupt, v.want.Name, v.want.SHA256, fmt.Sprintf(format, args...))
}

func (v *verifier) Close() error { return v.content.Close() }

// checkFiles returns an error unless files, which are in order, can be those of a version.
func checkFiles(files []File) error {
	var errs []error
	hasModel := false
	for i, f := range files {
		if !isFileName(f.Name) {
			errs = append(errs, fmt.Errorf("file name %q", f.Name))
		}
		if i > 0 && f.Name == files[i-1].Name {
			errs = append(errs, fmt.Errorf("file %q: twice", f.Name))
		}
		if f.Size < 0 {
			errs = append(errs, fmt.Errorf("file %q: size %d", f.Name, f.Size))
		}
		if !isSHA256(f.SHA256) {
			errs = append(errs, fmt.Errorf("file %q: SHA-256 %q, want 64 lower-case hexadecimal digits", f.Name, f.SHA256))
		}
		hasModel = hasModel || f.Name == ModelFile
	}
	if !hasModel {
		errs = append(errs, fmt.Errorf("no file %q", ModelFile))
	}
	if len(errs) > 0 {
		return fmt.Errorf("registry: invalid files: %w", errors.Join(errs...))
	}
	return nil
}

func isSHA256(s string) bool {
	sum, err := hex.DecodeString(s)
	return err == nil && len(sum) == sha256.Size && hex.EncodeToString(sum) == s
}
