package mlflowregistry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/mlflowregistry"
	"github.com/stretchr/testify/require"
)

var day = time.Date(2025, time.March, 1, 12, 30, 0, 0, time.UTC)

func register(t *testing.T, r registry.Registry, keys ...string) {
	t.Helper()
	for _, key := range keys {
		_, err := r.Register(t.Context(), registry.Draft{Key: key, Time: day}, strings.NewReader("artifact of "+key))
		require.NoError(t, err)
	}
}

func promote(t *testing.T, r registry.Registry, id, expect string) registry.Event {
	t.Helper()
	e, err := r.Transition(t.Context(), registry.Transition{Version: id, To: registry.Production, Expect: expect, Time: day})
	require.NoError(t, err)
	return e
}

func history(t *testing.T, r registry.Registry) []registry.Event {
	t.Helper()
	var events []registry.Event
	for e, err := range r.History(t.Context(), 0) {
		require.NoError(t, err)
		events = append(events, e)
	}
	return events
}

func versions(t *testing.T, r registry.Registry, q registry.Query) []registry.Version {
	t.Helper()
	var all []registry.Version
	for v, err := range r.Versions(t.Context(), q) {
		require.NoError(t, err)
		all = append(all, v)
	}
	return all
}

// TestFaults_LostAnswers loses every second answer after the server did what it was asked
// for: nothing is made twice.
func TestFaults_LostAnswers(t *testing.T) {
	f := newFake(t)
	var n atomic.Int64
	f.intercept(nil, func(*http.Request) bool { return n.Add(1)%2 == 0 })
	r := open(t, config(f.URL))
	register(t, r, "a", "b")
	promote(t, r, "1", "")
	promote(t, r, "2", "1")
	require.Len(t, versions(t, r, registry.Query{}), 2)
	require.Len(t, history(t, r), 2)
	require.Len(t, f.runs, 2, "a run for each version")
}

// TestFaults_Bursts answers a fifth of all requests with failures that pass, or not at
// all.
func TestFaults_Bursts(t *testing.T) {
	f := newFake(t)
	rng := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	chance := func(p float64) bool { mu.Lock(); defer mu.Unlock(); return rng.Float64() < p }
	f.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case chance(0.05):
			http.Error(w, "<html>502 Bad Gateway</html>", http.StatusBadGateway)
		case chance(0.05):
			w.Header().Set("Retry-After", "0")
			http.Error(w, "slow down", http.StatusTooManyRequests)
		case chance(0.05) && !strings.HasPrefix(r.URL.Path, "/api/2.0/mlflow-artifacts"):
			http.Error(w, "database is locked", http.StatusInternalServerError)
		default:
			return false
		}
		return true
	}, func(*http.Request) bool { return chance(0.05) })
	cfg := config(f.URL)
	cfg.Attempts = 30
	r := open(t, cfg)
	const n = 20
	for i := range n {
		register(t, r, fmt.Sprint("key ", i))
		expect := ""
		if i > 0 {
			expect = fmt.Sprint(i)
		}
		promote(t, r, fmt.Sprint(i+1), expect)
	}
	require.Len(t, versions(t, r, registry.Query{}), n)
	require.Len(t, history(t, r), n)
	require.Len(t, f.runs, n)
}

// TestFaults_Death cuts a rollback off before each of its requests, and after each, as the
// death of a process does. At any time one version is in production, as another process
// sees it; and a repetition completes what was begun, once.
func TestFaults_Death(t *testing.T) {
	for _, answered := range []bool{false, true} {
		for n := 1; ; n++ {
			f := newFake(t)
			cfg := config(f.URL)
			cfg.Attempts = 1
			r := open(t, cfg)
			register(t, r, "a", "b", "c")
			promote(t, r, "1", "")
			promote(t, r, "2", "1")
			rollback := registry.Transition{
				Version: "1", To: registry.Production, Expect: "2", Displaced: registry.Quarantined, Time: day, Key: "rollback", Reason: "harm",
			}

			var calls atomic.Int64
			f.intercept(func(w http.ResponseWriter, _ *http.Request) bool {
				if calls.Add(1) > int64(n) || !answered && calls.Load() == int64(n) {
					http.Error(w, "dead", http.StatusForbidden)
					return true
				}
				return false
			}, func(*http.Request) bool { return answered && calls.Load() >= int64(n) })
			_, err := r.Transition(t.Context(), rollback)
			dead := calls.Load() >= int64(n)
			f.intercept(nil, nil)

			other := open(t, cfg)
			current, errCurrent := registry.InProduction(t.Context(), other)
			require.NoError(t, errCurrent)
			require.Len(t, versions(t, other, registry.Query{Stage: registry.Production}), 1)
			if err == nil {
				require.Equal(t, "1", current.ID)
			}
			for _, v := range versions(t, other, registry.Query{}) {
				if v.Stage == registry.Production {
					require.Equal(t, current, v, "one request tells the same as many")
				}
			}
			if n%2 == 0 { // another transition comes first
				_, err := other.Transition(t.Context(), registry.Transition{Version: "3", To: registry.Archived, Time: day})
				require.NoError(t, err)
			}
			for range 2 {
				_, err := other.Transition(t.Context(), rollback)
				require.NoError(t, err)
			}
			var of []string
			for _, e := range history(t, other) {
				require.NotEqual(t, mlflowregistry.ForeignActor, e.Actor)
				if e.Version != "3" {
					of = append(of, e.Version+" "+string(e.DisplacedTo))
				}
			}
			require.Equal(t, []string{"1 ", "2 archived", "1 quarantined"}, of)
			require.Equal(t, "1", f.models[cfg.Model].aliases["champion"])
			require.NotContains(t, f.models[cfg.Model].aliases, "previous", "there is nothing to go back to")
			require.Equal(t, "quarantined", f.models[cfg.Model].find("2").tags["selfheal.stage"])
			require.Equal(t, "production", f.models[cfg.Model].find("1").tags["selfheal.stage"])
			if !dead {
				require.Greater(t, n, 8)
				break
			}
		}
	}
}

// TestFaults_Final makes each deterministic refusal once, and says what it was.
func TestFaults_Final(t *testing.T) {
	for _, c := range []struct {
		status      int
		kind, body  string
		code, wants string
	}{
		{404, "text/html", "<!doctype html>\n<title>404 Not Found</title>", "", "404 Not Found"},
		{401, "text/html", "You are not authenticated.", "", "not authenticated"},
		{403, "text/plain", "Permission denied", "", "Permission denied"},
		{403, "text/plain", "Invalid Host header - possible DNS rebinding attack detected", "", "Invalid Host"},
		{400, "application/json", `{"detail": [{"msg": "bad"}]}`, "", "bad"},
		{400, "application/json", `{"error_code": "BAD_REQUEST", "message": "no"}`, "BAD_REQUEST", "no"},
		{409, "application/json", `{"error_code": "RESOURCE_CONFLICT", "message": "no"}`, "RESOURCE_CONFLICT", "no"},
		{501, "application/json", `{"error_code": "NOT_IMPLEMENTED", "message": "no"}`, "NOT_IMPLEMENTED", "no"},
		{200, "text/html", "<html>please log in</html>", "", "not the JSON"},
		{418, "text/plain", strings.Repeat("ü", 5000), "", "..."},
	} {
		f := newFake(t)
		f.intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", c.kind)
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
			return true
		}, nil)
		_, err := mlflowregistry.Open(t.Context(), config(f.URL))
		var e *mlflowregistry.Error
		require.ErrorAs(t, err, &e, c.body)
		require.Equal(t, []any{http.MethodGet, c.status, c.code}, []any{e.Method, e.Status, e.Code})
		require.Contains(t, e.Path, "registered-models/get")
		require.Contains(t, e.Message, c.wants)
		require.Less(t, len(e.Message), 1100)
		require.Len(t, f.calls, 1, "a refusal is not asked for again")
	}
}

func TestFaults_Redirect(t *testing.T) {
	f := newFake(t)
	f.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, "https://login.example/", http.StatusFound)
		return true
	}, nil)
	_, err := mlflowregistry.Open(t.Context(), config(f.URL))
	require.ErrorContains(t, err, "leads to https://login.example/")
}

// TestFaults_ArtifactsElsewhere has a server whose artifacts are in a store of their own.
func TestFaults_ArtifactsElsewhere(t *testing.T) {
	f := newFake(t)
	r := open(t, config(f.URL))
	f.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "runs/create") {
			return false
		}
		_, _ = io.WriteString(w, `{"run": {"info": {"run_id": "1", "artifact_uri": "s3://bucket/1/artifacts"}}}`)
		return true
	}, nil)
	_, err := r.Register(t.Context(), registry.Draft{Key: "a"}, strings.NewReader("x"))
	require.ErrorContains(t, err, "does not serve artifacts")
	require.ErrorContains(t, err, "s3://bucket/1/artifacts")
}

// TestFaults_LargeArtifact fails the first upload in its middle.
func TestFaults_LargeArtifact(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 200_000) // 3.2 MB
	for _, c := range []struct {
		name     string
		artifact io.Reader
		ok       bool
	}{
		{"can be sought in", bytes.NewReader(content), true},
		{"stream", io.MultiReader(bytes.NewReader(content)), false},
		{"stream in small parts", iotest.OneByteReader(bytes.NewReader(content[:100])), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			r := open(t, config(f.URL))
			var failed atomic.Bool
			f.intercept(func(w http.ResponseWriter, req *http.Request) bool {
				if !strings.HasSuffix(req.URL.Path, "/model") || !failed.CompareAndSwap(false, true) {
					return false
				}
				_, _ = io.CopyN(io.Discard, req.Body, 50)
				http.Error(w, "upstream timed out", http.StatusGatewayTimeout)
				return true
			}, nil)
			v, err := r.Register(t.Context(), registry.Draft{Key: "a"}, c.artifact)
			if !c.ok {
				var e *mlflowregistry.Error
				if errors.As(err, &e) {
					require.Equal(t, http.StatusGatewayTimeout, e.Status)
				}
				require.Error(t, err)
				require.Empty(t, versions(t, r, registry.Query{}))
				require.Equal(t, "FAILED", f.runs[fmt.Sprintf("%032x", 1)].status)
				return
			}
			require.NoError(t, err)
			got, err := registry.ReadFile(t.Context(), r, v.ID, registry.ModelFile)
			require.NoError(t, err)
			require.Equal(t, content[:len(got)], got)
		})
	}
}

// TestFaults_Cancel ends a wait between two attempts.
func TestFaults_Cancel(t *testing.T) {
	f := newFake(t)
	cfg := config(f.URL)
	r := open(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	f.intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "3600")
		http.Error(w, "later", http.StatusServiceUnavailable)
		time.AfterFunc(10*time.Millisecond, cancel)
		return true
	}, nil)
	_, err := registry.InProduction(ctx, r)
	require.ErrorIs(t, err, context.Canceled)
}
