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

// meter reads src, and counts and hashes the bytes. It checks ctx before each read and ends
// with the error of ctx. A meter lives for the length of one call, whose ctx it holds.
type meter struct {
	ctx  context.Context
	src  io.Reader
	hash hash.Hash
	size int64
	err  error // the first error of src or ctx, io.EOF at the end
}

func newMeter(ctx context.Context, src io.Reader) *meter {
	return &meter{ctx: ctx, src: src, hash: sha256.New()}
}

func (m *meter) Read(p []byte) (int, error) {
	if m.err != nil {
		return 0, m.err
	}
	if m.err = m.ctx.Err(); m.err != nil {
		return 0, m.err
	}
	n, err := m.src.Read(p)
	m.hash.Write(p[:n])
	m.size += int64(n)
	m.err = err
	return n, err
}

// describe returns the file that was read, or an error if it was not read to its end.
func (m *meter) describe(name, blob string) (File, error) {
	switch m.err {
	case io.EOF:
		return File{Name: name, Size: m.size, SHA256: hex.EncodeToString(m.hash.Sum(nil)), Blob: blob}, nil
	case nil:
		return File{}, errors.New("was not read to its end")
	}
	return File{}, m.err
}

// Verify returns a reader of content that keeps the promise of [Registry.Open]: if the
// content does not match f, reading ends with [ErrCorrupt], not with io.EOF. Closing the
// reader closes content. The reader is not safe for concurrent use. Implementations of
// [Registry] read files with Verify.
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

// check returns io.EOF if the content is the expected one.
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

// checkFiles returns an error unless the files, which are in order, can be the files of a
// version in a [Ledger].
func checkFiles(files []File) error {
	var wrong violations
	single, folder := 0, 0
	for i, f := range files {
		path, inFolder := pathInFolder(f.Name)
		switch {
		case f.Name == ModelFile:
			single++
		case inFolder && isPath(path):
			folder++
		case inFolder || !isDocument(f.Name):
			wrong.add("file name %q", f.Name)
		}
		if i > 0 && f.Name == files[i-1].Name {
			wrong.add("file %q: twice", f.Name)
		}
		wrong.file(f)
	}
	switch {
	case single == 0 && folder == 0:
		wrong.add("no file %q", ModelFile)
	case single > 0 && folder > 0:
		wrong.add("both a file and a folder %q", ModelFile)
	case folder > maxFiles:
		wrong.add("%d files in the folder, want at most %d", folder, maxFiles)
	}
	return wrong.of("files")
}

// checkDocuments returns an error unless the files, which are in order, can be attached to a
// version in a [Ledger].
func checkDocuments(files []File) error {
	var wrong violations
	for i, f := range files {
		if !isDocument(f.Name) {
			wrong.add("file name %q", f.Name)
		}
		if i > 0 && f.Name == files[i-1].Name {
			wrong.add("file %q: twice", f.Name)
		}
		wrong.file(f)
	}
	return wrong.of("files")
}

func (v *violations) file(f File) {
	if f.Size < 0 {
		v.add("file %q: size %d", f.Name, f.Size)
	}
	if !isSHA256(f.SHA256) {
		v.add("file %q: SHA-256 %q, want 64 lower-case hexadecimal digits", f.Name, f.SHA256)
	}
	if !isBlobName(f.Blob) {
		v.add("file %q: blob %q, want a name", f.Name, f.Blob)
	}
}

func isSHA256(s string) bool {
	sum, err := hex.DecodeString(s)
	return err == nil && len(sum) == sha256.Size && hex.EncodeToString(sum) == s
}
