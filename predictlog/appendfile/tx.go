package appendfile

import (
	"context"
	"errors"
	"fmt"
)

// Tx is an Update in steps, for a caller that must change several files together. It
// holds the file's lock until [Tx.Commit] or [Tx.Rollback], one of which must be called.
// A Tx is for one goroutine.
type Tx struct {
	file     *File
	size     int64 // the committed bytes when the Tx began
	appended int64
	done     bool
}

// Begin locks the file as [File.Update] does, hands observe the records that it has not got,
// sets a torn record aside, and leaves the rest to the Tx. Records appended through the Tx
// are not handed to observe: the caller knows them.
func (f *File) Begin(ctx context.Context, observe func(p []byte, offset int64) error) (tx *Tx, err error) {
	if err := f.lock(ctx, exclusive); err != nil {
		return nil, err
	}
	defer func() {
		if tx == nil { // an error, or a panic of observe, which must not leave the lock
			err = f.unlock(err)
		}
	}()
	size, err := f.catchUp(ctx, observe)
	if err != nil {
		return nil, err
	}
	if size > f.seen {
		if err := f.setAside(size); err != nil {
			return nil, err
		}
	}
	return &Tx{file: f, size: f.seen}, nil
}

// Size returns the number of committed bytes when the Tx began, which is the offset of
// the first byte it appends.
func (t *Tx) Size() int64 { return t.size }

// ReadAt reads from the file, as [io.ReaderAt] says.
func (t *Tx) ReadAt(p []byte, offset int64) (int, error) {
	return t.file.file.ReadAt(p, offset)
}

// Append writes whole records to the end of the file and syncs it unless [Config.NoSync] is
// set. If Append fails, nothing of p remains. Until the Tx is over no reader of this package
// sees p, but a process that is killed before leaves p behind.
func (t *Tx) Append(p []byte) error {
	if err := checkWhole(p, t.file.cfg); err != nil {
		return t.file.wrap("append", err)
	}
	_, err := t.file.file.WriteAt(p, t.size+t.appended)
	if err == nil && !t.file.cfg.NoSync {
		err = t.file.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("appendfile: append: %w", errors.Join(err, t.cut(t.size+t.appended)))
	}
	t.appended += int64(len(p))
	return nil
}

// Commit keeps the appended records and releases the lock.
func (t *Tx) Commit() error {
	if t.done {
		return t.file.wrap("commit", errors.New("the Tx is over"))
	}
	t.done = true
	t.file.seen = t.size + t.appended
	return t.file.unlock(nil)
}

// Rollback removes the appended records and releases the lock. After Commit it does nothing,
// so that it can be deferred.
func (t *Tx) Rollback() error {
	if t.done {
		return nil
	}
	t.done = true
	var err error
	if t.appended > 0 {
		err = t.cut(t.size)
	}
	if err != nil {
		err = fmt.Errorf("appendfile: roll back: %w", err)
	}
	return t.file.unlock(err)
}

// cut shortens the file to size.
func (t *Tx) cut(size int64) error {
	if err := t.file.file.Truncate(size); err != nil {
		return err
	}
	if t.file.cfg.NoSync {
		return nil
	}
	return t.file.file.Sync()
}
