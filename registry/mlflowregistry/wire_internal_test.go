package mlflowregistry

import (
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNumber(t *testing.T) {
	for text, want := range map[string]float64{
		"0.5": 0.5, "-1e-300": -1e-300, `"NaN"`: math.NaN(), `"Infinity"`: math.Inf(1), `"-Infinity"`: math.Inf(-1), "1.797e308": 1.797e308,
	} {
		var n number
		require.NoError(t, json.Unmarshal([]byte(text), &n), text)
		if math.IsNaN(want) {
			require.True(t, math.IsNaN(float64(n)))
		} else {
			require.Equal(t, want, float64(n))
		}
		data, err := json.Marshal(n)
		require.NoError(t, err)
		var again number
		require.NoError(t, json.Unmarshal(data, &again), string(data))
		require.Equal(t, math.Float64bits(float64(n)), math.Float64bits(float64(again)))
	}
	var n number
	require.Error(t, json.Unmarshal([]byte(`"fast"`), &n))
}

func TestArtifactPath(t *testing.T) {
	for uri, want := range map[string]string{
		"mlflow-artifacts:/1/a/artifacts":            "1/a/artifacts",
		"mlflow-artifacts://host:80/1/a/artifacts":   "1/a/artifacts",
		"mlflow-artifacts:///1/a/artifacts/model":    "1/a/artifacts/model",
		"mlflow-artifacts:/1/models/m-2/artifacts/":  "1/models/m-2/artifacts",
		"mlflow-artifacts:":                          "",
		"mlflow-artifacts://host":                    "",
		"s3://bucket/1":                              "",
		"/local/1":                                   "",
		"models:/m-2":                                "",
		"https://host/api/2.0/mlflow-artifacts/1":    "",
		"mlflow-artifacts:/1/100%/artifacts/model 1": "1/100%/artifacts/model 1",
	} {
		got, ok := artifactPath(uri)
		require.Equal(t, want, got, uri)
		require.Equal(t, want != "", ok, uri)
	}
}

// FuzzDisplay checks that MLflow accepts every name that is shown to it.
func FuzzDisplay(f *testing.F) {
	for _, s := range []string{"f1", "läuft", "a<b", "", "..", "../a", "/a", "a//b", "a/../b", ".", "a/", strings.Repeat("ü", 200), "\xff"} {
		f.Add(s)
	}
	accepted := regexp.MustCompile(`^[/\p{L}\p{N}_.\- :]+$`)
	f.Fuzz(func(t *testing.T, s string) {
		for _, prefix := range []string{"", "live/"} {
			shown := display(prefix + s)
			if !accepted.MatchString(shown) || len(shown) > maxName {
				t.Errorf("%q is shown as %q", s, shown)
			}
			for part := range strings.SplitSeq(shown, "/") {
				if part == "" || part == "." || part == ".." {
					t.Errorf("%q is shown as %q", s, shown)
				}
			}
		}
	})
}

// FuzzView checks that tags of any content make a view or an error, and that a view has
// its notes in order.
func FuzzView(f *testing.F) {
	f.Add("selfheal.event.00000001", `{"seq":1,"version":"1","from":"staging","to":"production"}`, "1")
	f.Add("selfheal.event.00000002-7", `{"seq":2,"version":"2","to":"production","rank":7,"done":true}`, "1")
	f.Add("selfheal.fence.00000000000000000007", "", "")
	f.Add("selfheal.event.", `{`, "")
	f.Fuzz(func(t *testing.T, key, value, champion string) {
		var m registeredModel
		m.Tags = []tag{{key, value}, {"selfheal.event.00000001", `{"seq":1,"version":"3","to":"archived"}`}}
		m.Aliases = append(m.Aliases, struct {
			Alias   string `json:"alias"`
			Version string `json:"version"`
		}{"champion", champion})
		v, err := newView(m, "champion")
		if err != nil {
			return
		}
		for i := 1; i < len(v.notes); i++ {
			if v.notes[i].Seq <= v.notes[i-1].Seq {
				t.Errorf("%+v", v.notes)
			}
		}
		if e, ok := v.foreign("champion", v.places["3"].since); ok != (v.champion != v.production) || ok && e.Seq != v.next() {
			t.Errorf("%+v", e)
		}
	})
}
