package appendfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/selfheal-ml/selfheal/predictlog/appendfile/osfile"
)

// Torn describes the part of a record that a killed process left at the end of a file.
type Torn struct {
	Path     string // the file it was found in
	Offset   int64  // where it began
	Size     int64  // its length in bytes
	SetAside string // the file that now holds it
}

// setAside moves the torn record between f.seen and size to a file of its own. The copy is
// durable before the original is cut off, so a crash in between leaves two copies.
func (f *File) setAside(size int64) error {
	torn := Torn{Path: f.path, Offset: f.seen, Size: size - f.seen}
	aside, err := createAside(fmt.Sprintf("%s.torn-%d", f.path, torn.Offset))
	if err != nil {
		return fmt.Errorf("appendfile: set torn record aside: %w", err)
	}
	torn.SetAside = aside.Name()
	_, err = io.Copy(aside, io.NewSectionReader(f.file, torn.Offset, torn.Size))
	if err == nil {
		err = aside.Sync()
	}
	if err = errors.Join(err, aside.Close()); err == nil {
		err = osfile.SyncDir(filepath.Dir(f.path))
	}
	if err == nil {
		err = f.file.Truncate(torn.Offset)
	}
	if err == nil {
		err = f.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("appendfile: set torn record of %s aside: %w", f.path, err)
	}
	if f.cfg.Logger != nil {
		f.cfg.Logger.Warn("appendfile: torn record set aside",
			"path", torn.Path, "offset", torn.Offset, "size", torn.Size, "set_aside", torn.SetAside)
	}
	if f.cfg.OnTorn != nil {
		f.cfg.OnTorn(torn)
	}
	return nil
}

// createAside creates a new file at path, or at path-1, path-2 and so on.
func createAside(path string) (*os.File, error) {
	name := path
	for n := 1; ; n++ {
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if !errors.Is(err, fs.ErrExist) {
			return file, err
		}
		name = fmt.Sprintf("%s-%d", path, n)
	}
}
