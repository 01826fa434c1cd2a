package fileregistry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/selfheal-ml/selfheal/predictlog/appendfile/osfile"
)

// disk makes every change to a folder, so that a test can make any of them the last act of a
// process.
type disk struct {
	// before, if not nil, is called before each change. If before fails, the change is not
	// made.
	before func(operation, path string) error
}

func (d disk) allow(operation, path string) error {
	if d.before == nil {
		return nil
	}
	return d.before(operation, path)
}

// makeDir makes a folder and those above it, and makes their names durable.
func (d disk) makeDir(path string) error {
	info, err := os.Stat(path)
	parent := filepath.Dir(path)
	switch {
	case err == nil && !info.IsDir():
		return fmt.Errorf("%s is not a folder", path)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist) || parent == path:
		return err
	}
	if err := d.makeDir(parent); err != nil {
		return err
	}
	if err := d.allow("mkdir", path); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.syncDir(parent)
}

// write makes a new file, fills it with content until ctx is done, and makes the content
// durable. On failure it leaves no file.
func (d disk) write(ctx context.Context, path string, content io.Reader) error {
	if err := d.allow("create", path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(allowedWriter{ctx, d, f}, content)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = d.allow("sync", path)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, d.remove(path))
	}
	return nil
}

// allowedWriter lives for the length of one call, whose ctx it holds.
type allowedWriter struct {
	ctx  context.Context
	disk disk
	file *os.File
}

func (w allowedWriter) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	if err := w.disk.allow("write", w.file.Name()); err != nil {
		return 0, err
	}
	return w.file.Write(p)
}

// link gives the file at path a second name. A name that is taken is [fs.ErrExist]; of
// several callers with one name, one succeeds.
func (d disk) link(path, name string) error {
	err := d.allow("link", name)
	if err == nil {
		err = os.Link(path, name)
	}
	switch {
	case err == nil || sameFile(path, name):
		// On NFS, a link whose reply was lost is reported as failed but was made.
		return nil
	case errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the folder must be writable and its filesystem must have hard links: %w", err)
	}
	return err
}

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

func (d disk) rename(from, to string) error {
	if err := d.allow("rename", to); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// remove removes a file if it exists.
func (d disk) remove(path string) error {
	if err := d.allow("remove", path); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncDir makes the names in a folder durable.
func (d disk) syncDir(path string) error {
	if err := d.allow("sync", path); err != nil {
		return err
	}
	return osfile.SyncDir(path)
}
