package mlflowregistry_test

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing/looptest"
	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/mlflowregistry"
)

func TestLoop(t *testing.T) {
	t.Parallel()
	checkLoop(t, newFake(t).URL)
}

func TestReal_Loop(t *testing.T) {
	t.Parallel()
	checkLoop(t, realServer(t))
}

// A server that fails or whose answers get lost, one request of seven, costs time and no more.
func TestLoop_BadServer(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		fails := rand.IntN(20) == 0
		if fails {
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
		return fails
	}, func(*http.Request) bool { return rand.IntN(10) == 0 })
	var reported foreign
	cfg := config(f.URL)
	cfg.Attempts, cfg.OnForeign = 20, reported.on
	runLoop(t, cfg)
	require.Empty(t, reported.events)
	f.mu.Lock()
	defer f.mu.Unlock()
	require.Len(t, f.runs, 2, "one for each version")
}

// runLoop runs the story of several processes, each with a Registry of its own.
func runLoop(t *testing.T, cfg mlflowregistry.Config) looptest.Outcome {
	shared := looptest.Memory()
	return looptest.Run(t, func() looptest.Stores {
		s := shared
		s.Registry = open(t, cfg)
		return s
	})
}

// checkLoop has several processes heal a model, and looks whether another client of MLflow sees
// what they learnt.
func checkLoop(t *testing.T, server string) {
	var reported foreign
	cfg := config(server)
	cfg.OnForeign = reported.on
	out := runLoop(t, cfg)
	require.Contains(t, out.Status.Caveat, "MLflow has no compare-and-set: promotions under the lease are exact")
	require.Empty(t, reported.events, "nothing that a loop did is taken for the work of another client")

	model := url.QueryEscape(cfg.Model)
	get := func(call string) map[string]any { return other(t, server, http.MethodGet, call, nil) }
	aliases := map[any]any{}
	for _, a := range get("registered-models/get?name=" + model)["registered_model"].(map[string]any)["aliases"].([]any) {
		a := a.(map[string]any)
		aliases[a["alias"]] = a["version"]
	}
	require.Equal(t, out.First.ID, aliases["champion"])
	require.NotContains(t, aliases, "previous", "what was in production is quarantined")

	for _, v := range []registry.Version{out.First, out.Second} {
		version := get("model-versions/get?name=" + model + "&version=" + v.ID)["model_version"].(map[string]any)
		require.Equal(t, string(v.Stage), pairs(version["tags"])["selfheal.stage"])
		run := get("runs/get?run_id=" + version["run_id"].(string))["run"].(map[string]any)
		require.Equal(t, "FINISHED", run["info"].(map[string]any)["status"])

		data := run["data"].(map[string]any)
		params := pairs(data["params"])
		require.Equal(t, "threshold", params["trainer"])
		require.Equal(t, v.Key, params["selfheal.run"])
		require.Len(t, params["selfheal.dataset"], 64)
		seen := pairs(data["metrics"])
		require.Equal(t, v.Metrics["at"], seen["at"])
		require.Equal(t, v.Metrics["gate.f1"], seen["gate.f1"])
		require.Positive(t, seen["gate.f1"])
		if v.ID == out.Second.ID {
			require.Less(t, seen["gate.production.f1"], seen["gate.f1"])
		}

		for _, name := range []string{"samples", "violations", "drifted_share", "positive_rate", "score_mean"} {
			points := get("metrics/get-history?run_id=" + version["run_id"].(string) + "&metric_key=live%2Fmonitor." + name)["metrics"].([]any)
			require.Greater(t, len(points), 4, name)
			last := -1.0
			for _, p := range points {
				p := p.(map[string]any)
				at := time.UnixMilli(int64(p["timestamp"].(float64)))
				require.Equal(t, at.Sub(v.Created).Truncate(time.Second).Seconds(), p["step"], name)
				require.Greater(t, p["step"], last, "measured over time")
				last = p["step"].(float64)
			}
		}

		for _, name := range []string{"reference.json", "answers.json", "decision.json", "decision.html"} {
			f, err := v.File(name)
			require.NoError(t, err)
			require.Equal(t, name != "reference.json", strings.Contains(f.Blob, "/attached/"), f.Blob)
			require.Contains(t, list(t, server, path.Dir(f.Blob)), name)
		}
	}
	experiment := get("experiments/get-by-name?experiment_name=" + url.QueryEscape("selfheal "+cfg.Model))["experiment"].(map[string]any)["experiment_id"]
	runs := other(t, server, http.MethodPost, "runs/search", map[string]any{
		"experiment_ids": []any{experiment}, "filter": "tags.`selfheal.model`='" + cfg.Model + "'",
	})["runs"]
	require.Len(t, runs, len(versions(t, open(t, cfg), registry.Query{})), "the process that woke up left no run behind")

	checkForeignLoop(t, server, cfg, out)
	require.Len(t, reported.events, 2)
}

// checkForeignLoop has people put versions into production by MLflow's own means while a loop
// goes on.
func checkForeignLoop(t *testing.T, server string, cfg mlflowregistry.Config, out looptest.Outcome) {
	// One of ours, although it is quarantined: the loop monitors it.
	alias(t, server, cfg.Model, "champion", out.Second.ID)
	status, err := out.Days(t, 1)
	require.NoError(t, err)
	require.Equal(t, out.Second.ID, status.Production.ID)
	require.Equal(t, out.Second.ID, status.Passes[0].Version)
	require.Equal(t, "stable", status.Health, status.Summary)

	// One that Python registered. Nobody vouches for its files: the one before goes on
	// answering, and a retraining cannot be judged and says why.
	run := other(t, server, http.MethodPost, "runs/create", map[string]any{"experiment_id": "0", "start_time": 1})["run"].(map[string]any)["info"].(map[string]any)
	put(t, server, strings.TrimPrefix(run["artifact_uri"].(string), "mlflow-artifacts:/")+"/m/"+looptest.Weights, []byte(`{"at": 2.9}`))
	made := other(t, server, http.MethodPost, "model-versions/create", map[string]any{
		"name": cfg.Model, "source": run["artifact_uri"].(string) + "/m", "run_id": run["run_id"],
	})["model_version"].(map[string]any)["version"].(string)
	alias(t, server, cfg.Model, "champion", made)
	_, err = out.Loop.Retrain(t.Context(), "ann", "to see what happens", out.Now())
	require.NoError(t, err)
	status, err = out.Days(t, 2)
	require.ErrorIs(t, err, mlflowregistry.ErrUnverified)
	require.Equal(t, made, status.Production.ID)
	require.EqualValues(t, "aborted", status.Runs[0].Step)
	require.Contains(t, status.Runs[0].Reason, "nobody adopted")

	// Adopted, it takes part as any other.
	_, err = open(t, cfg).Adopt(t.Context(), made)
	require.NoError(t, err)
	status, err = out.Days(t, 1)
	require.NoError(t, err)
	require.Equal(t, made, status.Passes[0].Version)
	require.Positive(t, status.Passes[0].Samples)
	retraining, err := out.Loop.Retrain(t.Context(), "ann", "to see it judged", out.Now())
	require.NoError(t, err)
	status, err = out.Days(t, 1)
	require.NoError(t, err)
	require.Equal(t, retraining.ID, status.Runs[0].ID)
	require.NotNil(t, status.Runs[0].Decision, status.Runs[0].Reason)
	require.Equal(t, made, status.Runs[0].Predecessor)
}

// pairs returns a list of keys and values as MLflow has them.
func pairs(list any) map[string]any {
	all := make(map[string]any)
	for _, e := range list.([]any) {
		e := e.(map[string]any)
		all[e["key"].(string)] = e["value"]
	}
	return all
}
