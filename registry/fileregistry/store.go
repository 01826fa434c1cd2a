package fileregistry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/selfheal-ml/selfheal/registry"
)

// store makes objects of the artifact and the documents, durably.
func (r *Registry) store(ctx context.Context, documents map[string][]byte, artifact io.Reader) ([]registry.File, error) {
	var files []registry.File
	var temps []string // the temporary file of each of files, until it is renamed
	defer func() {
		for _, temp := range temps {
			_ = r.disk.remove(temp) // what stays is found by Leftovers
		}
	}()
	write := func(name string, content io.Reader) error {
		var f registry.File
		temp, err := r.disk.writeTemp(r.temps(), func(w io.Writer) (err error) {
			f, err = registry.Copy(ctx, w, name, content)
			return err
		})
		if err != nil {
			return fmt.Errorf("store file %q: %w", name, err)
		}
		files = append(files, f)
		temps = append(temps, temp)
		return nil
	}
	if err := write(registry.ModelFile, artifact); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(documents)) {
		if err := write(name, bytes.NewReader(documents[name])); err != nil {
			return nil, err
		}
	}
	for _, f := range files {
		// An object that exists has the same content, or is damaged and hereby repaired.
		// To replace it also makes it young, which keeps Clean from removing it.
		if err := r.disk.rename(temps[0], r.object(f.SHA256)); err != nil {
			return nil, err
		}
		temps = temps[1:]
	}
	return files, r.disk.syncDir(r.objects())
}
