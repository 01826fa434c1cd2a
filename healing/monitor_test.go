package healing_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// promoted registers a version with these documents and puts it into production.
func promoted(t testing.TB, reg registry.Registry, documents map[string][]byte) string {
	t.Helper()
	v, err := reg.Register(t.Context(), registry.Draft{Key: "by hand", Documents: documents}, strings.NewReader(`{"at":0}`))
	require.NoError(t, err)
	_, err = reg.Transition(t.Context(), registry.Transition{Version: v.ID, To: registry.Production})
	require.NoError(t, err)
	return v.ID
}

// reference returns one of a standard normal x and two regions.
func reference(t testing.TB) *drift.Reference {
	t.Helper()
	w := newWorld(t)
	var x []float64
	var regions []string
	for range 2000 {
		x = append(x, w.rng.NormFloat64())
		regions = append(regions, []string{"north", "south"}[w.rng.IntN(2)])
	}
	r, err := drift.NewReference([]drift.Column{drift.Numeric("x", x), drift.Categorical("region", regions)}, drift.ReferenceConfig{})
	require.NoError(t, err)
	return r
}

func TestMonitor_SaysWhyItSkips(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		rows     int
		deploy   bool
		fallback bool
		want     string
	}{
		{"nothing at all", 0, false, false, "0 predictions in 24 h, at least 200 wanted"},
		{"one row", 1, true, true, "1 predictions of version 1 in 24 h, at least 200 wanted"},
		{"one too few", 199, true, true, "199 predictions of version 1 in 24 h, at least 200 wanted"},
		{"no version", 300, false, true, "no version is in production"},
		{"no reference", 300, true, false, "version 1 has no reference, see ReferenceOf"},
		{"enough", 200, true, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if c.deploy {
				promoted(t, w.parts.Registry, nil)
			}
			if c.fallback {
				w.parts.Reference = reference(t)
			}
			w.pass(t, 23*hour, c.rows, 0)
			m, err := healing.NewMonitor(healing.MonitorParts{Predictions: w.parts.Predictions, Registry: w.parts.Registry, Reference: w.parts.Reference}, healing.MonitorConfig{})
			require.NoError(t, err)
			p, err := m.Pass(t.Context(), w.now)
			require.NoError(t, err)
			require.Equal(t, c.want, p.Skipped)
			require.Equal(t, c.rows, p.Samples)
			require.Equal(t, c.want == "", p.Report != nil)
			require.False(t, p.Drifted())
		})
	}
}

// Predictions that name no model are none of a monitor's that has one: the pass says of whom
// it found too few.
func TestMonitor_SaysWhoseAreTooFew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	promoted(t, w.parts.Registry, nil)
	w.pass(t, 23*hour, 300, 0)
	m, err := healing.NewMonitor(healing.MonitorParts{Model: "credit", Predictions: w.parts.Predictions, Registry: w.parts.Registry}, healing.MonitorConfig{})
	require.NoError(t, err)
	p, err := m.Pass(t.Context(), w.now)
	require.NoError(t, err)
	require.Equal(t, "0 predictions of credit of version 1 in 24 h, at least 200 wanted", p.Skipped)
}

func TestMonitor_FindsDrift(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	promoted(t, w.parts.Registry, nil)
	m, err := healing.NewMonitor(healing.MonitorParts{Predictions: w.parts.Predictions, Registry: w.parts.Registry, Reference: reference(t)}, healing.MonitorConfig{})
	require.NoError(t, err)
	w.centre = 1
	w.pass(t, 23*hour, 500, 0)
	p, err := m.Pass(t.Context(), w.now)
	require.NoError(t, err)
	require.True(t, p.Drifted())
	require.Equal(t, []string{"x"}, p.Drift.Columns)
	require.InDelta(t, 0.5, p.Drift.Share, 1e-15)
	require.Contains(t, p.Verdict(), "x")
	require.Equal(t, 500, p.Proxy.Volume)
	require.InDelta(t, 0.84, *p.Proxy.PositiveRate, 0.05)
	require.Equal(t, "version 1", p.Report.Label)
	require.True(t, p.Report.To.Equal(w.now))
}

func TestMonitor_UsesTheVersionsOwnReference(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shifted := newWorld(t)
	shifted.centre = 1
	own, err := json.Marshal(reference(t))
	require.NoError(t, err)
	promoted(t, w.parts.Registry, map[string][]byte{"reference.json": own})
	m, err := healing.NewMonitor(healing.MonitorParts{Predictions: w.parts.Predictions, Registry: w.parts.Registry}, healing.MonitorConfig{})
	require.NoError(t, err)
	w.pass(t, 23*hour, 500, 0)
	p, err := m.Pass(t.Context(), w.now)
	require.NoError(t, err)
	require.Empty(t, p.Skipped)
	require.False(t, p.Drifted())
}

func TestMonitor_RefusesADamagedReference(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own, err := json.Marshal(reference(t))
	require.NoError(t, err)
	damaged := strings.Replace(string(own), "north", "nrth", 1)
	promoted(t, w.parts.Registry, map[string][]byte{"reference.json": []byte(damaged)})
	m, err := healing.NewMonitor(healing.MonitorParts{Predictions: w.parts.Predictions, Registry: w.parts.Registry}, healing.MonitorConfig{})
	require.NoError(t, err)
	_, err = m.Pass(t.Context(), w.now)
	require.ErrorIs(t, err, drift.ErrCorrupt)
	require.ErrorContains(t, err, "version 1: reference.json")
}

func TestMonitor_CountsViolations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	promoted(t, w.parts.Registry, nil)
	w.pass(t, hour, 10, 0)
	broken := predictlog.Record{
		ID: "broken", Time: w.now, Version: "1",
		Row:        predictlog.Row{predictlog.Number(math.Inf(1)), predictlog.Category("west")},
		Output:     predictlog.Output{Class: "1", Probabilities: []float64{0, 1}},
		Violations: []predictlog.Violation{{Column: "region", Rule: "oneof=north south", Value: "west"}},
	}
	require.NoError(t, w.parts.Predictions.Append(t.Context(), broken))
	m, err := healing.NewMonitor(healing.MonitorParts{Predictions: w.parts.Predictions, Registry: w.parts.Registry, Reference: reference(t)}, healing.MonitorConfig{MinSamples: 5})
	require.NoError(t, err)
	p, err := m.Pass(t.Context(), w.now.Add(time.Second))
	require.NoError(t, err)
	require.Equal(t, 11, p.Samples)
	require.Equal(t, 1, p.Violations)
}

// TestMonitor_Regression has a model that answers numbers. Its scores are described in the
// range of the answers that it gave before.
func TestMonitor_Regression(t *testing.T) {
	t.Parallel()
	schema, err := predictlog.NewSchema([]predictlog.Column{{Name: "x", Kind: predictlog.Numeric}}, predictlog.Target{Task: predictlog.Regression})
	require.NoError(t, err)
	upTo := func(i int) float64 { return float64(i) }
	constant := func(int) float64 { return 7 }
	for _, c := range []struct {
		name      string
		reference func(i int) float64
		value     func(i int) float64
		mean      float64 // 0 for no scores
	}{
		{"ordinary", upTo, upTo, 4.5},
		{"without a reference", nil, upTo, 0},
		{"reference without a range", constant, upTo, 0},
		{"reference with an infinite range", func(i int) float64 { return []float64{-math.MaxFloat64, math.MaxFloat64}[i%2] }, upTo, 0},
		{"constant", upTo, constant, 7},
		{"not a number", upTo, func(i int) float64 { return []float64{1, math.NaN()}[i%2] }, 1},
		{"infinite", upTo, func(i int) float64 { return []float64{1, math.Inf(1)}[i%2] }, 1},
		{"no number at all", upTo, func(int) float64 { return math.NaN() }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := predictlog.NewMemoryStore(schema)
			var outputs []predictlog.Output
			for i := range 10 {
				require.NoError(t, store.Append(t.Context(), predictlog.Record{
					ID: fmt.Sprint("p", i), Time: epoch, Version: "1",
					Row: predictlog.Row{predictlog.Number(float64(i))}, Output: predictlog.Output{Value: c.value(i)},
				}))
				if c.reference != nil {
					outputs = append(outputs, predictlog.Output{Value: c.reference(i)})
				}
			}
			documents := map[string][]byte{}
			if outputs != nil {
				documents[healing.AnswersDocument], err = healing.AnswersOf(schema, outputs)
				require.NoError(t, err)
			}
			reg := registry.NewMemory()
			promoted(t, reg, documents)
			ref, err := drift.NewReference([]drift.Column{drift.Numeric("x", []float64{1, 2, 3})}, drift.ReferenceConfig{})
			require.NoError(t, err)
			m, err := healing.NewMonitor(healing.MonitorParts{Predictions: store, Registry: reg, Reference: ref}, healing.MonitorConfig{MinSamples: 5})
			require.NoError(t, err)
			p, err := m.Pass(t.Context(), epoch.Add(time.Second))
			require.NoError(t, err)
			require.Equal(t, 10, p.Proxy.Volume)
			require.Equal(t, 10, p.Proxy.Trends[2].N)
			require.Nil(t, p.Proxy.PositiveRate)
			require.Equal(t, c.mean != 0, p.Proxy.Scores != nil)
			if c.mean != 0 {
				require.InDelta(t, c.mean, p.Proxy.Scores.Mean, 1e-12)
			}
			require.Equal(t, outputs != nil, p.Answers != nil)
			_, err = json.Marshal(p)
			require.NoError(t, err)
		})
	}
}

func TestNewMonitor_RefusesBadConfig(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := healing.NewMonitor(healing.MonitorParts{Registry: w.parts.Registry}, healing.MonitorConfig{})
	require.Error(t, err)
	_, err = healing.NewMonitor(healing.MonitorParts{Predictions: w.parts.Predictions, Registry: w.parts.Registry}, healing.MonitorConfig{Window: -1, Every: -1})
	require.ErrorContains(t, err, "Window is -1ns, want gte=0")
	require.ErrorContains(t, err, "Every is -1ns, want gte=0")
	_, err = healing.NewMonitor(healing.MonitorParts{Predictions: w.parts.Predictions, Registry: w.parts.Registry},
		healing.MonitorConfig{Window: time.Minute, Bucket: time.Hour, Lateness: -1, Replica: "\x00"})
	require.ErrorContains(t, err, "Window is 1m0s, want at least Bucket, 1h0m0s")
	require.ErrorContains(t, err, "Lateness is -1ns, want gte=0")
	require.ErrorContains(t, err, "Replica")
	_, err = healing.NewMonitor(healing.MonitorParts{Predictions: w.parts.Predictions, Registry: w.parts.Registry}, healing.MonitorConfig{Bucket: time.Millisecond})
	require.ErrorContains(t, err, "Bucket is 1ms, want at least 1s")
	_, err = healing.NewMonitor(healing.MonitorParts{Predictions: w.parts.Predictions, Registry: w.parts.Registry, Reference: reference(t)}, healing.MonitorConfig{Drift: drift.Config{Alpha: 2}})
	require.ErrorContains(t, err, "lpha")
}
