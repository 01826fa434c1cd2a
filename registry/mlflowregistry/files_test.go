package mlflowregistry_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/mlflowregistry"
	"github.com/stretchr/testify/require"
)

// TestRegister_OddNames stores files whose names MLflow refuses, of a model whose name
// wants escaping.
func TestRegister_OddNames(t *testing.T) { checkOddNames(t, newFake(t).URL) }

func checkOddNames(t *testing.T, server string) {
	cfg := config(server)
	cfg.Model += " it's 100% ü&?#+"
	r := open(t, cfg)
	folder := fstest.MapFS{}
	for _, name := range []string{
		"plain.txt", "a b/c+d@e.txt", "ü/ß…", "100%.txt", "%2e%2e", "a#b", "what?.csv", "c:d", "..x", "-", strings.Repeat("long", 60), ".selfheal/manifest.json", "file-1",
	} {
		folder[name] = &fstest.MapFile{Data: []byte("content of " + name)}
	}
	v, err := r.Register(t.Context(), registry.Draft{Key: "a", Folder: folder}, nil)
	require.NoError(t, err)
	require.Len(t, v.Files, len(folder))
	for name, file := range folder {
		content, err := registry.ReadFile(t.Context(), r, v.ID, "model/"+name)
		require.NoError(t, err)
		require.Equal(t, string(file.Data), string(content))
	}
	found, err := registry.Find(t.Context(), r, "a")
	require.NoError(t, err)
	require.Equal(t, v, found)
}

// TestRegister_LongRecord has a record that does not fit into a tag.
func TestRegister_LongRecord(t *testing.T) {
	f := newFake(t)
	cfg := config(f.URL)
	r := open(t, cfg)
	d := registry.Draft{Key: "läuft 'and\" " + strings.Repeat("x", 6000), Tags: map[string]string{}, Folder: fstest.MapFS{}, Metrics: map[string]float64{}}
	for i := range 150 {
		d.Folder.(fstest.MapFS)[fmt.Sprint(i)] = &fstest.MapFile{Data: []byte{byte(i)}}
		d.Tags[fmt.Sprint("<", i)] = strings.Repeat("v", 100*i) // parameters in several batches
		d.Metrics[fmt.Sprint("m", i)] = float64(i)
	}
	v, err := r.Register(t.Context(), d, nil)
	require.NoError(t, err)
	require.Equal(t, d.Tags, v.Tags)
	require.Equal(t, d.Metrics, v.Metrics)
	require.Len(t, v.Files, 150)
	require.Less(t, len(f.models[cfg.Model].find("1").tags["selfheal.version"]), 7000)
	require.Equal(t, v, versions(t, open(t, cfg), registry.Query{})[0])
	found, err := registry.Find(t.Context(), r, d.Key)
	require.NoError(t, err)
	require.Equal(t, v, found)
	for _, run := range f.runs {
		require.Len(t, run.params, 150)
		require.Len(t, run.metrics, 150)
		require.Equal(t, "FINISHED", run.status)
		put(t, f.URL, "1/"+run.id+"/artifacts/.selfheal/manifest.json", []byte(`{"key": "other"}`))
	}
	_, err = registry.Get(t.Context(), open(t, cfg), "1")
	require.ErrorIs(t, err, registry.ErrCorrupt, "the tag vouches for the manifest")
}

// TestRegister_TwoProcesses registers one key in eight processes at the same time.
func TestRegister_TwoProcesses(t *testing.T) { checkOneKey(t, newFake(t).URL) }

func checkOneKey(t *testing.T, server string) {
	cfg := config(server)
	var ids sync.Map
	var working sync.WaitGroup
	for i := range 8 {
		r := open(t, cfg)
		working.Go(func() {
			v, err := r.Register(t.Context(), registry.Draft{Key: "a"}, strings.NewReader(fmt.Sprint(i)))
			if err != nil {
				t.Errorf("register: %v", err)
			}
			ids.Store(v.ID, true)
		})
	}
	working.Wait()
	n := 0
	ids.Range(func(any, any) bool { n++; return true })
	require.Equal(t, 1, n, "all got the same version")
	all := versions(t, open(t, cfg), registry.Query{})
	require.Len(t, all, 1)
	_, err := registry.ReadFile(t.Context(), open(t, cfg), all[0].ID, registry.ModelFile)
	require.NoError(t, err)
}

// TestVersions_Pages lists with one version a page.
func TestVersions_Pages(t *testing.T) {
	f := newFake(t)
	f.pageLimit = 1
	r := open(t, config(f.URL))
	var want []string
	for i := range 12 {
		register(t, r, fmt.Sprint(i))
		want = append([]string{fmt.Sprint(i + 1)}, want...)
	}
	var got []string
	for _, v := range versions(t, r, registry.Query{}) {
		got = append(got, v.ID)
	}
	require.Equal(t, want, got)
}

// TestVersions_Missing has a file, and then a tag, that another client took away.
func TestVersions_Missing(t *testing.T) {
	f := newFake(t)
	cfg := config(f.URL)
	r := open(t, cfg)
	register(t, r, "a")
	promote(t, r, "1", "")
	v, err := registry.Get(t.Context(), r, "1")
	require.NoError(t, err)
	delete(f.artifacts, v.Files[0].Blob)
	_, err = r.Open(t.Context(), "1", registry.ModelFile)
	require.ErrorIs(t, err, registry.ErrCorrupt)
	require.ErrorContains(t, err, "is missing")

	f.models[cfg.Model].tags["selfheal.event.00000001"] = "{"
	_, err = registry.Get(t.Context(), r, "1")
	require.ErrorIs(t, err, registry.ErrCorrupt)
	require.ErrorContains(t, err, "selfheal.event.00000001")
	_, err = registry.InProduction(t.Context(), r)
	require.NoError(t, err, "what is in production is known without it")
}

// TestTransition_Shown checks what other clients see of transitions.
func TestTransition_Shown(t *testing.T) {
	f := newFake(t)
	cfg := config(f.URL)
	cfg.Stages = true
	r := open(t, cfg)
	m := func() *fakeModel { return f.models[cfg.Model] }
	register(t, r, "a", "b")
	require.Equal(t, map[string]string{"challenger": "2"}, m().aliases)
	promote(t, r, "1", "")
	require.Equal(t, map[string]string{"champion": "1", "challenger": "2"}, m().aliases)
	_, err := r.Transition(t.Context(), registry.Transition{
		Version: "2", To: registry.Production, Expect: "1", Actor: "loop", Reason: "F1 0.71 -> 0.74", Decision: "sha256:abc",
	})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"champion": "2", "previous": "1"}, m().aliases)
	require.Equal(t, []string{"Archived", "Production"}, []string{m().versions[0].stage, m().versions[1].stage})
	require.Contains(t, m().versions[1].tags["selfheal.transition"], `"reason":"F1 0.71 -> 0.74","decision":"sha256:abc"`)
	_, err = r.Transition(t.Context(), registry.Transition{Version: "1", To: registry.Production, Expect: "2", Displaced: registry.Quarantined})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"champion": "1"}, m().aliases)
	require.Equal(t, "quarantined", m().versions[1].tags["selfheal.stage"])
	require.Equal(t, []string{"Production", "Archived"}, []string{m().versions[0].stage, m().versions[1].stage})
}

// TestObserve_Once records the same measurements twice.
func TestObserve_Once(t *testing.T) {
	f := newFake(t)
	r := open(t, config(f.URL))
	register(t, r, "a")
	values := make(map[string]float64)
	for i := range 1500 {
		values[fmt.Sprint("drift of <column ", i, ">")] = float64(i)
	}
	for range 2 {
		require.NoError(t, r.Observe(t.Context(), "1", day.Add(90*time.Minute), values))
	}
	run := f.runs[fmt.Sprintf("%032x", 1)]
	require.Len(t, run.metrics, 1500)
	require.Equal(t, "live/drift of _column 0_", run.metrics[0]["key"])
	require.EqualValues(t, 5400, run.metrics[0]["step"])
	require.ErrorIs(t, r.Observe(t.Context(), "77", day, values), registry.ErrNotFound)
	require.Error(t, r.Observe(t.Context(), "1", time.Time{}, values))
}

func TestOpen_InvalidConfig(t *testing.T) {
	_, err := mlflowregistry.Open(t.Context(), mlflowregistry.Config{
		URL: "ftp://user:secret@host?x=1", Model: "a/b", Champion: "latest", Challenger: "v1", Previous: "v1",
		Timeout: -1, Attempts: -1, Backoff: -1, InsecureTLS: true, HTTPClient: &http.Client{Timeout: 1},
	})
	for _, field := range []string{"URL", "Model", "Champion", "Challenger", "Previous", "Timeout", "Attempts", "Backoff", "HTTPClient", "InsecureTLS"} {
		require.ErrorContains(t, err, field)
	}
	require.NotContains(t, err.Error(), "secret")
}

// TestOpen_Login checks who is told to the server, from the Config and the environment.
func TestOpen_Login(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  mlflowregistry.Config
		env  map[string]string
		want string
	}{
		{name: "none"},
		{name: "basic", cfg: mlflowregistry.Config{Username: "ann", Password: "pw"}, want: "Basic YW5uOnB3"},
		{name: "bearer", cfg: mlflowregistry.Config{Token: "t"}, want: "Bearer t"},
		{name: "basic first", cfg: mlflowregistry.Config{Username: "ann", Password: "pw", Token: "t"}, want: "Basic YW5uOnB3"},
		{name: "environment", env: map[string]string{"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "pw", "MLFLOW_TRACKING_TOKEN": "t"}, want: "Basic YW5uOnB3"},
		{name: "token of the environment", env: map[string]string{"MLFLOW_TRACKING_TOKEN": "t"}, want: "Bearer t"},
		{name: "Config before environment", cfg: mlflowregistry.Config{Token: "own"}, env: map[string]string{"MLFLOW_TRACKING_USERNAME": "ann"}, want: "Bearer own"},
		{name: "in the URL", env: map[string]string{"MLFLOW_TRACKING_URI": "ann:pw@"}, want: "Basic YW5uOnB3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
				if got := r.Header.Get("Authorization"); got != c.want {
					t.Errorf("%q, want %q", got, c.want)
				}
				return false
			}, nil)
			for k, v := range c.env {
				if k == "MLFLOW_TRACKING_URI" {
					v = strings.Replace(f.URL, "://", "://"+v, 1)
				}
				t.Setenv(k, v)
			}
			cfg := c.cfg
			cfg.Model = "m"
			if c.env["MLFLOW_TRACKING_URI"] == "" {
				cfg.URL = f.URL
			}
			open(t, cfg)
		})
	}
}

// TestOpen_TLS checks the three ways to trust a server, and a path before the interface.
func TestOpen_TLS(t *testing.T) {
	f := newFake(t)
	secure := httptest.NewUnstartedServer(http.StripPrefix("/mlflow", f.Config.Handler))
	secure.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	dir := t.TempDir()
	cert := filepath.Join(dir, "server.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	require.NoError(t, os.WriteFile(cert, block, 0o600))
	cfg := mlflowregistry.Config{URL: secure.URL + "/mlflow/", Model: "m", Attempts: 1}

	_, err := mlflowregistry.Open(t.Context(), cfg)
	require.ErrorContains(t, err, "certificate")
	trusting := cfg
	trusting.ServerCert = cert
	open(t, trusting)
	trusting = cfg
	trusting.InsecureTLS = true
	open(t, trusting)
	trusting = cfg
	trusting.HTTPClient = secure.Client()
	open(t, trusting)
	t.Run("environment", func(t *testing.T) {
		t.Setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", cert)
		open(t, cfg)
	})
	t.Run("insecure by environment", func(t *testing.T) {
		t.Setenv("MLFLOW_TRACKING_INSECURE_TLS", "true")
		open(t, cfg)
	})
	t.Run("client certificate", func(t *testing.T) {
		t.Setenv("MLFLOW_TRACKING_CLIENT_CERT_PATH", cert) // without its key
		_, err := mlflowregistry.Open(t.Context(), cfg)
		require.ErrorContains(t, err, "ClientCert")
	})
	bad := cfg
	bad.ServerCert = filepath.Join(dir, "absent")
	_, err = mlflowregistry.Open(t.Context(), bad)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestRegister_ReturnsTheSource checks that Register no longer reads its artifact once it
// has returned, although the server answered before it had read all.
func TestRegister_ReturnsTheSource(t *testing.T) {
	f := newFake(t)
	cfg := config(f.URL)
	cfg.Attempts = 1
	r := open(t, cfg)
	f.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut {
			return false
		}
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return true
	}, nil)
	source := &guarded{}
	_, err := r.Register(context.WithoutCancel(t.Context()), registry.Draft{Key: "a"}, io.LimitReader(source, 64<<20))
	require.Error(t, err)
	source.mu.Lock()
	source.returned = true
	source.mu.Unlock()
	time.Sleep(20 * time.Millisecond)
	source.mu.Lock()
	defer source.mu.Unlock()
	require.False(t, source.late)
}

// guarded is an endless source that notes whether it is read too late.
type guarded struct {
	mu             sync.Mutex
	returned, late bool
}

func (g *guarded) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.late = g.late || g.returned
	return len(p), nil
}
