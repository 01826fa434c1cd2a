package mlflowregistry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"unicode"

	"github.com/selfheal-ml/selfheal/registry"
)

const (
	artifactRoute = "mlflow-artifacts/artifacts"
	// buffered is the part of a file that is held in memory, so that a small file can be sent
	// again.
	buffered = 1 << 20
	// maxFiles is the largest number of files of a version.
	maxFiles = 10_000
	// maxDepth is the largest number of nested folders.
	maxDepth = 100
)

// artifactPath returns the path at the proxy for a URI, or reports that the server does not
// serve it.
func artifactPath(uri string) (string, bool) {
	rest, ok := strings.CutPrefix(uri, "mlflow-artifacts:")
	if !ok {
		return "", false
	}
	if authority, ok := strings.CutPrefix(rest, "//"); ok {
		_, rest, _ = strings.Cut(authority, "/")
	}
	rest = strings.Trim(rest, "/")
	return rest, rest != ""
}

// isPlain reports whether the proxy, and probably every storage below it, accepts s as a path
// in a run.
func isPlain(s string) bool {
	for _, c := range s {
		if !unicode.IsPrint(c) || strings.ContainsRune(`#%?*:"<>|\`, c) {
			return false
		}
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part == "." || part == ".." || len(part) > 200 {
			return false
		}
	}
	return true
}

// stream reads a source, and counts and hashes the bytes. It checks ctx before each read and
// ends with the error of ctx. A stream lives for the length of one call, whose ctx it holds.
// After Close has returned, the stream no longer uses the source, although the transport may
// go on reading the stream after it answered.
type stream struct {
	ctx context.Context
	src io.Reader

	mu   sync.Mutex // guards what follows
	hash hash.Hash
	size int64
	err  error // the first error of src or ctx, io.EOF at the end
}

func newStream(ctx context.Context, src io.Reader) *stream {
	return &stream{ctx: ctx, src: src, hash: sha256.New()}
}

func (s *stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.src.Read(p)
	s.hash.Write(p[:n])
	s.size += int64(n)
	s.err = err
	return n, err
}

var errStopped = errors.New("mlflowregistry: the server answered before it had read all")

// Close waits for a Read under way.
func (s *stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = errStopped
	}
	return nil
}

// put stores the content at this path, in constant memory, and returns it as a file. Content
// that does not fit into memory is sent once, unless it is an [io.Seeker].
func (c *client) put(ctx context.Context, name, at string, content io.Reader) (registry.File, error) {
	s := newStream(ctx, content)
	head := make([]byte, 512)
	n := 0
	for n < buffered && s.err == nil {
		if n == len(head) {
			head = append(head, make([]byte, n)...)
		}
		m, _ := s.Read(head[n:])
		n += m
	}
	head = head[:n]
	if s.err != nil && s.err != io.EOF {
		return registry.File{}, s.err
	}
	if s.err == io.EOF {
		err := c.retry(ctx, passing, func() error { return c.upload(ctx, at, io.NopCloser(bytes.NewReader(head)), int64(n)) })
		if err != nil {
			return registry.File{}, err
		}
		return describe(s, name, at), nil
	}
	seeker, start := seekable(content)
	source := io.MultiReader(bytes.NewReader(head), content)
	rewindable := func(err error) bool { return passing(err) && seeker != nil && (s.err == io.EOF || s.err == errStopped) }
	err := c.retry(ctx, rewindable, func() error {
		if source == nil {
			if _, err := seeker.Seek(start-int64(n), io.SeekStart); err != nil {
				return err
			}
			source = content
		}
		s = newStream(ctx, source)
		source = nil
		err := c.upload(ctx, at, s, -1)
		_ = s.Close() // the source is the caller's again
		if s.err == io.EOF || err != nil && s.err == errStopped {
			return err
		}
		return s.err // the source failed, or the server did not want all of it
	})
	if err != nil {
		return registry.File{}, err
	}
	return describe(s, name, at), nil
}

// seekable returns content as a seeker with its position, or nil if it cannot seek. A pipe
// has the method and cannot seek.
func seekable(content io.Reader) (io.Seeker, int64) {
	seeker, ok := content.(io.Seeker)
	if !ok {
		return nil, 0
	}
	at, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, 0
	}
	return seeker, at
}

func describe(s *stream, name, at string) registry.File {
	return registry.File{Name: name, Size: s.size, SHA256: hex.EncodeToString(s.hash.Sum(nil)), Blob: at}
}

// upload makes one attempt to store content of this size, -1 for an unknown size.
func (c *client) upload(ctx context.Context, at string, content io.ReadCloser, size int64) error {
	req, err := c.request(ctx, http.MethodPut, artifactRoute+"/"+escapePath(at), nil, content)
	if err != nil {
		return errors.Join(err, content.Close())
	}
	req.ContentLength = size
	if size == 0 {
		req.Body = http.NoBody
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	res, err := c.do(req)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, 1<<20)) // "{}" or nothing
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return fmt.Errorf("mlflowregistry: %w", err)
	}
	return decode(req, res, data, nil)
}

// download opens the file at this path. A missing file is [registry.ErrNotFound].
func (c *client) download(ctx context.Context, at string) (io.ReadCloser, error) {
	var content io.ReadCloser
	err := c.retry(ctx, passingArtifact, func() error {
		req, err := c.request(ctx, http.MethodGet, artifactRoute+"/"+escapePath(at), nil, nil)
		if err != nil {
			return err
		}
		res, err := c.do(req)
		if err != nil {
			return err
		}
		content = res.Body
		return nil
	})
	return content, err
}

// remove deletes the file or the folder at this path. A missing one is no error.
func (c *client) remove(ctx context.Context, at string) error {
	err := c.send(ctx, http.MethodDelete, artifactRoute+"/"+escapePath(at), nil, nil)
	if isMissing(err) {
		return nil
	}
	return err
}

// files lists the files below this path, without hashes: path/x as prefix/x.
func (c *client) files(ctx context.Context, at, prefix string) ([]registry.File, error) {
	var found []registry.File
	for dirs := []string{""}; len(dirs) > 0; {
		dir := dirs[0]
		dirs = dirs[1:]
		if strings.Count(dir, "/") > maxDepth { // a link to a folder above, perhaps
			return nil, fmt.Errorf("mlflowregistry: %q holds folders that are more than %d deep", at, maxDepth)
		}
		var answer struct {
			Files []struct {
				Path  string `json:"path"`
				IsDir bool   `json:"is_dir"`
				Size  int64  `json:"file_size"`
			} `json:"files"`
		}
		err := c.retry(ctx, passingArtifact, func() error {
			return c.call(ctx, http.MethodGet, artifactRoute, url.Values{"path": {path.Join(at, dir)}}, nil, &answer)
		})
		if err != nil {
			return nil, err
		}
		for _, f := range answer.Files {
			name := path.Join(dir, path.Base(f.Path))
			if f.IsDir {
				dirs = append(dirs, name)
			} else {
				found = append(found, registry.File{Name: path.Join(prefix, name), Size: f.Size, Blob: path.Join(at, name)})
			}
		}
		if len(found)+len(dirs) > maxFiles {
			return nil, fmt.Errorf("mlflowregistry: %q holds more than %d files", at, maxFiles)
		}
	}
	return found, nil
}

// escapePath escapes each part of a path for an URL.
func escapePath(s string) string {
	parts := strings.Split(s, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}
