package healing_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	gatemetrics "github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/healing/healingtest"
	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/fileregistry"
)

// observing is a registry that keeps measurements over time.
type observing struct {
	*registry.Ledger
	mu   sync.Mutex
	seen map[string]map[time.Time]map[string]float64 // by version; guarded by mu
}

func (o *observing) Observe(_ context.Context, version string, at time.Time, metrics map[string]float64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen == nil {
		o.seen = map[string]map[time.Time]map[string]float64{}
	}
	if o.seen[version] == nil {
		o.seen[version] = map[time.Time]map[string]float64{}
	}
	o.seen[version][at] = metrics
	return nil
}

// What a run learns is kept with its version: the answers to held-out rows, which later
// passes compare live answers with, and the decision. What passes measure goes to a
// registry that keeps such things.
func TestLoop_KeepsWhatItLearnsWithTheVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reg := &observing{Ledger: registry.NewMemory()}
	w.parts.Registry = reg
	w.pass(t, 40*day, 2000, 0)
	l := w.loop(t, healing.Config{})
	require.NoError(t, l.Tick(t.Context(), w.now))
	v, err := registry.InProduction(t.Context(), reg)
	require.NoError(t, err)
	run := w.runs(t, l)[0]
	data, err := registry.ReadFile(t.Context(), reg, v.ID, healing.DecisionDocument)
	require.NoError(t, err)
	var d gate.Decision
	require.NoError(t, json.Unmarshal(data, &d))
	want, err := run.Decision.Hash()
	require.NoError(t, err)
	got, err := d.Hash()
	require.NoError(t, err)
	require.Equal(t, want, got, "the decision of the journal")
	page, err := registry.ReadFile(t.Context(), reg, v.ID, healing.DecisionPageDocument)
	require.NoError(t, err)
	require.Contains(t, string(page), "<!doctype html>")
	require.Equal(t, run.Decision.Shadow[gatemetrics.F1.String()], v.Metrics["gate.f1"])

	w.days(t, l, 2, 400)
	pass := status(t, l).Passes[0]
	require.NotNil(t, pass.Answers)
	require.Equal(t, "stable", pass.Answers.Verdict.String())
	measured := reg.seen[v.ID][pass.Time]
	require.Equal(t, float64(pass.Samples), measured["monitor.samples"])
	require.Equal(t, pass.Drift.Share, measured["monitor.drifted_share"])
	require.Equal(t, *pass.Proxy.PositiveRate, measured["monitor.positive_rate"])
	for _, path := range []string{"answers", "answers.json"} {
		code, body, _ := get(t, l, path)
		require.Equal(t, 200, code)
		require.Contains(t, body, healing.AnswerScore)
	}
}

// qualified is a registry that promises less without a lease.
type qualified struct{ *registry.Ledger }

func (qualified) Caveat(leased bool) string {
	if leased {
		return ""
	}
	return "Other clients may change what is in production."
}

// The page says what the registry promises less than others do.
func TestStatus_SaysWhatTheRegistryDoesNotPromise(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.parts.Registry = qualified{registry.NewMemory()}
	_, body, _ := get(t, w.loop(t, healing.Config{}), "")
	require.Contains(t, body, "Other clients may change what is in production.")
	w.parts.Lease = new(healing.MemoryLease)
	require.Empty(t, w.loop(t, healing.Config{}).Status().Caveat)
}

// A model that consists of several files is trained, judged, promoted and loaded as such.
func TestLoop_TrainsAFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pass(t, 40*day, 2000, 0)
	train, load := w.parts.Trainer, w.parts.Load
	w.parts.Trainer = healing.TrainerFunc(func(ctx context.Context, r healing.TrainRequest) (healing.Trained, error) {
		trained, err := train.Train(ctx, r)
		if err != nil {
			return trained, err
		}
		model, err := io.ReadAll(trained.Artifact)
		trained.Artifact, trained.Folder = nil, fstest.MapFS{"weights/at.json": {Data: model}, "README": {Data: []byte("a threshold")}}
		return trained, err
	})
	w.parts.Load = func(ctx context.Context, v registry.Version, artifact io.Reader) (gate.Model, error) {
		folder, err := artifact.(*registry.Artifact).Folder()
		if err != nil {
			return nil, err
		}
		model, err := fs.ReadFile(folder, "weights/at.json")
		if err != nil {
			return nil, err
		}
		return load(ctx, v, bytes.NewReader(model))
	}
	l := w.loop(t, healing.Config{})
	require.NoError(t, l.Tick(t.Context(), w.now))
	require.Equal(t, healing.StepConfirmed, w.runs(t, l)[0].Step, w.runs(t, l)[0].Reason)
}

func TestLoop_ATrainerReturnsOneModel(t *testing.T) {
	t.Parallel()
	for _, trained := range []healing.Trained{{}, {Artifact: bytes.NewReader(nil), Folder: fstest.MapFS{}}} {
		w := newWorld(t)
		w.pass(t, 40*day, 2000, 0)
		w.parts.Trainer = healing.TrainerFunc(func(context.Context, healing.TrainRequest) (healing.Trained, error) { return trained, nil })
		l := w.loop(t, healing.Config{})
		require.NoError(t, l.Tick(t.Context(), w.now))
		run := w.runs(t, l)[0]
		require.Equal(t, healing.StepAborted, run.Step)
		require.Contains(t, run.Reason, "no artifact, or both")
	}
}

// The lease in a file keeps the promises of one.
func TestFileLease(t *testing.T) {
	t.Parallel()
	paths := map[healing.Lease]string{}
	open := func(t testing.TB, path string) healing.Lease {
		l, err := fileregistry.OpenLease(path)
		require.NoError(t, err)
		paths[l] = path
		return l
	}
	healingtest.RunLease(t, healingtest.LeaseHarness{
		New:    func(t testing.TB) healing.Lease { return open(t, filepath.Join(t.TempDir(), "lease")) },
		Second: func(t testing.TB, l healing.Lease) healing.Lease { return open(t, paths[l]) },
		Reopen: func(t testing.TB, l healing.Lease) healing.Lease { return open(t, paths[l]) },
	})
}
