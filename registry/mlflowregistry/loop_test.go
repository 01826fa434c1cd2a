package mlflowregistry_test

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/internal/looptest"
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

// checkLoop has several processes heal a model, each with a Registry of its own, and looks
// whether another client of MLflow sees what they learnt.
func checkLoop(t *testing.T, server string) {
	var reported foreign
	cfg := config(server)
	cfg.OnForeign = reported.on
	journal, lease := new(registry.MemoryLog), new(healing.MemoryLease)
	out := looptest.Run(t, func() looptest.Stores {
		return looptest.Stores{Registry: open(t, cfg), Journal: journal, Lease: lease}
	})
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
	events := history(t, open(t, cfg))
	require.False(t, slices.ContainsFunc(events, func(e registry.Event) bool { return e.Actor == mlflowregistry.ForeignActor }))
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
