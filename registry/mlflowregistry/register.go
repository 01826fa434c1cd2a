package mlflowregistry

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/selfheal-ml/selfheal/registry"
)

// Register implements [registry.Registry]. Register makes a run, with the draft's tags as
// parameters and its metrics, stores the files as artifacts of that run, in constant memory,
// and then makes the version. After a failure the stored files stay in a run that is marked
// as failed.
//
// An artifact of more than 1 MiB that is no [io.Seeker] is sent once: if the server then
// fails for a moment, so does Register.
func (r *Registry) Register(ctx context.Context, draft registry.Draft, artifact io.Reader) (registry.Version, error) {
	err := draft.Validate()
	switch {
	case err != nil:
		return registry.Version{}, err
	case artifact == nil && draft.Folder == nil:
		return registry.Version{}, errors.New("mlflowregistry: register: neither an artifact nor a Folder")
	case artifact != nil && draft.Folder != nil:
		return registry.Version{}, errors.New("mlflowregistry: register: both an artifact and a Folder")
	case r.cfg.ReadOnly:
		return registry.Version{}, ErrReadOnly
	}
	if err := r.admit(ctx, draft.Token); err != nil {
		return registry.Version{}, err
	}
	existing, err := registry.Find(ctx, r, draft.Key)
	if !errors.Is(err, registry.ErrNotFound) {
		return existing, err
	}
	created := moment(draft.Time)
	owner, err := r.newRun(ctx, draft.Key, created, []tag{{tagKey, cut(draft.Key)}})
	if err != nil {
		return registry.Version{}, fmt.Errorf("mlflowregistry: register: %w", err)
	}
	value, err := r.fill(ctx, draft, artifact, created, owner)
	if err != nil {
		r.abandon(ctx, owner.Info.RunID, created)
		return registry.Version{}, fmt.Errorf("mlflowregistry: register: %w", err)
	}
	id, err := r.create(ctx, draft, owner, value)
	if err != nil {
		return registry.Version{}, fmt.Errorf("mlflowregistry: register: %w", err)
	}
	v, err := registry.Get(ctx, r, id)
	if err != nil {
		return registry.Version{}, err
	}
	r.cfg.Logger.InfoContext(ctx, "mlflowregistry: registered", "version", id, "key", draft.Key, "run", owner.Info.RunID)
	return v, nil
}

// fill stores all of a version in its run, and returns the record as a tag's value.
func (r *Registry) fill(ctx context.Context, d registry.Draft, artifact io.Reader, created time.Time, owner run) (string, error) {
	root, ok := artifactPath(owner.Info.ArtifactURI)
	if !ok {
		return "", errNotServed(owner.Info.ArtifactURI)
	}
	files, err := r.store(ctx, root, d, artifact)
	if err != nil {
		return "", err
	}
	rec := record{Key: d.Key, Created: created, Files: files, Tags: maps.Clone(d.Tags), Metrics: maps.Clone(d.Metrics)}
	value, err := r.seal(ctx, root, rec)
	if err != nil {
		return "", err
	}
	err = r.logBatch(ctx, owner.Info.RunID, params(d.Tags), metrics("", d.Metrics, created, 0))
	if err == nil {
		err = r.endRun(ctx, owner.Info.RunID, "FINISHED", created)
	}
	return value, err
}

// create makes a version from a filled run. It returns the ID of the version with the draft's
// key, which another process may have registered first.
func (r *Registry) create(ctx context.Context, d registry.Draft, owner run, value string) (string, error) {
	runID := owner.Info.RunID
	source := owner.Info.ArtifactURI
	if d.Folder != nil {
		source += "/" + registry.ModelFile
	}
	tags := []tag{{tagKey, cut(d.Key)}, {tagKeyHash, hashed(d.Key)}, {tagRecord, value}}
	for _, name := range slices.Sorted(maps.Keys(d.Tags)) {
		if display(name) == name && !strings.HasPrefix(name, tagPrefix) && len(d.Tags[name]) <= maxInline {
			tags = append(tags, tag{name, d.Tags[name]})
		}
	}
	var mine string
	err := r.client.once(ctx, func() error {
		var answer struct {
			Version modelVersion `json:"model_version"`
		}
		err := r.client.call(ctx, http.MethodPost, "mlflow/model-versions/create", nil,
			map[string]any{"name": r.cfg.Model, "source": source, "run_id": runID, "tags": tags}, &answer)
		mine = answer.Version.Version
		return err
	}, func() (bool, error) {
		m, ok, err := r.keyed(ctx, d.Key)
		if ok && m.RunID == runID {
			mine = m.Version
		}
		return ok, err
	})
	if err != nil {
		return "", err
	}
	// Numbers grow in the order of commits. If there is no older version with the key, this
	// call made the version, and every other call finds this version.
	oldest, ok, err := r.keyed(ctx, d.Key)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", fmt.Errorf("version %q was deleted by another client", mine)
	}
	if oldest.RunID != runID {
		if err := r.withdraw(ctx, mine, runID); err != nil {
			return "", err
		}
		return oldest.Version, nil
	}
	if err := r.setAlias(ctx, r.cfg.Challenger, oldest.Version); err != nil {
		r.untidy(ctx, "set the alias of the challenger", err)
	}
	return oldest.Version, nil
}

// withdraw deletes a version, if it exists, and its run, because another process registered
// the same key first.
func (r *Registry) withdraw(ctx context.Context, id, runID string) error {
	if id != "" {
		err := r.client.send(ctx, http.MethodDelete, "mlflow/model-versions/delete", map[string]string{"name": r.cfg.Model, "version": id}, nil)
		if err != nil && !isMissing(err) {
			return err
		}
	}
	err := r.client.send(ctx, http.MethodPost, "mlflow/runs/delete", map[string]string{"run_id": runID}, nil)
	if err != nil && !isMissing(err) {
		r.untidy(ctx, "delete the run", err)
	}
	return nil
}

// cleanup is how long a failed call may take to mark its remains.
const cleanup = 5 * time.Second

// abandon marks a run as failed, even if ctx is done.
func (r *Registry) abandon(ctx context.Context, runID string, end time.Time) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
	defer cancel()
	if err := r.endRun(ctx, runID, "FAILED", end); err != nil {
		r.untidy(ctx, "mark the run as failed", err)
	}
}

// untidy logs a failure that only people notice and on which nothing depends.
func (r *Registry) untidy(ctx context.Context, what string, err error) {
	r.cfg.Logger.WarnContext(ctx, "mlflowregistry: could not "+what, "err", err)
}

// store puts the artifact and the documents below root.
func (r *Registry) store(ctx context.Context, root string, d registry.Draft, artifact io.Reader) ([]registry.File, error) {
	var files []registry.File
	put := func(name string, content io.Reader) error {
		at := path.Join(root, name)
		if !isPlain(name) { // MLflow cannot store it under this name
			at = path.Join(root, fmt.Sprintf(".selfheal/file-%d", len(files)))
		}
		f, err := r.client.put(ctx, name, at, content)
		if err != nil {
			return fmt.Errorf("store file %q: %w", name, err)
		}
		files = append(files, f)
		return nil
	}
	if d.Folder == nil {
		if err := put(registry.ModelFile, artifact); err != nil {
			return nil, err
		}
	} else {
		err := fs.WalkDir(d.Folder, ".", func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil || entry.IsDir():
				return err
			case !entry.Type().IsRegular():
				return fmt.Errorf("file %q of the Folder is not a regular file", name)
			case !isPath(name):
				return fmt.Errorf("file %q of the Folder: want a path of at most %d printable characters without '\\'", name, maxPath)
			case len(files) == maxFiles:
				return fmt.Errorf("the Folder has more than %d files", maxFiles)
			}
			f, err := d.Folder.Open(name)
			if err != nil {
				return err
			}
			return errors.Join(put(registry.ModelFile+"/"+name, f), f.Close())
		})
		if err == nil && len(files) == 0 {
			err = errors.New("the Folder has no files")
		}
		if err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Documents)) {
		if err := put(name, bytes.NewReader(d.Documents[name])); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// maxPath is the largest number of bytes of the path of a file in a folder.
const maxPath = 1000

// isPath reports whether s can be the path of a file in a folder, on any system.
func isPath(s string) bool {
	for _, c := range s {
		if !unicode.IsPrint(c) || c == '\\' || c == utf8.RuneError {
			return false
		}
	}
	return fs.ValidPath(s) && s != "." && len(s) <= maxPath
}

// admit returns ErrFenced if the token is older than one already seen, and stores a newer
// one.
func (r *Registry) admit(ctx context.Context, token uint64) error {
	if token == 0 {
		return ctx.Err()
	}
	s, err := r.look(ctx)
	if err != nil {
		return err
	}
	return r.raise(ctx, s, token)
}

// raise stores the token if it is newer than all that were seen.
func (r *Registry) raise(ctx context.Context, s *view, token uint64) error {
	if err := s.admit(token); err != nil || token <= s.token {
		return err
	}
	// Each token has a tag of its own: without compare-and-set, a lower token that is written
	// later must not undo a higher one.
	if err := r.setModelTag(ctx, fenceKey(token), time.Now().UTC().Format(time.RFC3339)); err != nil {
		return err
	}
	for _, t := range s.aliases.Tags {
		if strings.HasPrefix(t.Key, tagFence) && t.Key < fenceKey(token) {
			if err := r.deleteModelTag(ctx, t.Key); err != nil {
				r.untidy(ctx, "delete an old token", err)
			}
		}
	}
	s.token = token
	return nil
}

// Fence implements [registry.Fencer].
func (r *Registry) Fence(ctx context.Context, token uint64) error {
	if r.cfg.ReadOnly {
		return ErrReadOnly
	}
	return r.admit(ctx, token)
}

// moment returns t, or the present for zero, as it will come back from JSON.
func moment(t time.Time) time.Time {
	if t.IsZero() {
		t = time.Now()
	}
	return t.UTC().Round(0)
}

// cut returns s short enough for any tag.
func cut(s string) string {
	if len(s) <= maxInline {
		return s
	}
	return strings.ToValidUTF8(s[:maxInline], "")
}

// display returns a name in the form that MLflow accepts for parameters, metrics and tags:
// refused characters become '_', and a long name is cut off.
func display(name string) string {
	name = strings.Map(func(c rune) rune {
		if unicode.IsLetter(c) || unicode.IsDigit(c) || strings.ContainsRune("_-. :/", c) {
			return c
		}
		return '_'
	}, name)
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "")
	}
	// A name is a path to MLflow and must not lead out of its folder.
	if cleaned := path.Clean(name); cleaned != name || path.IsAbs(name) || strings.HasPrefix(name, "..") || name == "." {
		name = strings.NewReplacer("/", "_", "..", "__").Replace(name)
		name = cmp.Or(strings.Trim(name, "."), "_")
	}
	return name
}

// params returns tags as parameters. The first of two with the same name is kept.
func params(tags map[string]string) []tag {
	var all []tag
	taken := make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		shown, value := display(name), tags[name]
		if taken[shown] {
			continue
		}
		taken[shown] = true
		if len(value) > maxParam {
			value = strings.ToValidUTF8(value[:maxParam], "")
		}
		all = append(all, tag{shown, value})
	}
	return all
}

// metrics returns measurements at a time. The first of two with the same name is kept.
func metrics(prefix string, values map[string]float64, at time.Time, step int64) []metric {
	var all []metric
	taken := make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		shown := display(prefix + name)
		if taken[shown] {
			continue
		}
		taken[shown] = true
		all = append(all, metric{shown, number(values[name]), at.UnixMilli(), step})
	}
	return all
}

func isFinite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
