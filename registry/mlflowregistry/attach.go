package mlflowregistry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
)

// Attach implements [registry.Attacher]. Documents become artifacts of the version's run,
// below the folder "attached", and metrics become metrics of the run. A version that another
// client registered without a run gets a run.
func (r *Registry) Attach(ctx context.Context, a registry.Attachment) (registry.Version, error) {
	if err := a.Validate(); err != nil {
		return registry.Version{}, err
	}
	if r.cfg.ReadOnly {
		return registry.Version{}, ErrReadOnly
	}
	if err := r.admit(ctx, a.Token); err != nil {
		return registry.Version{}, err
	}
	if err := r.acquire(ctx); err != nil {
		return registry.Version{}, err
	}
	err := r.attach(ctx, a)
	r.release()
	if err != nil {
		return registry.Version{}, err
	}
	return registry.Get(ctx, r, a.Version)
}

func (r *Registry) attach(ctx context.Context, a registry.Attachment) error {
	m, v, err := r.known(ctx, a.Version)
	if err != nil {
		return err
	}
	documents, values := maps.Clone(a.Documents), maps.Clone(a.Metrics)
	maps.DeleteFunc(documents, func(name string, _ []byte) bool {
		_, err := v.File(name)
		return err == nil
	})
	maps.DeleteFunc(values, func(name string, _ float64) bool {
		_, ok := v.Metrics[name]
		return ok
	})
	switch {
	case len(documents) == 0 && len(values) == 0:
		return nil
	case !v.Deleted.IsZero():
		return fmt.Errorf("%w: the files of version %q were deleted", registry.ErrIllegal, v.ID)
	}
	owner, err := r.runOf(ctx, m)
	if err != nil {
		return fmt.Errorf("mlflowregistry: attach to version %q: %w", v.ID, err)
	}
	root, ok := artifactPath(owner.Info.ArtifactURI)
	if !ok && len(documents) > 0 {
		return fmt.Errorf("mlflowregistry: attach to version %q: %w", v.ID, errNotServed(owner.Info.ArtifactURI))
	}
	var added attached
	for _, name := range slices.Sorted(maps.Keys(documents)) {
		// The path follows from the content, so that two processes that attach the same
		// name at the same time do not overwrite each other's document.
		at := path.Join(root, "attached", hashed(string(documents[name]))[:12], name)
		f, err := r.client.put(ctx, name, at, bytes.NewReader(documents[name]))
		if err != nil {
			return fmt.Errorf("mlflowregistry: attach document %q to version %q: %w", name, v.ID, err)
		}
		added.Files = append(added.Files, f)
	}
	if err := r.logBatch(ctx, owner.Info.RunID, nil, metrics("", values, v.Created, 0)); err != nil {
		return fmt.Errorf("mlflowregistry: attach to version %q: %w", v.ID, err)
	}
	added.Metrics = values
	value := encode(added)
	if err := r.setVersionTag(ctx, v.ID, tagAttached+hashed(value)[:16], value); err != nil {
		return fmt.Errorf("mlflowregistry: attach to version %q: %w", v.ID, err)
	}
	r.cfg.Logger.InfoContext(ctx, "mlflowregistry: attached", "version", v.ID, "documents", len(documents), "metrics", len(values))
	return nil
}

// known returns a version and its note in the tags, or ErrNotFound. known does not look at
// the stage.
func (r *Registry) known(ctx context.Context, id string) (modelVersion, registry.Version, error) {
	m, ok, err := r.one(ctx, id)
	if err == nil && !ok {
		err = fmt.Errorf("%w: version %q", registry.ErrNotFound, id)
	}
	if err != nil {
		return modelVersion{}, registry.Version{}, err
	}
	v, err := r.version(ctx, &view{}, m, false)
	return m, v, err
}

// Observe implements [registry.Observer]. Measurements become metrics "live/NAME" of the
// version's run. Their step is the number of whole seconds since the registration: the page
// of the run then shows the latest measurements, and a chart of each over time.
func (r *Registry) Observe(ctx context.Context, version string, at time.Time, values map[string]float64) error {
	if err := (registry.Attachment{Version: version, Metrics: values}).Validate(); err != nil {
		return err
	}
	if at.IsZero() {
		return errors.New("mlflowregistry: observe: at is zero")
	}
	if r.cfg.ReadOnly {
		return ErrReadOnly
	}
	m, v, err := r.known(ctx, version)
	if err != nil {
		return err
	}
	id := m.RunID
	if made := m.tag(tagRun); made != "" || id == "" {
		owner, err := r.runOf(ctx, m)
		if err != nil {
			return fmt.Errorf("mlflowregistry: observe version %q: %w", version, err)
		}
		id = owner.Info.RunID
	}
	step := int64(at.Sub(v.Created) / time.Second)
	if err := r.logBatch(ctx, id, nil, metrics("live/", values, at, step)); err != nil {
		return fmt.Errorf("mlflowregistry: observe version %q: %w", version, err)
	}
	return nil
}

// Delete implements [registry.Deleter]. Other clients cannot load the version any more
// either. The run with its metrics, and the version with its tags, stay. A version that
// another client registered is [registry.ErrIllegal]: its files are not ours to delete.
func (r *Registry) Delete(ctx context.Context, d registry.Deletion) error {
	if err := d.Validate(); err != nil {
		return err
	}
	if r.cfg.ReadOnly {
		return ErrReadOnly
	}
	if err := r.admit(ctx, d.Token); err != nil {
		return err
	}
	if err := r.acquire(ctx); err != nil {
		return err
	}
	defer r.release()
	s, err := r.lookLocked(ctx)
	if err != nil {
		return err
	}
	m, v, err := r.known(ctx, d.Version)
	if err != nil {
		return err
	}
	back, err := r.rollback(ctx, s)
	stage := s.stage(v.ID)
	switch {
	case err != nil:
		return err
	case v.Key == "":
		return fmt.Errorf("%w: version %q was registered by another client and its files may not be deleted", registry.ErrIllegal, v.ID)
	case !v.Deleted.IsZero():
	case stage != registry.Archived && stage != registry.Quarantined:
		return fmt.Errorf("%w: version %q is %s and its files may not be deleted", registry.ErrIllegal, v.ID, stage)
	case v.ID == back:
		return fmt.Errorf("%w: version %q is what a rollback would go back to, and its files may not be deleted", registry.ErrIllegal, v.ID)
	default:
		note := deletion{Time: moment(d.Time), Actor: d.Actor, Reason: d.Reason}
		if err := r.setVersionTag(ctx, v.ID, tagDeleted, encode(note)); err != nil {
			return fmt.Errorf("mlflowregistry: delete the files of version %q: %w", v.ID, err)
		}
		r.cfg.Logger.InfoContext(ctx, "mlflowregistry: deleted", "version", v.ID, "actor", d.Actor, "reason", d.Reason)
	}
	root, ok := artifactPath(m.Source)
	root = strings.TrimSuffix(root, "/"+registry.ModelFile)
	if !ok || path.Base(root) != "artifacts" || !strings.Contains(root, m.RunID) {
		return fmt.Errorf("%w: version %q: its source %q is not that of its run", registry.ErrCorrupt, v.ID, m.Source)
	}
	// The manifest stays, as all other knowledge of the version does.
	for _, f := range v.Files {
		if !strings.HasPrefix(f.Blob, root+"/") || path.Clean(f.Blob) != f.Blob {
			return fmt.Errorf("%w: file %q of version %q is stored as %q, outside its run", registry.ErrCorrupt, f.Name, v.ID, f.Blob)
		}
		if err := r.client.remove(ctx, f.Blob); err != nil {
			return fmt.Errorf("mlflowregistry: delete file %q of version %q: %w", f.Name, v.ID, err)
		}
	}
	return nil
}
