package mlflowregistry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
)

// Adopt fixes a version that another client registered: it reads all files of the version,
// and keeps their SHA-256, the tags of the version and the metrics of its run. From then on
// the version is as fixed as one that was registered here, and a change to its files is
// [registry.ErrCorrupt]. Earlier changes cannot be known. A version that was registered or
// adopted here is returned unchanged.
//
// Transition adopts a version that it promotes.
func (r *Registry) Adopt(ctx context.Context, id string) (registry.Version, error) {
	if r.cfg.ReadOnly {
		return registry.Version{}, ErrReadOnly
	}
	m, ok, err := r.one(ctx, id)
	if err == nil && !ok {
		err = fmt.Errorf("%w: version %q", registry.ErrNotFound, id)
	}
	if err == nil {
		err = r.adopt(ctx, m)
	}
	if err != nil {
		return registry.Version{}, err
	}
	return registry.Get(ctx, r, id)
}

func (r *Registry) adopt(ctx context.Context, m modelVersion) error {
	if m.tag(tagRecord) != "" {
		return nil
	}
	root, ok, err := r.root(ctx, m)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("mlflowregistry: adopt version %q: its artifacts, at %q, are not served by this server", m.Version, m.Source)
	}
	files, err := r.client.files(ctx, root, registry.ModelFile)
	if err == nil && len(files) == 0 {
		err = errors.New("it has no files")
	}
	if err != nil {
		return fmt.Errorf("mlflowregistry: adopt version %q: %w", m.Version, err)
	}
	for i, f := range files {
		if files[i], err = r.client.weigh(ctx, f); err != nil {
			return fmt.Errorf("mlflowregistry: adopt version %q: file %q: %w", m.Version, f.Name, err)
		}
	}
	rec, err := r.version(ctx, &view{}, m, false)
	if err != nil {
		return err
	}
	owner, err := r.runOf(ctx, m)
	if err != nil {
		return err
	}
	metrics := make(map[string]float64)
	for _, x := range owner.Data.Metrics {
		if isFinite(float64(x.Value)) {
			metrics[x.Key] = float64(x.Value)
		}
	}
	at, ok := artifactPath(owner.Info.ArtifactURI)
	if !ok {
		return fmt.Errorf("mlflowregistry: adopt version %q: %w", m.Version, errNotServed(owner.Info.ArtifactURI))
	}
	// The run may hold other versions, so the record has a name of its own.
	value, err := r.seal(ctx, path.Join(at, ".selfheal", "version-"+m.Version), record{Created: rec.Created, Files: files, Tags: rec.Tags, Metrics: metrics})
	if err != nil {
		return err
	}
	if err := r.setVersionTag(ctx, m.Version, tagRecord, value); err != nil {
		return err
	}
	r.cfg.Logger.InfoContext(ctx, "mlflowregistry: adopted", "version", m.Version, "files", len(files))
	return nil
}

// weigh returns a file with its present size and hash.
func (c *client) weigh(ctx context.Context, f registry.File) (registry.File, error) {
	content, err := c.download(ctx, f.Blob)
	if err != nil {
		return registry.File{}, err
	}
	s := newStream(ctx, content)
	_, err = io.Copy(io.Discard, s)
	if err = errors.Join(err, content.Close()); err != nil {
		return registry.File{}, err
	}
	return describe(s, f.Name, f.Blob), nil
}

// runOf returns the run of a version, and makes one for a version that has none.
func (r *Registry) runOf(ctx context.Context, m modelVersion) (run, error) {
	id := m.RunID
	if made := m.tag(tagRun); made != "" {
		id = made
	}
	if id != "" {
		owner, err := r.run(ctx, id)
		if !isMissing(err) {
			return owner, err
		}
	}
	owner, err := r.newRun(ctx, r.cfg.Model+" version "+m.Version, time.UnixMilli(m.Created), nil)
	if err != nil {
		return run{}, err
	}
	if err := r.endRun(ctx, owner.Info.RunID, "FINISHED", time.UnixMilli(m.Created)); err != nil {
		return run{}, err
	}
	return owner, r.setVersionTag(ctx, m.Version, tagRun, owner.Info.RunID)
}

// foreignFiles lists the files of a version that another client registered, as a folder.
// A version whose artifacts this server does not serve has none.
func (r *Registry) foreignFiles(ctx context.Context, m modelVersion) ([]registry.File, error) {
	root, ok, err := r.root(ctx, m)
	if err != nil || !ok {
		return nil, err
	}
	files, err := r.client.files(ctx, root, registry.ModelFile)
	var refused *Error
	if errors.As(err, &refused) && !passing(err) {
		r.cfg.Logger.DebugContext(ctx, "mlflowregistry: the files of a version cannot be listed", "version", m.Version, "err", err)
		return nil, nil
	}
	return files, err
}

// root returns the path at the proxy of a version's folder, and whether this server serves
// the folder. The source of a version may be an entity that has moved its artifacts
// elsewhere, so the server is asked.
func (r *Registry) root(ctx context.Context, m modelVersion) (string, bool, error) {
	var answer struct {
		URI string `json:"artifact_uri"`
	}
	err := r.client.get(ctx, "mlflow/model-versions/get-download-uri", map[string][]string{"name": {r.cfg.Model}, "version": {m.Version}}, &answer)
	var refused *Error
	if errors.As(err, &refused) && !passing(err) {
		return "", false, nil
	}
	root, ok := artifactPath(answer.URI)
	return root, ok, err
}
