package appendfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/selfheal-ml/selfheal/predictlog/appendfile/osfile"
)

// Replace replaces the file by the output of write, as one step, and ends the Tx. Records
// appended through the Tx are dropped. Every File on the path, including this one, then
// returns [ErrReplaced] and must be opened anew.
//
// If Replace returns an error, the file is unchanged, unless the error is of the last step,
// which makes the new name durable. A process that is killed within Replace leaves the file
// unchanged or replaced, and perhaps a file of the same name with ".new" added, which the
// next Replace overwrites. The new file is synced, whatever [Config.NoSync] says. On an
// operating system that does not replace an open file, such as Windows, Replace is an error.
func (t *Tx) Replace(write func(w io.Writer) error) error {
	if t.done {
		return t.file.wrap("replace", errors.New("the Tx is over"))
	}
	err := t.replace(write)
	if err != nil {
		err = t.file.wrap("replace", err)
	}
	return errors.Join(err, t.Rollback())
}

func (t *Tx) replace(write func(w io.Writer) error) error {
	path, err := filepath.EvalSymlinks(t.file.path)
	if err != nil {
		return err
	}
	info, err := t.file.file.Stat()
	if err != nil {
		return err
	}
	// The lock on the old file keeps others from writing to this name.
	next, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return err
	}
	buffer := bufio.NewWriterSize(next, chunkSize)
	if err = next.Chmod(info.Mode().Perm()); err == nil { // of a file that was left, or less umask
		err = write(buffer)
	}
	if err == nil {
		err = buffer.Flush()
	}
	if err == nil {
		err = next.Sync()
	}
	if err = errors.Join(err, next.Close()); err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	if err := osfile.SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("replaced, but perhaps not after a power failure: %w", err)
	}
	return nil
}
