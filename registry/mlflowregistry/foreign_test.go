package mlflowregistry_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/mlflowregistry"
	"github.com/stretchr/testify/require"
)

// foreign collects what a Registry reports.
type foreign struct {
	mu     sync.Mutex
	events []registry.Event
}

func (f *foreign) on(_ context.Context, e registry.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, e)
}

func withoutTime(events []registry.Event) []registry.Event {
	events = slices.Clone(events)
	for i := range events {
		events[i].Time = time.Time{}
	}
	return events
}

func alias(t *testing.T, server, model, name, id string) {
	other(t, server, http.MethodPost, "registered-models/alias", map[string]any{"name": model, "alias": name, "version": id})
}

// TestForeign_Moves moves the alias of the champion as MLflow's page does.
func TestForeign_Moves(t *testing.T) {
	f := newFake(t)
	checkForeignMoves(t, f.URL)
}

func checkForeignMoves(t *testing.T, server string) {
	var mine, others foreign
	cfg := config(server)
	cfg.OnForeign = mine.on
	r := open(t, cfg)
	cfg.OnForeign = others.on
	second := open(t, cfg)
	register(t, r, "a", "b", "c")
	promote(t, r, "1", "")
	inProduction := func(want string) {
		t.Helper()
		for _, r := range []registry.Registry{r, second} {
			for range 2 {
				v, err := registry.InProduction(t.Context(), r)
				require.NoError(t, err)
				require.Equal(t, want, v.ID)
			}
			require.Len(t, versions(t, r, registry.Query{Stage: registry.Production}), 1)
		}
	}
	inProduction("1")

	alias(t, server, cfg.Model, "champion", "2")
	inProduction("2")
	moved := registry.Event{
		Seq: 2, Version: "2", From: registry.Staging, To: registry.Production, Displaced: "1", DisplacedTo: registry.Archived,
		Actor: mlflowregistry.ForeignActor, Reason: `alias "champion" was set by another client`,
	}
	require.Equal(t, []registry.Event{moved}, withoutTime(mine.events), "reported once")
	require.Empty(t, others.events, "it was recorded before the other process looked")
	require.Equal(t, history(t, r), history(t, second))
	require.Equal(t, moved, withoutTime(history(t, second))[1])

	// What a promotion expects is compared with what is in production now.
	_, err := r.Transition(t.Context(), registry.Transition{Version: "3", To: registry.Production, Expect: "1"})
	var conflict *registry.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, "2", conflict.Actual)

	other(t, server, http.MethodDelete, "registered-models/alias", map[string]any{"name": cfg.Model, "alias": "champion"})
	_, err = registry.InProduction(t.Context(), second)
	require.ErrorIs(t, err, registry.ErrNoProduction)
	_, err = registry.InProduction(t.Context(), r)
	require.ErrorIs(t, err, registry.ErrNoProduction)
	require.Equal(t, []registry.Event{{
		Seq: 3, Version: "2", From: registry.Production, To: registry.Archived,
		Actor: mlflowregistry.ForeignActor, Reason: `alias "champion" was taken away by another client`,
	}}, withoutTime(others.events))

	// A promotion goes on from there, and so does a version that is gone with its alias.
	promote(t, r, "3", "")
	inProduction("3")
	other(t, server, http.MethodDelete, "model-versions/delete", map[string]any{"name": cfg.Model, "version": "3"})
	_, err = registry.InProduction(t.Context(), r)
	require.ErrorIs(t, err, registry.ErrNoProduction)
	promote(t, second, "1", "")
	inProduction("1")
	require.Len(t, history(t, r), 6)
	require.Equal(t, history(t, r), history(t, second))
}

// TestForeign_ReadOnly has a process that may not write: it serves what is in production,
// and reports, but the history keeps only what a writer saw.
func TestForeign_ReadOnly(t *testing.T) {
	f := newFake(t)
	cfg := config(f.URL)
	r := open(t, cfg)
	register(t, r, "a", "b")
	promote(t, r, "1", "")
	var seen foreign
	cfg.ReadOnly, cfg.OnForeign = true, seen.on
	reader := open(t, cfg)
	alias(t, f.URL, cfg.Model, "champion", "2")
	f.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		return false
	}, nil)
	for range 3 {
		v, err := registry.InProduction(t.Context(), reader)
		require.NoError(t, err)
		require.Equal(t, "2", v.ID)
		require.Equal(t, seen.events, history(t, reader)[1:])
	}
	require.Len(t, seen.events, 1)
	for what, err := range map[string]error{
		"register":   second(reader.Register(t.Context(), registry.Draft{Key: "c"}, strings.NewReader(""))),
		"transition": second(reader.Transition(t.Context(), registry.Transition{Version: "1", To: registry.Production, Expect: "2"})),
		"attach":     second(reader.Attach(t.Context(), registry.Attachment{Version: "1"})),
		"adopt":      second(reader.Adopt(t.Context(), "1")),
		"delete":     reader.Delete(t.Context(), registry.Deletion{Version: "1"}),
		"fence":      reader.Fence(t.Context(), 1),
		"observe":    reader.Observe(t.Context(), "1", day, nil),
	} {
		require.ErrorIs(t, err, mlflowregistry.ErrReadOnly, what)
	}
	cfg.Model = "absent"
	_, err := mlflowregistry.Open(t.Context(), cfg)
	require.ErrorIs(t, err, registry.ErrNotFound)
}

func second[T any](_ T, err error) error { return err }

// TestForeign_NotRecorded has a process that tries to record a foreign change and may not.
func TestForeign_NotRecorded(t *testing.T) {
	f := newFake(t)
	var log bytes.Buffer
	cfg := config(f.URL)
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	r := open(t, cfg)
	register(t, r, "a", "b")
	promote(t, r, "1", "")
	alias(t, f.URL, cfg.Model, "champion", "2")
	f.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet {
			return false
		}
		http.Error(w, "Permission denied", http.StatusForbidden)
		return true
	}, nil)
	v, err := registry.InProduction(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, "2", v.ID)
	require.Contains(t, log.String(), "another client changed what is in production")
	require.Contains(t, log.String(), "Permission denied")
}

// TestForeign_Version has a version that MLflow's Python client registered.
func TestForeign_Version(t *testing.T) {
	f := newFake(t)
	cfg := config(f.URL)
	r := open(t, cfg)
	root := "1/models/m-7/artifacts/"
	put(t, f.URL, root+"MLmodel", []byte("flavors: {}"))
	put(t, f.URL, root+"code/mymod.py", []byte("def f(): pass"))
	put(t, f.URL, root+"code/__init__.py", nil)
	run := other(t, f.URL, http.MethodPost, "runs/create", map[string]any{"experiment_id": "0", "start_time": 1})["run"].(map[string]any)["info"].(map[string]any)["run_id"]
	other(t, f.URL, http.MethodPost, "runs/log-batch", map[string]any{"run_id": run, "metrics": []map[string]any{
		{"key": "f1", "value": 0.5, "timestamp": 1, "step": 0}, {"key": "loss", "value": "NaN", "timestamp": 1, "step": 0},
	}})
	create := map[string]any{"name": cfg.Model, "source": "models:/m-7", "run_id": run, "tags": []map[string]any{{"key": "team", "value": "risk"}}}
	other(t, f.URL, http.MethodPost, "model-versions/create", create)
	other(t, f.URL, http.MethodPost, "model-versions/create", map[string]any{"name": cfg.Model, "source": "s3://elsewhere/x"})

	v, err := registry.Get(t.Context(), r, "1")
	require.NoError(t, err)
	require.Equal(t, registry.Staging, v.Stage)
	require.Empty(t, v.Key)
	require.Equal(t, map[string]string{"team": "risk"}, v.Tags)
	require.Equal(t, []string{"model/MLmodel", "model/code/__init__.py", "model/code/mymod.py"}, names(v))
	all := versions(t, r, registry.Query{})
	require.Len(t, all, 2)
	require.Empty(t, all[1].Files, "a listing does not list the files of each")
	elsewhere, err := registry.Get(t.Context(), r, "2")
	require.NoError(t, err, "harmless")
	require.Empty(t, elsewhere.Files)

	_, err = r.Open(t.Context(), "1", "model/MLmodel")
	require.ErrorIs(t, err, mlflowregistry.ErrUnverified)
	cfg.TrustForeign = true
	trusting := open(t, cfg)
	content, err := registry.ReadFile(t.Context(), trusting, "1", "model/MLmodel")
	require.NoError(t, err)
	require.Equal(t, "flavors: {}", string(content))

	_, err = r.Adopt(t.Context(), "77")
	require.ErrorIs(t, err, registry.ErrNotFound)
	_, err = r.Adopt(t.Context(), "2")
	require.ErrorContains(t, err, "not served")

	// Promoted, it is adopted, and from then on verified.
	promote(t, r, "1", "")
	v, err = registry.InProduction(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, map[string]float64{"f1": 0.5}, v.Metrics, "what is no number is left out")
	require.Len(t, v.Files, 3)
	_, err = registry.ReadFile(t.Context(), r, "1", "model/code/mymod.py")
	require.NoError(t, err)
	put(t, f.URL, root+"code/mymod.py", []byte("def g(): pass"))
	_, err = registry.ReadFile(t.Context(), r, "1", "model/code/mymod.py")
	require.ErrorIs(t, err, registry.ErrCorrupt)
	again, err := r.Adopt(t.Context(), "1")
	require.NoError(t, err)
	require.Equal(t, v, again, "it is adopted once")

	// It can be attached to and observed, also without a run, but not deleted.
	for _, id := range []string{"1", "2"} {
		v, err := r.Attach(t.Context(), registry.Attachment{Version: id, Documents: map[string][]byte{"decision.json": []byte("{}")}})
		require.NoError(t, err)
		require.Contains(t, names(v), "decision.json")
		require.NoError(t, r.Observe(t.Context(), id, day, map[string]float64{"volume": 3}))
	}
	_, err = r.Transition(t.Context(), registry.Transition{Version: "2", To: registry.Archived})
	require.NoError(t, err)
	require.ErrorIs(t, r.Delete(t.Context(), registry.Deletion{Version: "2"}), registry.ErrIllegal)
}

func names(v registry.Version) []string {
	var names []string
	for _, f := range v.Files {
		names = append(names, f.Name)
	}
	return names
}

// lease is one for the goroutines of a test.
type lease struct {
	mu    sync.Mutex // held by the holder
	token uint64
}

func (l *lease) acquire() (token uint64, release func()) {
	l.mu.Lock()
	l.token++
	return l.token, l.mu.Unlock
}

// TestLease_Writers has eight processes promote under a lease, while others look.
func TestLease_Writers(t *testing.T) {
	f := newFake(t)
	checkLease(t, f.URL, 4)
}

func checkLease(t *testing.T, server string, rounds int) {
	const writers = 8
	cfg := config(server)
	cfg.OnForeign = func(_ context.Context, e registry.Event) { t.Errorf("foreign: %+v", e) }
	r := open(t, cfg)
	for i := range writers {
		register(t, r, fmt.Sprint(i))
	}
	promote(t, r, "1", "")

	var l lease
	var working sync.WaitGroup
	for i := range writers {
		own := open(t, cfg)
		working.Go(func() {
			for range rounds {
				token, release := l.acquire()
				current, err := registry.InProduction(t.Context(), own)
				if err == nil && current.ID != fmt.Sprint(i+1) {
					_, err = own.Transition(t.Context(), registry.Transition{
						Version: fmt.Sprint(i + 1), To: registry.Production, Expect: current.ID, Token: token, Actor: fmt.Sprint(i),
					})
				}
				if err != nil {
					t.Errorf("writer %d: %v", i, err)
				}
				release()
			}
		})
	}
	done := make(chan struct{})
	var looking sync.WaitGroup
	reader := open(t, cfg)
	looking.Go(func() {
		for {
			n := 0
			for v, err := range reader.Versions(t.Context(), registry.Query{}) {
				if err != nil {
					t.Errorf("look: %v", err)
				}
				if v.Stage == registry.Production {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%d in production", n)
			}
			if _, err := registry.InProduction(t.Context(), reader); err != nil {
				t.Errorf("look: %v", err)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	working.Wait()
	close(done)
	looking.Wait()

	before := ""
	for i, e := range history(t, r) {
		require.Equal(t, uint64(i+1), e.Seq)
		require.Equal(t, before, e.Displaced, "%+v", e)
		before = e.Version
	}
	current, err := registry.InProduction(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, before, current.ID)
}

// TestLease_Paused pauses a holder in the middle of its promotion, until the next holder
// has promoted another version.
func TestLease_Paused(t *testing.T) {
	for _, c := range []struct {
		name  string
		pause func(r *http.Request, looks int) bool // true for the request ahead of which it sleeps
	}{
		{"before it looks", func(_ *http.Request, looks int) bool { return looks == 1 }},
		{"before its event", func(r *http.Request, _ int) bool { return strings.HasSuffix(r.URL.Path, "registered-models/set-tag") }},
		{"before it looks again", func(_ *http.Request, looks int) bool { return looks == 2 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			cfg := config(f.URL)
			paused := open(t, cfg)
			register(t, paused, "a", "b", "c")
			promote(t, paused, "1", "")
			next := open(t, cfg)
			looks, slept := 0, false
			f.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
				if slept {
					return false
				}
				if strings.HasSuffix(r.URL.Path, "registered-models/get") {
					looks++
				}
				if c.pause(r, looks) {
					slept = true
					if err := next.Fence(t.Context(), 6); err != nil {
						t.Error(err)
					}
					_, err := next.Transition(t.Context(), registry.Transition{Version: "3", To: registry.Production, Expect: "1", Token: 6})
					if err != nil {
						t.Error(err)
					}
				}
				return false
			}, nil)
			_, err := paused.Transition(t.Context(), registry.Transition{Version: "2", To: registry.Production, Expect: "1", Token: 5})
			require.True(t, slept)
			require.ErrorIs(t, err, registry.ErrFenced)
			v, err := registry.InProduction(t.Context(), paused)
			require.NoError(t, err)
			require.Equal(t, "3", v.ID)
			require.Len(t, versions(t, paused, registry.Query{Stage: registry.Production}), 1)
			events := history(t, paused)
			require.Len(t, events, 2)
			require.Equal(t, []any{"3", "1", uint64(6)}, []any{events[1].Version, events[1].Displaced, events[1].Token}, "no event of the next holder is lost")
		})
	}
}

// TestLease_PausedTooLate pauses a holder where nothing can stop it: it has looked twice,
// and moves the alias when it wakes up. It learns so, and what it did is found as what
// another client does is.
func TestLease_PausedTooLate(t *testing.T) {
	f := newFake(t)
	cfg := config(f.URL)
	paused := open(t, cfg)
	register(t, paused, "a", "b", "c")
	promote(t, paused, "1", "")
	var seen foreign
	cfg.OnForeign = seen.on
	next := open(t, cfg)
	slept, aliases := false, 0
	f.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if !slept && r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "registered-models/alias") {
			if aliases++; aliases < 2 { // the first one is that of the previous version
				return false
			}
			slept = true
			_, err := next.Transition(t.Context(), registry.Transition{Version: "3", To: registry.Production, Expect: "1", Token: 6})
			if err != nil {
				t.Error(err)
			}
		}
		return false
	}, nil)
	_, err := paused.Transition(t.Context(), registry.Transition{Version: "2", To: registry.Production, Expect: "1", Token: 5})
	require.True(t, slept)
	require.ErrorIs(t, err, registry.ErrFenced)
	for range 2 {
		v, err := registry.InProduction(t.Context(), next)
		require.NoError(t, err)
		require.Equal(t, "2", v.ID, "it is what every client sees")
	}
	require.Len(t, versions(t, next, registry.Query{Stage: registry.Production}), 1)
	require.Len(t, seen.events, 1)
	events := history(t, next)
	require.Len(t, events, 3)
	require.Equal(t, "3", events[1].Version)
	require.Equal(t, []string{"2", "3", mlflowregistry.ForeignActor}, []string{events[2].Version, events[2].Displaced, events[2].Actor})
}

// TestNoLease_Writers has eight processes promote without a lease. Some of what they do is
// lost; but one version is in production, at any time and at the end, and every process
// sees the same one and the same history.
func TestNoLease_Writers(t *testing.T) {
	f := newFake(t)
	f.intercept(func(http.ResponseWriter, *http.Request) bool {
		time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
		return false
	}, nil)
	const writers = 8
	cfg := config(f.URL)
	r := open(t, cfg)
	for i := range writers {
		register(t, r, fmt.Sprint(i))
	}
	var working sync.WaitGroup
	for i := range writers {
		own := open(t, cfg)
		working.Go(func() {
			for range 5 {
				expect := ""
				if v, err := registry.InProduction(t.Context(), own); err == nil {
					expect = v.ID
				}
				_, _ = own.Transition(t.Context(), registry.Transition{Version: fmt.Sprint(i + 1), To: registry.Production, Expect: expect})
			}
		})
	}
	working.Wait()
	v, err := registry.InProduction(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, f.models[cfg.Model].aliases["champion"], v.ID)
	require.Len(t, versions(t, open(t, cfg), registry.Query{Stage: registry.Production}), 1)
	require.Equal(t, history(t, r), history(t, open(t, cfg)))
	seen := make(map[uint64]bool)
	for _, e := range history(t, r) {
		require.False(t, seen[e.Seq])
		seen[e.Seq] = true
	}
	// And from there all is in order again.
	expect := v.ID
	for i := range writers {
		if id := fmt.Sprint(i + 1); id != v.ID {
			promote(t, r, id, expect)
			expect = id
		}
	}
}

// TestLive_Follows has a Live follow what another client does.
func TestLive_Follows(t *testing.T) {
	f := newFake(t)
	cfg := config(f.URL)
	r := open(t, cfg)
	register(t, r, "a", "b")
	promote(t, r, "1", "")
	live, err := registry.NewLive(r, func(_ context.Context, _ registry.Version, artifact io.Reader) (string, error) {
		content, err := io.ReadAll(artifact)
		return string(content), err
	}, registry.LiveConfig{})
	require.NoError(t, err)
	require.NoError(t, live.Refresh(t.Context()))
	f.calls = nil
	require.NoError(t, live.Refresh(t.Context()))
	require.Len(t, f.calls, 1, "a poll is one request")
	alias(t, f.URL, cfg.Model, "champion", "2")
	require.NoError(t, live.Refresh(t.Context()))
	require.Equal(t, "artifact of b", live.Get().Model)
	put(t, f.URL, versions(t, r, registry.Query{ID: "1"})[0].Files[0].Blob, []byte("artifact of x"))
	alias(t, f.URL, cfg.Model, "champion", "1")
	require.ErrorIs(t, live.Refresh(t.Context()), registry.ErrCorrupt)
	require.Equal(t, "artifact of b", live.Get().Model, "what was loaded goes on serving")
}
