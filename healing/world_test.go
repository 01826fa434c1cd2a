package healing_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/healing/internal/miniature"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

const (
	hour = time.Hour
	day  = 24 * hour
)

// epoch is when the tests' worlds begin.
var epoch = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

// world is a service in miniature: a population of one number and one category, a
// threshold model that learns where the classes meet, and everything a loop needs, in
// memory.
type world struct {
	parts healing.Parts
	now   time.Time
	rng   *rand.Rand
	n     int // rows made so far
	// centre is where the classes meet, and where the population is.
	centre float64
	// spoil makes the trainer learn the opposite of the truth.
	spoil bool
	// trained counts the trainings.
	trained int
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w, err := makeWorld()
	require.NoError(t, err)
	return w
}

func makeWorld() (*world, error) {
	schema, err := predictlog.NewSchema([]predictlog.Column{
		{Name: "x", Kind: predictlog.Numeric},
		{Name: "region", Kind: predictlog.Categorical, Rule: "oneof=north south"},
	}, predictlog.Target{})
	if err != nil {
		return nil, err
	}
	w := &world{now: epoch, rng: rand.New(rand.NewPCG(1, 2))}
	w.parts = healing.Parts{
		Predictions: predictlog.NewMemoryStore(schema),
		Labels:      labels.NewMemoryStore(),
		Registry:    registry.NewMemory(),
		Journal:     &registry.MemoryLog{},
		Telemetry:   healing.NewMemoryTelemetry(),
		Trainer:     healing.TrainerFunc(w.train),
		Load:        loadThreshold,
	}
	return w, nil
}

type threshold = miniature.Threshold

func loadThreshold(_ context.Context, _ registry.Version, artifact io.Reader) (gate.Model, error) {
	return miniature.Read(artifact)
}

func (w *world) train(_ context.Context, req healing.TrainRequest) (healing.Trained, error) {
	w.trained++
	m, err := miniature.Train(req)
	if err != nil {
		return healing.Trained{}, err
	}
	m.Falling = w.spoil
	artifact, err := json.Marshal(m)
	return healing.Trained{Artifact: bytes.NewReader(artifact), Metrics: map[string]float64{"at": m.At}}, err
}

// answers returns the ID of the version in production, "" if there is none, and its
// model.
func (w *world) answers(ctx context.Context) (string, func(predictlog.Row) predictlog.Output, error) {
	v, err := registry.InProduction(ctx, w.parts.Registry)
	if errors.Is(err, registry.ErrNoProduction) {
		return "", func(predictlog.Row) predictlog.Output { return predictlog.Output{} }, nil
	}
	if err != nil {
		return "", nil, err
	}
	artifact, err := registry.ReadFile(ctx, w.parts.Registry, v.ID, registry.ModelFile)
	if err != nil {
		return "", nil, err
	}
	var m threshold
	err = json.Unmarshal(artifact, &m)
	return v.ID, m.Output, err
}

// traffic makes n requests, evenly spread over a time that begins now, as the version in
// production answers them, and labels for all but a share of them.
func (w *world) traffic(ctx context.Context, d time.Duration, n int, unlabelled float64) ([]predictlog.Record, []labels.Label, error) {
	version, answer, err := w.answers(ctx)
	if err != nil {
		return nil, nil, err
	}
	var (
		records []predictlog.Record
		truths  []labels.Label
	)
	for i := range n {
		x := w.centre + w.rng.NormFloat64()
		row := predictlog.Row{predictlog.Number(x), predictlog.Category([]string{"north", "south"}[w.rng.IntN(2)])}
		class := "0"
		if w.rng.Float64() < 1/(1+math.Exp(-3*(x-w.centre))) {
			class = "1"
		}
		w.n++
		r := predictlog.Record{
			ID:      fmt.Sprintf("p%06d", w.n),
			Time:    w.now.Add(d / time.Duration(n) * time.Duration(i)),
			Model:   w.parts.Model,
			Version: version,
			Row:     row,
			Output:  answer(row),
		}
		if w.parts.Tag.Name != "" {
			r.Tags = map[string]string{w.parts.Tag.Name: w.parts.Tag.Value}
		}
		records = append(records, r)
		if w.rng.Float64() >= unlabelled {
			truths = append(truths, labels.Label{PredictionID: r.ID, Class: class, Time: r.Time.Add(time.Minute)})
		}
	}
	return records, truths, nil
}

// pass lets a time go by in which n requests are answered and labelled at once, but for
// the share that is unlabelled.
func (w *world) pass(t testing.TB, d time.Duration, n int, unlabelled float64) {
	t.Helper()
	records, truths, err := w.traffic(t.Context(), d, n, unlabelled)
	require.NoError(t, err)
	require.NoError(t, w.parts.Predictions.Append(t.Context(), records...))
	require.NoError(t, w.parts.Labels.Append(t.Context(), truths...))
	w.now = w.now.Add(d)
}

// loop returns a new loop on the world's parts, as another process would have. Its buckets
// are long, as its ticks are hours apart.
func (w *world) loop(t testing.TB, cfg healing.Config) *healing.Loop {
	t.Helper()
	if cfg.Monitor.Bucket == 0 {
		cfg.Monitor.Bucket = 2 * hour
	}
	l, err := healing.New(w.parts, cfg)
	require.NoError(t, err)
	return l
}

// days lets days go by, each with so many requests and a tick every 6 hours.
func (w *world) days(t testing.TB, l *healing.Loop, days, perDay int) {
	t.Helper()
	for range days * 4 {
		w.pass(t, 6*hour, perDay/4, 0)
		require.NoError(t, l.Tick(t.Context(), w.now))
	}
}

// deployed returns a world of 40 days in which a first version was just promoted.
func deployed(t testing.TB) (*world, *healing.Loop) {
	t.Helper()
	w := newWorld(t)
	w.pass(t, 40*day, 2000, 0)
	l := w.loop(t, healing.Config{})
	require.NoError(t, l.Tick(t.Context(), w.now))
	require.Equal(t, healing.StepConfirmed, w.runs(t, l)[0].Step)
	return w, l
}

// runs returns the runs, newest first.
func (w *world) runs(t testing.TB, l *healing.Loop) []healing.Run {
	t.Helper()
	return status(t, l).Runs
}

// status returns what the loop knows once it has read what others did.
func status(t testing.TB, l *healing.Loop) healing.Status {
	t.Helper()
	require.NoError(t, l.Refresh(t.Context()))
	return l.Status()
}

// production returns the ID of the version in production.
func (w *world) production(t testing.TB) string {
	t.Helper()
	id, _, err := w.answers(t.Context())
	require.NoError(t, err)
	return id
}

// onlyClass lets a time go by in which all labels are of one class.
func (w *world) onlyClass(t testing.TB, d time.Duration, n int, class string) {
	t.Helper()
	for i := range n {
		w.n++
		r := predictlog.Record{
			ID:   fmt.Sprintf("p%06d", w.n),
			Time: w.now.Add(d / time.Duration(n) * time.Duration(i)),
			Row:  predictlog.Row{predictlog.Number(w.rng.NormFloat64()), predictlog.Missing()},
		}
		require.NoError(t, w.parts.Predictions.Append(t.Context(), r))
		require.NoError(t, w.parts.Labels.Append(t.Context(), labels.Label{PredictionID: r.ID, Class: class, Time: r.Time}))
	}
	w.now = w.now.Add(d)
}

// labelsDown is a label store that cannot be read.
type labelsDown struct{ labels.Store }

func (labelsDown) LookupAsOf(context.Context, time.Time, ...string) (map[string]labels.Label, error) {
	return nil, errors.New("label store is down")
}

// forger is a journal in which a zealous hand has improved an entry.
type forger struct {
	registry.Log
	seq  uint64
	hand func([]byte) []byte
}

func (f *forger) Read(ctx context.Context, after uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		seq := after
		for e, err := range f.Log.Read(ctx, after) {
			if seq++; seq == f.seq {
				e = f.hand(e)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// faultyLog is a journal whose n-th Append, from 1, fails before or after it is done.
type faultyLog struct {
	registry.Log
	Before, After func(n int) error

	mu sync.Mutex
	n  int
}

func (f *faultyLog) Append(ctx context.Context, seq uint64, entry []byte) (bool, error) {
	f.mu.Lock()
	f.n++
	n := f.n
	f.mu.Unlock()
	if f.Before != nil {
		if err := f.Before(n); err != nil {
			return false, err
		}
	}
	done, err := f.Log.Append(ctx, seq, entry)
	if err == nil && f.After != nil {
		err = f.After(n)
	}
	return done && err == nil, err
}

// entries returns the entries of the world's journal.
func (w *world) entries(t testing.TB) []healing.Entry {
	t.Helper()
	var list []healing.Entry
	for e, err := range healing.ReadJournal(t.Context(), w.parts.Journal) {
		require.NoError(t, err)
		list = append(list, e)
	}
	return list
}

// raw returns the entries of the world's journal as they are stored.
func (w *world) raw(t testing.TB) [][]byte {
	t.Helper()
	var list [][]byte
	for e, err := range w.parts.Journal.Read(t.Context(), 0) {
		require.NoError(t, err)
		list = append(list, e)
	}
	return list
}

// record appends a run to a journal, as a loop does.
func record(t testing.TB, journal registry.Log, run healing.Run) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"format": 1, "run": run})
	require.NoError(t, err)
	recordBody(t, journal, body)
}

// recordBody appends a body to a journal.
func recordBody(t testing.TB, journal registry.Log, body []byte) {
	t.Helper()
	c := registry.NewChain(journal)
	require.NoError(t, c.CatchUp(t.Context(), func(registry.Link) error { return nil }))
	_, done, err := c.Append(t.Context(), 0, body)
	require.NoError(t, err)
	require.True(t, done)
}
