package looptest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/healing/internal/miniature"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// world is a small service whose requests are one number.
type world struct {
	parts healing.Parts // what is in memory
	live  *registry.Live[gate.Model]
	now   time.Time
	rng   *rand.Rand
	n     int // requests so far
	// centre is the mean of the population, and where its two classes meet.
	centre float64
}

func newWorld(t testing.TB, r registry.Registry) *world {
	t.Helper()
	live, err := registry.NewLive(r, load, registry.LiveConfig{})
	check(t, err)
	schema, err := predictlog.NewSchema([]predictlog.Column{{Name: "x", Kind: predictlog.Numeric}}, predictlog.Target{})
	check(t, err)
	return &world{
		parts: healing.Parts{
			Predictions: predictlog.NewMemoryStore(schema),
			Labels:      labels.NewMemoryStore(),
			Telemetry:   healing.NewMemoryTelemetry(),
			Load:        load,
		},
		live: live,
		now:  time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC),
		rng:  rand.New(rand.NewPCG(1, 2)),
	}
}

// loop returns the loop of another process.
func (w *world) loop(t testing.TB, s Stores, trainer healing.Trainer) *healing.Loop {
	t.Helper()
	parts := w.parts
	parts.Registry, parts.Journal, parts.Lease, parts.Trainer = s.Registry, s.Journal, s.Lease, trainer
	l, err := healing.New(parts, healing.Config{
		Monitor: healing.MonitorConfig{Bucket: 2 * time.Hour},
		Trigger: healing.TriggerConfig{NoSchedule: true, DriftPasses: 8, Cooldown: day},
		Train:   healing.TrainConfig{Training: day, Evaluation: day},
		Watch:   healing.WatchConfig{Period: 2 * day},
		Policy: gate.Policy{
			Name:     "looptest",
			Criteria: []gate.Criterion{gate.MinSamples{Rows: 200}, gate.Improvement{Metric: metrics.Primary, Relative: 0.02}},
			First:    gate.Classic().First,
		},
		Lease: 5 * time.Second,
	})
	check(t, err)
	return l
}

// days lets days go by with a tick every 6 hours.
func (w *world) days(t testing.TB, l *healing.Loop, days int) {
	t.Helper()
	for range days * 4 {
		check(t, w.pass(t, day/4))
		check(t, l.Tick(t.Context(), w.now))
	}
}

// pass lets a time go by with 400 requests a day, which the version in production answers and
// which are labelled at once. If that version cannot be loaded, pass returns the error, and
// the version before goes on answering.
func (w *world) pass(t testing.TB, d time.Duration) error {
	t.Helper()
	failed := w.live.Refresh(t.Context())
	if errors.Is(failed, registry.ErrNoProduction) {
		failed = nil
	}
	var (
		m       miniature.Threshold
		version string
	)
	if loaded := w.live.Get(); loaded != nil {
		m, version = loaded.Model.(miniature.Threshold), loaded.Version.ID
	}
	n := int(400 * d / day)
	for i := range n {
		x := w.centre + w.rng.NormFloat64()
		w.n++
		r := predictlog.Record{
			ID:      fmt.Sprintf("p%06d", w.n),
			Time:    w.now.Add(d / time.Duration(n) * time.Duration(i)),
			Version: version,
			Row:     predictlog.Row{predictlog.Number(x)},
		}
		if version != "" {
			r.Output = m.Output(r.Row)
		}
		truth := labels.Label{PredictionID: r.ID, Class: "0", Time: r.Time.Add(time.Minute)}
		if w.rng.Float64() < 1/(1+math.Exp(-3*(x-w.centre))) {
			truth.Class = "1"
		}
		check(t, w.parts.Predictions.Append(t.Context(), r))
		check(t, w.parts.Labels.Append(t.Context(), truth))
	}
	w.now = w.now.Add(d)
	return failed
}

// entries returns the number of entries of the journal and fails if their tokens fall.
func (w *world) entries(t testing.TB, journal registry.Log) int {
	t.Helper()
	n, token := 0, uint64(0)
	for e, err := range healing.ReadJournal(t.Context(), journal) {
		check(t, err)
		n++
		if e.Token > 0 && e.Token < token {
			t.Fatalf("entry %d has the token %d after %d", n, e.Token, token)
		}
		token = max(token, e.Token)
	}
	return n
}

// Weights is the file that holds the model in an artifact that is a folder: JSON such as
// {"at": 3}.
const Weights = "weights.json"

func load(_ context.Context, _ registry.Version, artifact io.Reader) (gate.Model, error) {
	if folder, err := artifact.(*registry.Artifact).Folder(); err == nil {
		file, err := folder.Open(Weights)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		artifact = file
	}
	return miniature.Read(artifact)
}

func train(_ context.Context, r healing.TrainRequest) (healing.Trained, error) {
	m, err := miniature.Train(r)
	if err != nil {
		return healing.Trained{}, err
	}
	artifact, err := json.Marshal(m)
	return healing.Trained{
		Artifact: bytes.NewReader(artifact),
		Tags:     map[string]string{"trainer": "threshold"},
		Metrics:  map[string]float64{"at": m.At},
	}, err
}

// pausedLease is the lease of a paused process: nothing is renewed from one moment to
// another.
type pausedLease struct {
	healing.Lease
	from, to chan struct{}
}

func (l pausedLease) Renew(ctx context.Context, holder string, token uint64, ttl time.Duration) (bool, error) {
	select {
	case <-l.from:
		<-l.to
	default:
	}
	return l.Lease.Renew(ctx, holder, token, ttl)
}

// closer is an artifact that tells when it was used.
type closer struct {
	io.Reader
	used chan struct{}
}

func (c closer) Close() error {
	close(c.used)
	return nil
}
