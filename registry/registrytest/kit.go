package registrytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
)

// Run checks every promise of [registry.Registry], each in a subtest of its own. Open
// returns an empty registry and registers its cleanup with t.
func Run(t *testing.T, open func(t *testing.T) registry.Registry) {
	for _, c := range slices.Concat(registerChecks, readChecks, transitionChecks, concurrencyChecks) {
		t.Run(c.name, func(t *testing.T) {
			c.check(&kit{t: t, r: open(t), promise: c.promise})
		})
	}
}

// check is the proof of one promise.
type check struct {
	name    string
	promise string // quoted when it is broken
	check   func(k *kit)
}

// kit is a registry under test. Its methods end the test if they fail.
type kit struct {
	t       *testing.T
	r       registry.Registry
	promise string
}

// day is the time of what the checks do: whole seconds, which every store can keep.
var day = time.Date(2025, time.March, 1, 12, 30, 0, 0, time.UTC)

var errBroken = errors.New("broken on purpose")

// report marks the test as failed; unlike the other methods, any goroutine may call it.
func (k *kit) report(format string, args ...any) {
	k.t.Helper()
	k.t.Errorf("%s\nviolated promise: %s", fmt.Sprintf(format, args...), k.promise)
}

func (k *kit) broken(format string, args ...any) {
	k.t.Helper()
	k.report(format, args...)
	k.t.FailNow()
}

func (k *kit) ctx() context.Context { return k.t.Context() }

// succeeds ends the test if err is not nil.
func (k *kit) succeeds(what string, err error) {
	k.t.Helper()
	if err != nil {
		k.broken("%s: %v", what, err)
	}
}

// fails ends the test if err is not target.
func (k *kit) fails(what string, err, target error) {
	k.t.Helper()
	if !errors.Is(err, target) {
		k.broken("%s: error is %v, want %v", what, err, target)
	}
}

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
	k.t.Helper()
	v, err := k.r.Register(k.ctx(), draft(key), strings.NewReader(artifact(key)))
	k.succeeds("register "+key, err)
	return v
}

func (k *kit) transition(t registry.Transition) registry.Event {
	k.t.Helper()
	e, err := k.r.Transition(k.ctx(), t)
	k.succeeds("version "+t.Version+" to "+string(t.To), err)
	return e
}

func (k *kit) promote(id, expect string) registry.Event {
	k.t.Helper()
	return k.transition(registry.Transition{Version: id, To: registry.Production, Expect: expect, Time: day})
}

// refused makes a transition that must fail with target, and leave no trace.
func (k *kit) refused(t registry.Transition, target error) error {
	k.t.Helper()
	versions, history := k.versions(registry.Query{}), k.history()
	_, err := k.r.Transition(k.ctx(), t)
	k.fails("version "+t.Version+" to "+string(t.To), err, target)
	k.unchanged(versions, history)
	return err
}

// unchanged ends the test if the registry holds anything but these.
func (k *kit) unchanged(versions []registry.Version, history []registry.Event) {
	k.t.Helper()
	if now := k.versions(registry.Query{}); !slices.EqualFunc(now, versions, equal) {
		k.broken("versions changed from %+v to %+v", versions, now)
	}
	if now := k.history(); !slices.Equal(now, history) {
		k.broken("history changed from %+v to %+v", history, now)
	}
}

func (k *kit) versions(q registry.Query) []registry.Version {
	k.t.Helper()
	var versions []registry.Version
	for v, err := range k.r.Versions(k.ctx(), q) {
		k.succeeds("versions", err)
		versions = append(versions, v)
	}
	return versions
}

func (k *kit) history() []registry.Event {
	k.t.Helper()
	var events []registry.Event
	for e, err := range k.r.History(k.ctx(), 0) {
		k.succeeds("history", err)
		e.Time = e.Time.UTC() // so that == compares instants
		events = append(events, e)
	}
	return events
}

// stages ends the test unless the versions, oldest first, are in these stages.
func (k *kit) stages(want ...registry.Stage) {
	k.t.Helper()
	var got []registry.Stage
	for _, v := range k.versions(registry.Query{}) {
		got = append(got, v.Stage)
	}
	slices.Reverse(got)
	if !slices.Equal(got, want) {
		k.broken("stages are %q, want %q", got, want)
	}
}

// content ends the test unless the file of the version has this content.
func (k *kit) content(id, file, want string) {
	k.t.Helper()
	got, err := registry.ReadFile(k.ctx(), k.r, id, file)
	k.succeeds("read "+file, err)
	if string(got) != want {
		k.broken("file %q of version %q holds %q, want %q", file, id, got, want)
	}
}

func equal(a, b registry.Version) bool {
	return a.ID == b.ID && a.Key == b.Key && a.Stage == b.Stage &&
		a.Created.Equal(b.Created) &&
		slices.Equal(a.Files, b.Files) &&
		maps.Equal(a.Tags, b.Tags) && maps.Equal(a.Metrics, b.Metrics)
}

func ids(versions []registry.Version) []string {
	var ids []string
	for _, v := range versions {
		ids = append(ids, v.ID)
	}
	return ids
}

// readerFunc is an io.Reader.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// untouched returns an artifact that must not be read.
func (k *kit) untouched() io.Reader {
	return readerFunc(func([]byte) (int, error) {
		k.report("the artifact was read")
		return 0, errBroken
	})
}
