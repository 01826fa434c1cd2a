package mlflowregistry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"

	"github.com/selfheal-ml/selfheal/registry"
)

var (
	// ErrUnverified means that nothing vouches for the content of a file, because another
	// client registered the version: see [Registry.Adopt].
	ErrUnverified = errors.New("mlflowregistry: file of a version that another client registered and nobody adopted")
	// ErrReadOnly means that Config.ReadOnly forbids the call.
	ErrReadOnly = errors.New("mlflowregistry: read only")
)

// ForeignActor is the Actor of events that another client caused.
const ForeignActor = "mlflow"

// Registry is a [registry.Registry] whose versions are those of a registered model of an
// MLflow server. It is also a [registry.Attacher], [registry.Deleter], [registry.Fencer],
// [registry.Observer] and [registry.Caveat]. The documentation of the package says what it
// promises with and without a lease.
//
// All methods are safe for concurrent use by goroutines. A Registry has no goroutine of its
// own and needs no closing.
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
	_ registry.Caveat   = (*Registry)(nil)
)

// Open returns a Registry for the model, which Open creates if it does not exist and the
// Config is not ReadOnly. Open fails if the server cannot be reached, refuses the login, or
// has no such model and the Config is ReadOnly.
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

// Caveat implements [registry.Caveat].
func (r *Registry) Caveat(leased bool) string {
	if leased {
		return "MLflow has no compare-and-set: promotions under the lease are exact, but other clients of MLflow take no part in it, " +
			"and what they put into production is found and reported at the next poll."
	}
	return "MLflow has no compare-and-set, and there is no lease: two processes may both be told that their promotion succeeded; " +
		"the last one is in production, which is found at the next poll, as is what other clients of MLflow put there."
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

// Versions implements [registry.Registry]. The query for production takes one request, a
// query by ID or key two, whatever the number of versions; any other query reads all
// versions.
//
// Versions that another client registered have an empty Key, are in staging unless they were
// moved, and have the tags that the client gave them. If the query names an ID or production,
// their files are listed, as a folder and without SHA-256; otherwise they are not.
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
	// Of two versions with one key, which two processes registered at the same time, the
	// older counts; its maker is about to delete the other.
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

// pick returns the version with this ID, if it exists.
func (r *Registry) pick(ctx context.Context, s *view, id string) ([]registry.Version, error) {
	m, ok, err := r.one(ctx, id)
	if err != nil || !ok {
		return nil, err
	}
	v, err := r.version(ctx, s, m, true)
	return []registry.Version{v}, err
}

// fast returns the version in production if one request is enough. It is enough if the
// version with the alias carries the tag that says that we put it there. This tag is removed
// before we give the alias to another version, and before we record that another client did.
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

// keyed returns the version that was registered with this key, if it exists.
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

// History implements [registry.Registry]. A change of production by another client is an
// event like any other, with the Actor [ForeignActor] and the time at which it was found.
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

// rollback returns the ID of the version to which a rollback goes back, "" for none: among
// the archived versions that were in production and still have their files, the one archived
// last.
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
