package mlflowregistry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
)

var (
	// ErrUnverified means that nothing vouches for the content of a file, because another
	// client registered the version: see [Registry.Adopt].
	ErrUnverified = errors.New("mlflowregistry: file of a version that another client registered and nobody adopted")
	// ErrReadOnly means that Config.ReadOnly forbids what was asked for.
	ErrReadOnly = errors.New("mlflowregistry: read only")
)

// ForeignActor is the Actor of events that another client caused.
const ForeignActor = "mlflow"

// Registry is a [registry.Registry] whose versions are those of a registered model of an
// MLflow server. It implements [registry.Attacher], [registry.Deleter], [registry.Fencer]
// and [registry.Observer] too. What it promises with and without a lease is said in the
// documentation of the package.
//
// All methods are safe for concurrent use by goroutines. It has no goroutine of its own
// and needs no closing.
type Registry struct {
	cfg    Config
	client *client
	busy   chan struct{} // holds an element while a call decides or changes; guards seen
	seen   note          // the change by another client that was reported last

	mu           sync.Mutex
	experimentID string            // guarded by mu; "" before it is known
	records      map[string]record // by the SHA-256 of their manifest; guarded by mu
}

var (
	_ registry.Registry = (*Registry)(nil)
	_ registry.Attacher = (*Registry)(nil)
	_ registry.Deleter  = (*Registry)(nil)
	_ registry.Fencer   = (*Registry)(nil)
	_ registry.Observer = (*Registry)(nil)
)

// Open returns a Registry for the model, which it creates if it does not exist and the
// Config is not ReadOnly. It fails if the server cannot be reached, refuses the login, or
// has no such model and may not get it.
func Open(ctx context.Context, cfg Config) (*Registry, error) {
	cfg = cfg.withDefaults(os.Getenv)
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	r := &Registry{cfg: cfg, client: c, busy: make(chan struct{}, 1), records: make(map[string]record)}
	_, err = r.model(ctx)
	if isMissing(err) && !cfg.ReadOnly {
		err = c.send(ctx, http.MethodPost, "mlflow/registered-models/create", map[string]string{"name": cfg.Model}, nil)
		if hasCode(err, codeExists) { // another process was faster, or the answer was lost
			err = nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("mlflowregistry: open model %q: %w", cfg.Model, err)
	}
	return r, nil
}

func (r *Registry) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case r.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Registry) release() { <-r.busy }

// Versions implements [registry.Registry]. To ask what is in production takes one request,
// to ask for an ID or a key two, whatever the number of versions; anything else reads all.
//
// Versions that another client registered have an empty Key, are in staging unless they
// were moved, and have the tags that the client gave them. Their files are listed, as a
// folder and without SHA-256, where the query names an ID or what is in production, and not
// where it yields all.
func (r *Registry) Versions(ctx context.Context, q registry.Query) iter.Seq2[registry.Version, error] {
	return func(yield func(registry.Version, error) bool) {
		versions, err := r.query(ctx, q)
		if err != nil {
			yield(registry.Version{}, err)
			return
		}
		for _, v := range versions {
			if q.Matches(v) && !yield(v, nil) {
				return
			}
		}
	}
}

// query returns the versions that q may match.
func (r *Registry) query(ctx context.Context, q registry.Query) ([]registry.Version, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if q.ID == "" && q.Key == "" && q.Stage == registry.Production {
		if v, ok, err := r.fast(ctx); err != nil || ok {
			return []registry.Version{v}, err
		}
	}
	s, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case q.ID != "":
		return r.pick(ctx, s, q.ID)
	case q.Key != "":
		m, ok, err := r.keyed(ctx, q.Key)
		if err != nil || !ok {
			return nil, err
		}
		v, err := r.version(ctx, s, m, true)
		return []registry.Version{v}, err
	case q.Stage == registry.Production:
		return r.pick(ctx, s, s.production)
	}
	found, err := r.search(ctx, "")
	if err != nil {
		return nil, err
	}
	// Of two versions with a key, which two processes registered at the same time, the
	// older one is it; the other one is about to be deleted by its maker.
	oldest := make(map[string]string)
	for _, m := range found {
		oldest[m.tag(tagKeyHash)] = m.Version
	}
	var versions []registry.Version
	for _, m := range found {
		if key := m.tag(tagKeyHash); key != "" && oldest[key] != m.Version {
			continue
		}
		v, err := r.version(ctx, s, m, false)
		if err != nil {
			return nil, err
		}
		versions = append(versions, v)
	}
	return versions, nil
}

// pick returns the version with this ID, if there is one.
func (r *Registry) pick(ctx context.Context, s *view, id string) ([]registry.Version, error) {
	m, ok, err := r.one(ctx, id)
	if err != nil || !ok {
		return nil, err
	}
	v, err := r.version(ctx, s, m, true)
	return []registry.Version{v}, err
}

// fast returns the version in production if one request tells. It does if the version
// that has the alias says by itself that we put it there: it is told otherwise before
// another version gets the alias from us, or before we write down that another client gave
// it to one.
func (r *Registry) fast(ctx context.Context) (registry.Version, bool, error) {
	m, ok, err := r.aliased(ctx, r.cfg.Champion)
	if err != nil || !ok || m.tag(tagStage) != string(registry.Production) {
		return registry.Version{}, false, err
	}
	var e registry.Event
	err = json.Unmarshal([]byte(m.tag(tagTransition)), &e)
	if err != nil || e.To != registry.Production || e.Version != m.Version {
		return registry.Version{}, false, nil // the whole look says more
	}
	at := e.Time.UTC()
	s := &view{places: map[string]place{m.Version: {stage: registry.Production, since: at, promoted: at}}}
	v, err := r.version(ctx, s, m, true)
	return v, err == nil, err
}

// keyed returns the version that was registered with this key, and whether there is one.
func (r *Registry) keyed(ctx context.Context, key string) (modelVersion, bool, error) {
	found, err := r.search(ctx, "tags.`"+tagKeyHash+"`='"+hashed(key)+"'")
	if err != nil || len(found) == 0 {
		return modelVersion{}, false, err
	}
	return found[len(found)-1], true, nil
}

func hashed(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// Open implements [registry.Registry]. A file of a version that another client registered
// and nobody adopted is [ErrUnverified], unless Config.TrustForeign allows it.
func (r *Registry) Open(ctx context.Context, id, file string) (io.ReadCloser, error) {
	f, err := r.file(ctx, id, file)
	if err != nil {
		return nil, err
	}
	if f.SHA256 == "" && !r.cfg.TrustForeign {
		return nil, fmt.Errorf("%w: file %q of version %q", ErrUnverified, file, id)
	}
	content, err := r.client.download(ctx, f.Blob)
	if isMissing(err) {
		if _, err := r.file(ctx, id, file); err != nil {
			return nil, err // deleted meanwhile
		}
		return nil, fmt.Errorf("%w: file %q of version %q, stored as artifact %q, is missing", registry.ErrCorrupt, file, id, f.Blob)
	}
	if err != nil {
		return nil, fmt.Errorf("mlflowregistry: open file %q of version %q: %w", file, id, err)
	}
	if f.SHA256 == "" {
		return content, nil
	}
	return registry.Verify(f, content), nil
}

func (r *Registry) file(ctx context.Context, id, file string) (registry.File, error) {
	v, err := registry.Get(ctx, r, id)
	if err != nil {
		return registry.File{}, err
	}
	if !v.Deleted.IsZero() {
		return registry.File{}, fmt.Errorf("%w: file %q of version %q: its files were deleted", registry.ErrNotFound, file, id)
	}
	return v.File(file)
}

// History implements [registry.Registry]. A change that another client made to what is in
// production is an event like any other, with the Actor [ForeignActor] and the time at
// which it was found.
func (r *Registry) History(ctx context.Context, after uint64) iter.Seq2[registry.Event, error] {
	return func(yield func(registry.Event, error) bool) {
		s, err := r.look(ctx)
		if err != nil {
			yield(registry.Event{}, err)
			return
		}
		for _, n := range s.notes {
			if n.Seq > after && !yield(n.Event, nil) {
				return
			}
		}
	}
}

// record is what a version was registered with, as it is kept in a tag of the version. If
// it is long, it is kept in an artifact, and the tag says which.
type record struct {
	Key      string             `json:"key"`
	Created  time.Time          `json:"created"`
	Files    []registry.File    `json:"files,omitempty"` // Blob is the path at the proxy
	Tags     map[string]string  `json:"tags,omitempty"`
	Metrics  map[string]float64 `json:"metrics,omitempty"`
	Manifest *registry.File     `json:"manifest,omitempty"`
}

const (
	// maxInline is how long a tag gets: servers before 3 accept 5000 characters.
	maxInline = 4500
	// manifestFile is where the record is beside the files of a version. No document and no
	// path of a folder is there.
	manifestFile = ".selfheal/manifest.json"
	// maxRecords is how many long records are remembered.
	maxRecords = 1000
)

// seal stores a record below root and returns the value of its tag.
func (r *Registry) seal(ctx context.Context, root string, rec record) (string, error) {
	slices.SortFunc(rec.Files, func(a, b registry.File) int { return strings.Compare(a.Name, b.Name) })
	whole := encode(rec)
	f, err := r.client.put(ctx, manifestFile, path.Join(root, manifestFile), strings.NewReader(whole))
	if err != nil || len(whole) <= maxInline {
		return whole, err
	}
	return encode(record{Key: rec.Key, Created: rec.Created, Manifest: &f}), nil
}

// unseal returns the record that a tag holds or points to.
func (r *Registry) unseal(ctx context.Context, id, value string) (record, error) {
	corrupt := func(err error) error {
		return fmt.Errorf("%w: record of version %q: %v", registry.ErrCorrupt, id, err)
	}
	var rec record
	if err := json.Unmarshal([]byte(value), &rec); err != nil {
		return record{}, corrupt(err)
	}
	if rec.Manifest == nil {
		return rec, nil
	}
	sum := rec.Manifest.SHA256
	r.mu.Lock()
	known, ok := r.records[sum]
	r.mu.Unlock()
	if ok {
		return known, nil
	}
	content, err := r.client.download(ctx, rec.Manifest.Blob)
	if isMissing(err) {
		return record{}, corrupt(err)
	}
	if err != nil {
		return record{}, err
	}
	data, err := io.ReadAll(registry.Verify(*rec.Manifest, content))
	if err = errors.Join(err, content.Close()); err != nil {
		return record{}, fmt.Errorf("mlflowregistry: record of version %q: %w", id, err)
	}
	rec = record{}
	if err := json.Unmarshal(data, &rec); err != nil {
		return record{}, corrupt(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.records) >= maxRecords {
		clear(r.records)
	}
	r.records[sum] = rec
	return rec, nil
}

// attached is what one Attach added to a version.
type attached struct {
	Files   []registry.File    `json:"files,omitempty"`
	Metrics map[string]float64 `json:"metrics,omitempty"`
}

// deletion is who deleted the files of a version.
type deletion struct {
	Time   time.Time `json:"time"`
	Actor  string    `json:"actor,omitempty"`
	Reason string    `json:"reason,omitempty"`
}

// version returns a version as it is in this view. Only if it is asked for details does it
// list the files of one that another client registered.
func (r *Registry) version(ctx context.Context, s *view, m modelVersion, details bool) (registry.Version, error) {
	v := registry.Version{ID: m.Version, Created: time.UnixMilli(m.Created).UTC()}
	value := m.tag(tagRecord)
	if value != "" {
		rec, err := r.unseal(ctx, m.Version, value)
		if err != nil {
			return registry.Version{}, err
		}
		v.Key, v.Created = rec.Key, rec.Created.UTC()
		v.Files, v.Tags, v.Metrics = slices.Clone(rec.Files), maps.Clone(rec.Tags), maps.Clone(rec.Metrics)
	} else {
		for _, t := range m.Tags {
			if strings.HasPrefix(t.Key, tagPrefix) {
				continue
			}
			if v.Tags == nil {
				v.Tags = make(map[string]string)
			}
			v.Tags[t.Key] = t.Value
		}
		if details {
			files, err := r.foreignFiles(ctx, m)
			if err != nil {
				return registry.Version{}, err
			}
			v.Files = files
		}
	}
	for _, t := range m.Tags {
		switch {
		case strings.HasPrefix(t.Key, tagAttached):
			var a attached
			if err := json.Unmarshal([]byte(t.Value), &a); err != nil {
				return registry.Version{}, fmt.Errorf("%w: tag %q of version %q: %v", registry.ErrCorrupt, t.Key, m.Version, err)
			}
			for _, f := range a.Files {
				if _, err := v.File(f.Name); err != nil {
					v.Files = append(v.Files, f)
				}
			}
			for name, value := range a.Metrics {
				if v.Metrics == nil {
					v.Metrics = make(map[string]float64)
				}
				if _, ok := v.Metrics[name]; !ok {
					v.Metrics[name] = value
				}
			}
		case t.Key == tagDeleted:
			var d deletion
			if err := json.Unmarshal([]byte(t.Value), &d); err != nil {
				return registry.Version{}, fmt.Errorf("%w: tag %q of version %q: %v", registry.ErrCorrupt, t.Key, m.Version, err)
			}
			v.Deleted = d.Time.UTC()
		}
	}
	slices.SortFunc(v.Files, func(a, b registry.File) int { return strings.Compare(a.Name, b.Name) })
	v.Stage, v.Since = registry.Staging, v.Created
	if p, ok := s.places[v.ID]; ok {
		v.Stage, v.Since, v.Promoted = p.stage, p.since, p.promoted
	}
	return v, nil
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

// root returns the path at the proxy of the folder that a version is, and whether this
// server serves it. What a version names as its source may be an entity that has moved its
// artifacts elsewhere, so the server is asked.
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

// rollback returns the ID of the version that a rollback goes back to, "" for none: of the
// archived ones that were in production and still have their files, the one that was
// archived last.
func (r *Registry) rollback(ctx context.Context, s *view) (string, error) {
	var archived []string
	for id, p := range s.places {
		if p.stage == registry.Archived && !p.promoted.IsZero() {
			archived = append(archived, id)
		}
	}
	slices.SortFunc(archived, func(a, b string) int {
		if c := s.places[b].since.Compare(s.places[a].since); c != 0 {
			return c
		}
		x, _ := strconv.Atoi(a)
		y, _ := strconv.Atoi(b)
		return y - x
	})
	for _, id := range archived {
		m, ok, err := r.one(ctx, id)
		if err != nil {
			return "", err
		}
		if ok && m.tag(tagDeleted) == "" {
			return id, nil
		}
	}
	return "", nil
}

// Adopt makes a version that another client registered one whose files are verified: it
// reads all of them, and keeps their SHA-256, the tags that the version has and the metrics
// of its run. From then on the version is fixed, as those are that were registered here,
// and a change to its files is [registry.ErrCorrupt]. What was changed before cannot be
// known. A version that was registered or adopted here is returned as it is.
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
	// Beside other versions of the run, so under a name of its own.
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

// weigh returns a file with the size and the hash that it has now.
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

func errNotServed(uri string) error {
	return fmt.Errorf("the server does not serve artifacts (they would be at %q): start it with --artifacts-destination, or use an experiment whose artifacts it serves", uri)
}

// bytesReader exists so that a document is sought in when it is sent again.
func bytesReader(b []byte) io.Reader { return bytes.NewReader(b) }
