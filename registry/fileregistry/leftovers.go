package fileregistry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
)

// Leftover is a file that no version refers to: written by a process that died, or that
// has not registered its version yet. It takes up space and does no other harm.
type Leftover struct {
	Path     string    // relative to the folder of the registry
	Size     int64     // bytes
	Modified time.Time // when it was last written to, in UTC
}

// Leftovers returns the leftovers, in the order of their paths. Among them is what live
// processes are about to register.
func (r *Registry) Leftovers(ctx context.Context) ([]Leftover, error) {
	// The files are listed before the versions: a file whose version is registered in
	// between is no leftover, and would look like one the other way round.
	var found []Leftover
	for _, dir := range []string{r.objects(), r.temps()} {
		files, err := list(dir)
		if err != nil {
			return nil, fmt.Errorf("fileregistry: leftovers: %w", err)
		}
		found = append(found, files...)
	}
	versions, err := r.versions(ctx, registry.Query{})
	if err != nil {
		return nil, err
	}
	referred := make(map[string]bool)
	for _, v := range versions {
		for _, f := range v.Files {
			referred[filepath.Join(filepath.Base(r.objects()), f.SHA256)] = true
		}
	}
	found = slices.DeleteFunc(found, func(l Leftover) bool { return referred[l.Path] })
	slices.SortFunc(found, func(a, b Leftover) int { return strings.Compare(a.Path, b.Path) })
	return found, nil
}

// list returns the regular files in dir.
func list(dir string) ([]Leftover, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []Leftover
	for _, entry := range entries {
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since it was listed
		}
		if err != nil {
			return nil, err
		}
		if info.Mode().IsRegular() {
			files = append(files, Leftover{
				Path:     filepath.Join(filepath.Base(dir), entry.Name()),
				Size:     info.Size(),
				Modified: info.ModTime().UTC(),
			})
		}
	}
	return files, nil
}

// Clean removes the leftovers that were last written to at least olderThan ago, and
// returns those it removed, also if it then failed. It must be longer than any process
// pauses between two writes of a Register, plus the difference between the clocks of the
// machines: a day is. Zero is right where no process is registering.
func (r *Registry) Clean(ctx context.Context, olderThan time.Duration) (removed []Leftover, err error) {
	if olderThan < 0 {
		return nil, fmt.Errorf("fileregistry: clean: olderThan is %v, want 0 or more", olderThan)
	}
	leftovers, err := r.Leftovers(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range leftovers {
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		path := filepath.Join(r.dir, l.Path)
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return removed, fmt.Errorf("fileregistry: clean: %w", err)
		}
		// Asked again, because a process may just have replaced it to refer to it.
		if time.Since(info.ModTime()) < olderThan {
			continue
		}
		if err := r.disk.remove(path); err != nil {
			return removed, fmt.Errorf("fileregistry: clean: %w", err)
		}
		removed = append(removed, l)
	}
	return removed, nil
}
