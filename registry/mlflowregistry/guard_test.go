package mlflowregistry_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/mlflowregistry"
)

// TestAnswer_IsNotTheServers has something between that answers writes with a login page,
// at once or behind a redirect: nothing counts as written, whatever client the host gives.
func TestAnswer_IsNotTheServers(t *testing.T) {
	for _, redirected := range []bool{false, true} {
		for _, client := range []*http.Client{nil, {}} {
			t.Run(fmt.Sprintf("redirected %t, own client %t", redirected, client != nil), func(t *testing.T) {
				f := newFake(t)
				cfg := config(f.URL)
				cfg.HTTPClient = client
				r := open(t, cfg)
				register(t, r, "a")
				f.intercept(func(w http.ResponseWriter, r *http.Request) bool {
					switch {
					case r.URL.Path == "/login" || r.Method != http.MethodGet && !redirected:
						fmt.Fprint(w, "<html>Please log in</html>")
					case r.Method != http.MethodGet:
						http.Redirect(w, r, "/login", http.StatusFound)
					default:
						return false
					}
					return true
				}, nil)
				require.Error(t, r.Observe(t.Context(), "1", day, map[string]float64{"x": 1}))
				_, err := r.Attach(t.Context(), registry.Attachment{Version: "1", Metrics: map[string]float64{"x": 1}})
				require.Error(t, err)
				_, err = r.Attach(t.Context(), registry.Attachment{Version: "1", Documents: map[string][]byte{"x": []byte("x")}})
				require.Error(t, err)
			})
		}
	}
}

// TestOpen_LoginOfTheURL checks that what the Config says of this server goes before what
// the environment says of another one, and that errors show no part of it.
func TestOpen_LoginOfTheURL(t *testing.T) {
	f := newFake(t)
	f.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if user, password, _ := r.BasicAuth(); user != "ann" || password != "pw" {
			t.Errorf("login of %q with %q", user, password)
		}
		return false
	}, nil)
	t.Setenv("MLFLOW_TRACKING_USERNAME", "other")
	t.Setenv("MLFLOW_TRACKING_PASSWORD", "other's")
	open(t, mlflowregistry.Config{URL: strings.Replace(f.URL, "://", "://ann:pw@", 1), Model: "m"})

	for _, url := range []string{"ftp://token@host", "http://token@host?a=b", "http://token:@host#x", "http://host?key=token"} {
		_, err := mlflowregistry.Open(t.Context(), mlflowregistry.Config{URL: url, Model: "m"})
		require.ErrorContains(t, err, "host")
		require.NotContains(t, err.Error(), "token")
	}
}

// TestDelete_Elsewhere has another client change the record of a version, so that its file
// seems to be in another run: nothing is deleted there.
func TestDelete_Elsewhere(t *testing.T) {
	f := newFake(t)
	r := open(t, config(f.URL))
	register(t, r, "a", "b", "c")
	promote(t, r, "1", "")
	promote(t, r, "2", "1")
	promote(t, r, "3", "2")
	for _, to := range []string{"/../../%032x/artifacts/model", "/./../../%032x/artifacts/model", "//model-%d"} {
		v, err := registry.Get(t.Context(), r, "1")
		require.NoError(t, err)
		f.mu.Lock()
		for _, m := range f.models {
			for _, x := range m.versions {
				if x.number != 1 {
					continue
				}
				var rec map[string]any
				require.NoError(t, json.Unmarshal([]byte(x.tags["selfheal.version"]), &rec))
				file := rec["files"].([]any)[0].(map[string]any)
				root, _, _ := strings.Cut(v.Files[0].Blob, "/artifacts")
				file["blob"] = root + "/artifacts" + fmt.Sprintf(to, 3)
				text, err := json.Marshal(rec)
				require.NoError(t, err)
				x.tags["selfheal.version"] = string(text)
			}
		}
		f.calls = nil
		f.mu.Unlock()
		require.ErrorIs(t, r.Delete(t.Context(), registry.Deletion{Version: "1"}), registry.ErrCorrupt)
		f.mu.Lock()
		for _, call := range f.calls {
			require.False(t, strings.HasPrefix(call, "DELETE mlflow-artifacts"), call)
		}
		f.mu.Unlock()
	}
}

// TestForeign_EndlessFolder has a folder that seems to hold itself, as one with a symbolic
// link does.
func TestForeign_EndlessFolder(t *testing.T) {
	f := newFake(t)
	cfg := config(f.URL)
	r := open(t, cfg)
	register(t, r, "a")
	v, err := registry.Get(t.Context(), r, "1")
	require.NoError(t, err)
	root, _, _ := strings.Cut(v.Files[0].Blob, "/artifacts")
	other(t, f.URL, http.MethodPost, "model-versions/create", map[string]any{
		"name": cfg.Model, "source": "mlflow-artifacts:/" + root + "/artifacts/m", "run_id": root[strings.LastIndex(root, "/")+1:],
	})
	lists := 0
	f.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "mlflow-artifacts/artifacts") {
			return false
		}
		if lists++; lists > 2000 {
			http.Error(w, "enough", http.StatusTeapot)
		} else {
			fmt.Fprint(w, `{"files": [{"path": "again", "is_dir": true}]}`)
		}
		return true
	}, nil)
	_, err = r.Adopt(t.Context(), "2")
	require.ErrorContains(t, err, "deep")
	require.Less(t, lists, 2000)
}

// TestCaveat checks that it is said what is promised with a lease and without.
func TestCaveat(t *testing.T) {
	r := registry.Caveat(open(t, config(newFake(t).URL)))
	require.Contains(t, r.Caveat(false), "two processes")
	require.Contains(t, r.Caveat(true), "next poll")
	require.NotContains(t, r.Caveat(true), "two processes")
}
