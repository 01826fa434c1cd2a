package mlflowregistry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/mlflowregistry"
	"github.com/selfheal-ml/selfheal/registry/registrytest"
	"github.com/stretchr/testify/require"
)

// setting returns an environment variable that a test against a real server needs. Without
// it the test is skipped, or fails where all tests must run.
func setting(t *testing.T, name, what string) string {
	t.Helper()
	value := os.Getenv(name)
	switch {
	case value != "":
	case os.Getenv("SELFHEAL_CI") == "1":
		t.Fatalf("%s is not set, and SELFHEAL_CI is 1: want %s", name, what)
	default:
		t.Skipf("%s is not set: want %s", name, what)
	}
	return value
}

func realServer(t *testing.T) string {
	t.Helper()
	return setting(t, "SELFHEAL_MLFLOW", "the URL of an MLflow server")
}

func TestReal_Kit(t *testing.T) {
	h := harness(realServer(t))
	h.Features.NoSwap = true
	registrytest.Run(t, h)
}

func TestReal_Lease(t *testing.T)    { checkLease(t, realServer(t), 3) }
func TestReal_Foreign(t *testing.T)  { checkForeignMoves(t, realServer(t)) }
func TestReal_OddNames(t *testing.T) { checkOddNames(t, realServer(t)) }
func TestReal_OneKey(t *testing.T)   { checkOneKey(t, realServer(t)) }

// TestReal_Traps holds what the fake server does against the real one.
func TestReal_Traps(t *testing.T) {
	real := realServer(t)
	for _, server := range []string{real, newFake(t).URL} {
		cfg := config(server)
		cfg.Attempts = 1
		r := open(t, cfg)
		register(t, r, "a", "b")
		name := url.QueryEscape(cfg.Model)
		answer := func(method, path, body string) (int, string) {
			req, err := http.NewRequestWithContext(t.Context(), method, server+"/api/2.0/"+path, strings.NewReader(body))
			require.NoError(t, err)
			req.Header.Set("Content-Type", "application/json")
			res, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			defer res.Body.Close()
			data, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			return res.StatusCode, string(data)
		}
		v, err := registry.Get(t.Context(), r, "1")
		require.NoError(t, err)
		blob := v.Files[0].Blob
		quoted := `"` + cfg.Model + `"`
		for _, c := range []struct {
			method, path, body string
			status             int
			contains           string
		}{
			{"GET", "mlflow/model-versions/search?max_results=10&filter=name%3D%27absent%27", "", 200, "{}"},
			{"GET", "mlflow/model-versions/search?max_results=1&filter=name%3D%27" + name + "%27", "", 200, "next_page_token"},
			{"GET", "mlflow/model-versions/search?max_results=200001&filter=name%3D%27" + name + "%27", "", 400, "INVALID_PARAMETER_VALUE"},
			{"GET", "mlflow/registered-models/alias?alias=absent&name=" + name, "", 400, "INVALID_PARAMETER_VALUE"},
			{"GET", "mlflow/registered-models/alias?alias=absent&name=absent", "", 404, "RESOURCE_DOES_NOT_EXIST"},
			{"GET", "mlflow/model-versions/get?version=77&name=" + name, "", 404, "RESOURCE_DOES_NOT_EXIST"},
			{"GET", "mlflow/model-versions/get?version=a&name=" + name, "", 400, "INVALID_PARAMETER_VALUE"},
			{"GET", "mlflow/model-versions/get?version=02&name=" + name, "", 200, `"version"`},
			{"POST", "mlflow/registered-models/alias", `{"alias": "x", "version": 1, "name": ` + quoted + `}`, 400, "INVALID_PARAMETER_VALUE"},
			{"POST", "mlflow/registered-models/alias", `{"alias": "latest", "version": "1", "name": ` + quoted + `}`, 400, "INVALID_PARAMETER_VALUE"},
			{"POST", "mlflow/registered-models/create", `{"name": ` + quoted + `}`, 400, "RESOURCE_ALREADY_EXISTS"},
			{"POST", "mlflow/experiments/create", `{"name": "Default"}`, 400, "RESOURCE_ALREADY_EXISTS"},
			{"DELETE", "mlflow/registered-models/alias?alias=x&name=" + name, "", 400, "Missing value"},
			{"DELETE", "mlflow/registered-models/alias", `{"alias": "absent", "name": ` + quoted + `}`, 200, "{}"},
			{"POST", "mlflow/model-versions/transition-stage", `{"version": "1", "stage": "Archived", "archive_existing_versions": true, "name": ` + quoted + `}`, 500, "INTERNAL_ERROR"},
			{"POST", "mlflow/model-versions/create", `{"source": "mlflow-artifacts:/` + strings.TrimSuffix(blob, "/model") + `", "name": ` + quoted + `}`, 400, "run_id"},
			{"POST", "mlflow/model-versions/set-tag", `{"version": "1", "key": "a<b", "value": "", "name": ` + quoted + `}`, 400, "Names may only contain"},
			{"POST", "mlflow/runs/log-batch", `{"run_id": "` + strings.Split(blob, "/")[1] + `", "params": null}`, 500, "<!doctype html>"},
			{"GET", "mlflow/nothing", "", 404, "<!doctype html>"},
			{"PUT", "mlflow-artifacts/artifacts/" + blob, "over it", 200, ""},
			{"PUT", "mlflow-artifacts/artifacts/" + blob + "%23b", "x", 400, "Invalid path"},
			{"GET", "mlflow-artifacts/artifacts/" + blob + "x", "", 404, "RESOURCE_DOES_NOT_EXIST"},
			{"GET", "mlflow-artifacts/artifacts/" + strings.TrimSuffix(blob, "/model"), "", 400, "detail"},
			{"GET", "mlflow-artifacts/artifacts?path=absent", "", 200, "{}"},
			{"DELETE", "mlflow-artifacts/artifacts/" + blob + "x", "", 200, "{}"},
		} {
			status, body := answer(c.method, c.path, c.body)
			require.Equal(t, c.status, status, "%s: %s %s: %s", server, c.method, c.path, body)
			require.Contains(t, body, c.contains, "%s: %s %s", server, c.method, c.path)
			if c.method == "PUT" && c.status == 200 {
				require.Empty(t, body)
			}
		}
	}
}

// TestReal_Large streams an artifact in constant memory, and reads it back.
func TestReal_Large(t *testing.T) {
	const size = 200 << 20
	r := open(t, config(realServer(t)))
	before := allocated()
	v, err := r.Register(t.Context(), registry.Draft{Key: "a"}, io.LimitReader(rand.NewChaCha8([32]byte{}), size))
	require.NoError(t, err)
	require.EqualValues(t, size, v.Files[0].Size)
	f, err := r.Open(t.Context(), v.ID, registry.ModelFile)
	require.NoError(t, err)
	n, err := io.Copy(io.Discard, f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.EqualValues(t, size, n)
	require.Less(t, allocated()-before, uint64(16<<20), "bytes allocated in all")
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// python runs MLflow's own client and decodes what it prints.
func python(t *testing.T, server string, args ...string) map[string]any {
	t.Helper()
	interpreter := setting(t, "SELFHEAL_MLFLOW_PYTHON", "a Python that has the package mlflow")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, interpreter, append([]string{"testdata/client.py"}, args...)...)
	cmd.Env = append(os.Environ(), "MLFLOW_TRACKING_URI="+server, "PYTHONWARNINGS=ignore")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	require.NoError(t, err, "%s", errs.String())
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	answer := make(map[string]any)
	require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &answer), string(out))
	return answer
}

// sum is a model that MLflow's Python client can load.
func sum(factor string) fstest.MapFS {
	return fstest.MapFS{
		"MLmodel": {Data: []byte(`artifact_path: model
flavors:
  python_function:
    loader_module: selfheal_sum
    code: code
    data: data
    python_version: 3.11.0
    env: {}
model_uuid: 00000000000000000000000000000000
utc_time_created: '2025-03-01 12:30:00.000000'
`)},
		"code/selfheal_sum.py": {Data: []byte(`
import os

class Sum:
    def __init__(self, factor):
        self.factor = factor

    def predict(self, model_input, params=None):
        return self.factor * sum(model_input)

def _load_pyfunc(path):
    with open(os.path.join(path, "factor")) as f:
        return Sum(int(f.read()))
`)},
		"data/factor": {Data: []byte(factor)},
	}
}

// TestReal_PythonSees promotes a model here, and loads it with MLflow's own client, which
// also sees all that was learnt of it.
func TestReal_PythonSees(t *testing.T) {
	server := realServer(t)
	cfg := config(server)
	r := open(t, cfg)
	for _, factor := range []string{"2", "3"} {
		_, err := r.Register(t.Context(), registry.Draft{
			Key: "run-" + factor, Time: day, Folder: sum(factor), Documents: map[string][]byte{"reference.json": []byte("{}")},
			Tags: map[string]string{"trainer": "least squares"}, Metrics: map[string]float64{"f1": 0.74},
		}, nil)
		require.NoError(t, err)
	}
	_, err := r.Attach(t.Context(), registry.Attachment{
		Version: "2", Documents: map[string][]byte{"decision.json": []byte(`{"promote":true}`)}, Metrics: map[string]float64{"gain": 0.03},
	})
	require.NoError(t, err)
	promote(t, r, "1", "")
	promote(t, r, "2", "1")
	for i := range 3 {
		at := day.Add(time.Duration(i) * 5 * time.Minute)
		require.NoError(t, r.Observe(t.Context(), "2", at, map[string]float64{"positive rate": 0.25 * float64(i)}))
	}
	seen := python(t, server, "sees", cfg.Model)
	require.Equal(t, "2", seen["version"])
	require.Equal(t, "production", seen["stage_tag"])
	require.EqualValues(t, 9, seen["answer"])
	require.Equal(t, map[string]any{"trainer": "least squares"}, seen["params"])
	require.Equal(t, map[string]any{"f1": 0.74, "gain": 0.03, "live/positive rate": 0.5}, seen["metrics"], "the latest of each")
	require.Equal(t, "FINISHED", seen["status"])
	require.Equal(t, []any{[]any{0.0, 0.0}, []any{300.0, 0.25}, []any{600.0, 0.5}}, seen["history"])
	require.Subset(t, seen["artifacts"], []any{"model", "reference.json", "attached"})
	require.Len(t, seen["attached"], 1)
	require.Contains(t, seen["attached"].([]any)[0], "/decision.json")

	// A rollback is seen too.
	_, err = r.Transition(t.Context(), registry.Transition{Version: "1", To: registry.Production, Expect: "2", Displaced: registry.Quarantined})
	require.NoError(t, err)
	seen = python(t, server, "sees", cfg.Model)
	require.Equal(t, "1", seen["version"])
	require.EqualValues(t, 6, seen["answer"])
	require.Equal(t, []any{"2"}, seen["quarantined"])

	// And a person's choice is seen here, at the next poll.
	python(t, server, "moves", cfg.Model, "2")
	v, err := registry.InProduction(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, "2", v.ID)
	last := history(t, r)[3]
	require.Equal(t, []any{mlflowregistry.ForeignActor, registry.Quarantined, "1"}, []any{last.Actor, last.From, last.Displaced})
}

// TestReal_PythonRegisters has MLflow's own client train, register and promote a model.
func TestReal_PythonRegisters(t *testing.T) {
	server := realServer(t)
	var reported foreign
	cfg := config(server)
	cfg.OnForeign = reported.on
	r := open(t, cfg)
	_, err := r.Register(t.Context(), registry.Draft{Key: "ours", Folder: sum("2")}, nil)
	require.NoError(t, err)
	promote(t, r, "1", "")

	made := python(t, server, "registers", cfg.Model)
	id := made["version"].(string)
	require.Contains(t, made["source"], "models:/m-", "no path: the server must be asked")
	v, err := registry.InProduction(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, id, v.ID)
	require.Empty(t, v.Key)
	require.Equal(t, "risk", v.Tags["team"])
	require.Contains(t, names(v), "model/MLmodel")
	require.Len(t, reported.events, 1)
	_, err = r.Open(t.Context(), id, "model/MLmodel")
	require.ErrorIs(t, err, mlflowregistry.ErrUnverified)

	v, err = r.Adopt(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, map[string]float64{"f1": 0.75}, v.Metrics)
	artifact, err := registry.OpenArtifact(t.Context(), r, v)
	require.NoError(t, err)
	require.NoError(t, artifact.Verify())
	require.NoError(t, artifact.Close())
	mlmodel, err := registry.ReadFile(t.Context(), r, id, "model/MLmodel")
	require.NoError(t, err)
	require.Contains(t, string(mlmodel), "python_function")

	// It takes part in what follows as any version does.
	promote(t, r, "1", id)
	back, err := registry.Predecessor(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, id, back.ID)
	_, err = r.Transition(t.Context(), registry.Transition{Version: id, To: registry.Quarantined, Reason: "too old"})
	require.NoError(t, err)
	require.Equal(t, []any{id}, python(t, server, "sees", cfg.Model)["quarantined"])
}
