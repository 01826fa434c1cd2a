package registrytest

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/selfheal-ml/selfheal/registry"
)

// Harness makes the registries under test. The log of the test names promises that could not
// be checked because a field is nil.
type Harness struct {
	// New returns an empty registry and registers its cleanup with t. Required.
	New func(t *testing.T) registry.Registry
	// Reopen returns a registry on the same data as r, after r was closed, as after a
	// restart of the process.
	Reopen func(t *testing.T, r registry.Registry) registry.Registry
	// Second returns another registry on the same data as r, as another process would have
	// it. r stays in use.
	Second func(t *testing.T, r registry.Registry) registry.Registry
	// Damage changes the stored content of a file of a version, but not its size. The file is
	// not empty.
	Damage func(t *testing.T, r registry.Registry, v registry.Version, file string)
	// Features are the differences of the registry.
	Features Features
}

// Features are legitimate differences of a registry. The zero Features is that of a
// [registry.Ledger], which keeps every promise. The kit itself detects a [registry.Attacher],
// a [registry.Deleter] and a [registry.Fencer].
type Features struct {
	// OwnIDs means that IDs are not "1", "2" and so on.
	OwnIDs bool
	// NoSwap means that a transition compares the expected version before the change and not
	// in one step with it. Of several promotions at the same time, exactly one then succeeds
	// only under a lease, and this is not checked.
	NoSwap bool
	// NoFencing means that tokens are not compared.
	NoFencing bool
	// NoFolders means that an artifact is a single file.
	NoFolders bool
}

// Run checks every promise of [registry.Registry], each in a subtest of its own.
func Run(t *testing.T, h Harness) { runAll(t, h, promises()) }

func promises() []promise[Harness] {
	var all []promise[Harness]
	for _, c := range slices.Concat(registerChecks(), readChecks(), transitionChecks(), moreChecks(), concurrencyChecks()) {
		all = append(all, promise[Harness]{c.name, c.promise, func(p *proof, h Harness) {
			c.check(&kit{proof: p, h: h, r: h.New(p.t)})
		}})
	}
	return all
}

// check is a promise of a registry and its proof.
type check struct {
	name    string
	promise string
	check   func(k *kit)
}

// kit is a registry under test.
type kit struct {
	*proof
	h   Harness
	r   registry.Registry
	ids []string // of the versions that register registered, in order
}

func (k *kit) ctx() context.Context { return k.t.Context() }

// id returns the ID of the n-th registered version, from 1 up, or an unknown ID.
func (k *kit) id(n int) string {
	if n > len(k.ids) {
		return "77"
	}
	return k.ids[n-1]
}

// number returns which of the registered versions has this ID, 0 for none.
func (k *kit) number(id string) int { return slices.Index(k.ids, id) + 1 }

// draft returns a draft with something in each of its fields.
func draft(key string) registry.Draft {
	return registry.Draft{
		Key:       key,
		Time:      day,
		Documents: map[string][]byte{"profile.json": []byte(`{"of":"` + key + `"}`), "empty": {}},
		Tags:      map[string]string{"trainer": "<logistic> & Sons", "läuft": ""},
		Metrics:   map[string]float64{"f1": 0.1 + 0.2, "loss": -1e-300, "rows": 1 << 53},
	}
}

func artifact(key string) string { return "artifact of " + key }

func (k *kit) register(key string) registry.Version {
	v, err := k.r.Register(k.ctx(), draft(key), strings.NewReader(artifact(key)))
	k.succeeds("register "+key, err)
	k.ids = append(k.ids, v.ID)
	return v
}

// registers registers a version for each key.
func (k *kit) registers(keys ...string) {
	for _, key := range keys {
		k.register(key)
	}
}

func (k *kit) transition(t registry.Transition) registry.Event {
	e, err := k.r.Transition(k.ctx(), t)
	k.succeeds("version "+t.Version+" to "+string(t.To), err)
	e.Time = e.Time.UTC() // so that == compares instants
	return e
}

func (k *kit) promote(id, expect string) registry.Event {
	return k.transition(registry.Transition{Version: id, To: registry.Production, Expect: expect, Time: day})
}

// refused makes a transition that must fail with target, and leave no trace.
func (k *kit) refused(t registry.Transition, target error) error {
	versions, history := k.versions(registry.Query{}), k.history()
	_, err := k.r.Transition(k.ctx(), t)
	k.fails("version "+t.Version+" to "+string(t.To), err, target)
	k.unchanged(versions, history)
	return err
}

// unchanged ends the attempt if the registry holds anything but these.
func (k *kit) unchanged(versions []registry.Version, history []registry.Event) {
	if now := k.versions(registry.Query{}); !slices.EqualFunc(now, versions, equal) {
		k.broken("versions changed from %+v to %+v", versions, now)
	}
	if now := k.history(); !slices.Equal(now, history) {
		k.broken("history changed from %+v to %+v", history, now)
	}
}

func (k *kit) versions(q registry.Query) []registry.Version {
	var versions []registry.Version
	for v, err := range k.r.Versions(k.ctx(), q) {
		k.succeeds("versions", err)
		versions = append(versions, v)
	}
	return versions
}

func (k *kit) get(id string) registry.Version {
	v, err := registry.Get(k.ctx(), k.r, id)
	k.succeeds("get version "+id, err)
	return v
}

func (k *kit) history() []registry.Event { return k.historyAfter(0) }

func (k *kit) historyAfter(after uint64) []registry.Event {
	var events []registry.Event
	for e, err := range k.r.History(k.ctx(), after) {
		k.succeeds("history", err)
		e.Time = e.Time.UTC()
		events = append(events, e)
	}
	return events
}

// stages ends the attempt unless the versions, oldest first, are in these stages.
func (k *kit) stages(want ...registry.Stage) {
	var got []registry.Stage
	for _, v := range k.versions(registry.Query{}) {
		got = append(got, v.Stage)
	}
	slices.Reverse(got)
	if !slices.Equal(got, want) {
		k.broken("stages are %q, want %q", got, want)
	}
}

// content ends the attempt unless the file of the version has this content.
func (k *kit) content(id, file, want string) {
	got, err := registry.ReadFile(k.ctx(), k.r, id, file)
	k.succeeds("read "+file, err)
	if string(got) != want {
		k.broken("file %q of version %q holds %q, want %q", file, id, got, want)
	}
}

// equal compares everything but File.Blob.
func equal(a, b registry.Version) bool {
	return a.ID == b.ID && a.Key == b.Key && a.Stage == b.Stage &&
		a.Created.Equal(b.Created) && a.Since.Equal(b.Since) && a.Promoted.Equal(b.Promoted) && a.Deleted.Equal(b.Deleted) &&
		slices.EqualFunc(a.Files, b.Files, equalFile) &&
		maps.Equal(a.Tags, b.Tags) && maps.Equal(a.Metrics, b.Metrics)
}

func equalFile(a, b registry.File) bool {
	return a.Name == b.Name && a.Size == b.Size && a.SHA256 == b.SHA256
}

// untouched returns an artifact that must not be read.
func (k *kit) untouched() io.Reader {
	return readerFunc(func([]byte) (int, error) {
		k.report("the artifact was read")
		return 0, errBroken
	})
}
