package healing_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/healing/filetelemetry"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// counting is a store that counts what is read of it.
type counting struct {
	predictlog.Store
	scans, records atomic.Int64
}

func (c *counting) Scan(ctx context.Context, q predictlog.Query) iter.Seq2[predictlog.Record, error] {
	return func(yield func(predictlog.Record, error) bool) {
		c.scans.Add(1)
		for r, err := range c.Store.Scan(ctx, q) {
			c.records.Add(1)
			if !yield(r, err) {
				return
			}
		}
	}
}

// monitored returns a world with a version in production, of 24 hours with a request every
// 30 seconds, and what its monitors work with.
func monitored(t testing.TB) (*world, healing.MonitorParts) {
	t.Helper()
	w := newWorld(t)
	promoted(t, w.parts.Registry, map[string][]byte{healing.AnswersDocument: answersOf(t)})
	w.pass(t, day, 2880, 1)
	return w, healing.MonitorParts{
		Predictions: w.parts.Predictions, Registry: w.parts.Registry, Telemetry: healing.NewMemoryTelemetry(), Reference: reference(t),
	}
}

// answersOf returns the answers of the world's first model to other rows.
func answersOf(t testing.TB) []byte {
	t.Helper()
	w := newWorld(t)
	var outputs []predictlog.Output
	for _, row := range w.rows(2000) {
		outputs = append(outputs, threshold{}.Output(row))
	}
	document, err := healing.AnswersOf(w.parts.Predictions.Schema(), outputs)
	require.NoError(t, err)
	return document
}

func newMonitor(t testing.TB, parts healing.MonitorParts, cfg healing.MonitorConfig) *healing.Monitor {
	t.Helper()
	m, err := healing.NewMonitor(parts, cfg)
	require.NoError(t, err)
	return m
}

func pass(t testing.TB, m *healing.Monitor, now time.Time) healing.Pass {
	t.Helper()
	p, err := m.Pass(t.Context(), now)
	require.NoError(t, err)
	require.Empty(t, p.Damaged)
	return p
}

// whole returns all of a pass, with its reports, as bytes.
func whole(t testing.TB, p healing.Pass) string {
	t.Helper()
	data, err := json.Marshal(map[string]any{"pass": p, "report": p.Report, "answers": p.AnswersReport})
	require.NoError(t, err)
	return string(data)
}

// anew returns what a process finds that counts everything itself.
func anew(t testing.TB, parts healing.MonitorParts, cfg healing.MonitorConfig, now time.Time) string {
	t.Helper()
	parts.Telemetry = nil
	return whole(t, pass(t, newMonitor(t, parts, cfg), now))
}

func TestMonitor_LateRecords(t *testing.T) {
	t.Parallel()
	w, parts := monitored(t)
	m := newMonitor(t, parts, healing.MonitorConfig{})
	require.Equal(t, 2880, pass(t, m, w.now).Samples)
	late := func(ago time.Duration) {
		w.n++
		require.NoError(t, w.parts.Predictions.Append(t.Context(), predictlog.Record{
			ID: fmt.Sprintf("late%d", w.n), Time: w.now.Add(-ago), Version: "1",
			Row: predictlog.Row{predictlog.Number(0), predictlog.Missing()}, Output: predictlog.Output{Class: "0"},
		}))
	}
	at := func(after time.Duration, want int) {
		t.Helper()
		require.Equal(t, want, pass(t, m, w.now.Add(after)).Samples, after)
	}
	// Of a day in which nothing else happens, so that the window only loses its beginning:
	// 10 records with each bucket.
	late(5 * time.Minute) // into the bucket that is just over
	late(31 * time.Minute)
	late(3 * hour)
	late(7 * hour) // too late for its bucket, which was complete when it was first read
	at(5*time.Minute, 2870)
	at(10*time.Minute, 2861)
	at(hour, 2880-120+2)
	at(6*hour, 2880-720+3)
	at(8*hour, 2880-960+3)
}

// A bucket that is Complete does not change, whatever comes late, and every bucket becomes
// Complete, however short the window is.
func TestMonitor_WhatIsCompleteStays(t *testing.T) {
	t.Parallel()
	for _, window := range []time.Duration{day, hour} {
		w, parts := monitored(t)
		m := newMonitor(t, parts, healing.MonitorConfig{Window: window, MinSamples: 1})
		rng := rand.New(rand.NewPCG(5, 5))
		complete := map[time.Time]int{}
		w.now = w.now.Add(30 * time.Minute)
		for range 30 {
			pass(t, m, w.now)
			for b, err := range m.Buckets(t.Context(), "1", w.now.Add(-8*hour), time.Time{}) {
				require.NoError(t, err)
				if rows, ok := complete[b.From]; ok {
					require.Equal(t, rows, b.Rows, "%s at %s", b.From, w.now)
					require.True(t, b.Complete)
				}
				if b.Complete {
					complete[b.From] = b.Rows
				}
			}
			records, _, err := w.traffic(t.Context(), 5*time.Minute, 20, 1)
			require.NoError(t, err)
			for i := range records {
				records[i].Time = records[i].Time.Add(-time.Duration(rng.Int64N(int64(window))))
			}
			require.NoError(t, w.parts.Predictions.Append(t.Context(), records...))
			w.now = w.now.Add(5 * time.Minute)
		}
		require.Greater(t, len(complete), 15)
	}
}

// losesAll is a telemetry that takes everything and has nothing.
type losesAll struct{ healing.Telemetry }

func (losesAll) Scan(context.Context, healing.PointQuery) iter.Seq2[healing.Point, error] {
	return func(func(healing.Point, error) bool) {}
}

// What a telemetry lost is counted again, also a bucket that changed in this very pass.
func TestMonitor_ATelemetryThatLosesAll(t *testing.T) {
	t.Parallel()
	w, parts := monitored(t)
	parts.Telemetry = losesAll{parts.Telemetry}
	m := newMonitor(t, parts, healing.MonitorConfig{})
	pass(t, m, w.now)
	rng := rand.New(rand.NewPCG(6, 6))
	for range 10 {
		records, _, err := w.traffic(t.Context(), 10*time.Minute, 20, 1)
		require.NoError(t, err)
		records[0].Time = records[0].Time.Add(-time.Duration(rng.Int64N(int64(10 * time.Minute))))
		require.NoError(t, parts.Predictions.Append(t.Context(), records...))
		w.now = w.now.Add(10 * time.Minute)
		require.Equal(t, anew(t, parts, healing.MonitorConfig{}, w.now), whole(t, pass(t, m, w.now)))
	}
}

// A reference that is attached to the version in production is used from the next pass on.
func TestMonitor_AReferenceThatComesLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	promoted(t, w.parts.Registry, nil)
	w.pass(t, day, 400, 1)
	parts := healing.MonitorParts{Predictions: w.parts.Predictions, Registry: w.parts.Registry, Telemetry: healing.NewMemoryTelemetry()}
	m := newMonitor(t, parts, healing.MonitorConfig{})
	require.Contains(t, pass(t, m, w.now).Skipped, "has no reference")
	document, err := healing.ReferenceOf(w.parts.Predictions.Schema(), w.rows(2000))
	require.NoError(t, err)
	attacher := w.parts.Registry.(registry.Attacher)
	for name, document := range map[string][]byte{healing.ReferenceDocument: document, healing.AnswersDocument: answersOf(t)} {
		_, err = attacher.Attach(t.Context(), registry.Attachment{Version: "1", Documents: map[string][]byte{name: document}})
		require.NoError(t, err)
		require.Equal(t, anew(t, parts, healing.MonitorConfig{}, w.now), whole(t, pass(t, m, w.now)))
	}
	p := pass(t, m, w.now)
	require.NotNil(t, p.Drift)
	require.NotNil(t, p.Answers)
}

func TestMonitor_RestartReadsOnlyWhatIsNotKept(t *testing.T) {
	t.Parallel()
	w, parts := monitored(t)
	store := &counting{Store: parts.Predictions}
	parts.Predictions = store
	first := whole(t, pass(t, newMonitor(t, parts, healing.MonitorConfig{}), w.now))
	require.EqualValues(t, 2880, store.records.Load())
	require.EqualValues(t, 4, store.scans.Load(), "some buckets at once, so that not all of a day is in memory")
	require.Equal(t, first, whole(t, pass(t, newMonitor(t, parts, healing.MonitorConfig{}), w.now)))
	require.EqualValues(t, 2880, store.records.Load())

	w.pass(t, 7*time.Minute, 14, 1)
	pass(t, newMonitor(t, parts, healing.MonitorConfig{}), w.now)
	// Two buckets are new, four were looked at once and are due for another look: those
	// that have been over for 10 minutes, an hour, and 6 hours.
	require.LessOrEqual(t, store.records.Load(), int64(2880+14+4*10))
}

// A record is read a bounded number of times, however often the monitor looks.
func TestMonitor_ReadsARecordAFewTimes(t *testing.T) {
	t.Parallel()
	w, parts := monitored(t)
	store := &counting{Store: parts.Predictions}
	parts.Predictions = store
	m := newMonitor(t, parts, healing.MonitorConfig{})
	pass(t, m, w.now)
	read := store.records.Load()
	for range 288 {
		w.pass(t, 5*time.Minute, 10, 1)
		require.Equal(t, 2880, pass(t, m, w.now).Samples)
	}
	require.LessOrEqual(t, store.records.Load()-read, int64(5*2880), "in 288 passes")
	require.Equal(t, anew(t, parts, healing.MonitorConfig{}, w.now), whole(t, pass(t, m, w.now)))
}

// Whatever happens to clocks, processes and the order of records, once records are no
// longer late the window is what a process finds that counts everything itself.
func TestMonitor_ComesToWhatIsThere(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 3))
			cfg := healing.MonitorConfig{MinSamples: 1, Bucket: []time.Duration{time.Minute, 5 * time.Minute, 7 * time.Minute}[seed%3]}
			w := newWorld(t)
			promoted(t, w.parts.Registry, map[string][]byte{healing.AnswersDocument: answersOf(t)})
			parts := healing.MonitorParts{
				Predictions: w.parts.Predictions, Registry: w.parts.Registry, Telemetry: healing.NewMemoryTelemetry(), Reference: reference(t),
			}
			monitors := []*healing.Monitor{newMonitor(t, parts, cfg), newMonitor(t, parts, cfg)}
			for range 60 {
				records, _, err := w.traffic(t.Context(), 20*time.Minute, 25, 1)
				require.NoError(t, err)
				for i := range records {
					switch rng.IntN(10) {
					case 0: // late
						records[i].Time = records[i].Time.Add(-time.Duration(rng.Int64N(int64(5 * hour))))
					case 1: // early: of a clock that is ahead
						records[i].Time = records[i].Time.Add(time.Duration(rng.Int64N(int64(hour))))
					}
				}
				require.NoError(t, w.parts.Predictions.Append(t.Context(), records...))
				w.now = w.now.Add(time.Duration(rng.Int64N(int64(20 * time.Minute))))
				which := rng.IntN(len(monitors))
				switch rng.IntN(8) {
				case 0: // the process starts again
					monitors[which] = newMonitor(t, parts, cfg)
				case 1: // a clock is wrong for once
					pass(t, monitors[which], w.now.Add(time.Duration(rng.Int64N(int64(2*day)))-day))
				}
				pass(t, monitors[which], w.now)
			}
			for range 17 {
				w.now = w.now.Add(30 * time.Minute)
				for _, m := range monitors {
					pass(t, m, w.now)
				}
			}
			want := anew(t, parts, cfg, w.now)
			require.Greater(t, pass(t, monitors[0], w.now).Samples, 1400)
			monitors = append(monitors, newMonitor(t, parts, cfg))
			for _, m := range monitors {
				require.Equal(t, want, whole(t, pass(t, m, w.now)))
			}
		})
	}
}

// Processes that share the store of predictions and the telemetry take turns.
func TestMonitor_TwoProcessesOnOneStore(t *testing.T) {
	t.Parallel()
	w, parts := monitored(t)
	alone := parts
	alone.Telemetry = healing.NewMemoryTelemetry()
	one := newMonitor(t, alone, healing.MonitorConfig{})
	two := []*healing.Monitor{newMonitor(t, parts, healing.MonitorConfig{}), newMonitor(t, parts, healing.MonitorConfig{})}
	for i := range 40 {
		w.pass(t, 17*time.Minute, 34, 1)
		require.Equal(t, whole(t, pass(t, one, w.now)), whole(t, pass(t, two[i/7%2], w.now)))
	}
}

// Replicas that have a log each and share the telemetry come to the same bytes as one
// process that has all records.
func TestMonitor_ReplicasAddTheirs(t *testing.T) {
	t.Parallel()
	w, parts := monitored(t)
	one := newMonitor(t, parts, healing.MonitorConfig{})
	shared := healing.NewMemoryTelemetry()
	logs := map[string]*predictlog.MemoryStore{}
	replicas := map[string]*healing.Monitor{}
	for _, name := range []string{"a", "b"} {
		logs[name] = predictlog.NewMemoryStore(parts.Predictions.Schema())
		own := parts
		own.Predictions, own.Telemetry = logs[name], shared
		replicas[name] = newMonitor(t, own, healing.MonitorConfig{Replica: name})
	}
	deal := func(records []predictlog.Record) {
		for i, r := range records {
			require.NoError(t, logs[[]string{"a", "b", "b"}[i%3]].Append(t.Context(), r))
		}
	}
	var all []predictlog.Record
	for r, err := range parts.Predictions.Scan(t.Context(), predictlog.Query{}) {
		require.NoError(t, err)
		all = append(all, r)
	}
	deal(all)
	for range 60 {
		records, _, err := w.traffic(t.Context(), 13*time.Minute, 26, 1)
		require.NoError(t, err)
		require.NoError(t, parts.Predictions.Append(t.Context(), records...))
		deal(records)
		w.now = w.now.Add(13 * time.Minute)
		want := whole(t, pass(t, one, w.now))
		require.NoError(t, replicas["b"].Fold(t.Context(), w.now))
		require.Equal(t, want, whole(t, pass(t, replicas["a"], w.now)))
		require.Equal(t, want, whole(t, pass(t, replicas["b"], w.now)))
	}
}

// Two models, of which one is looked at by region too, and two versions of one of them,
// share one store and one telemetry.
func TestMonitor_NothingIsMixed(t *testing.T) {
	t.Parallel()
	schema := newWorld(t).parts.Predictions.Schema()
	store, telemetry := predictlog.NewMemoryStore(schema), healing.NewMemoryTelemetry()
	n := 0
	put := func(model, version, region string, count int) {
		for range count {
			n++
			require.NoError(t, store.Append(t.Context(), predictlog.Record{
				ID: fmt.Sprint("p", n), Time: epoch.Add(time.Duration(n) * time.Second), Model: model, Version: version,
				Row: predictlog.Row{predictlog.Number(0), predictlog.Missing()}, Tags: map[string]string{"region": region},
			}))
		}
	}
	registries := map[string]registry.Registry{}
	monitors := map[string]*healing.Monitor{}
	for _, name := range []string{"credit", "credit/profiles", "credit@region=north"} {
		registries[name] = registry.NewMemory()
		promoted(t, registries[name], nil)
		parts := healing.MonitorParts{Predictions: store, Registry: registries[name], Telemetry: telemetry, Reference: reference(t), Model: name}
		if name == "credit@region=north" {
			parts.Model, parts.Tag = "credit", predictlog.Tag{Name: "region", Value: "north"}
		}
		monitors[name] = newMonitor(t, parts, healing.MonitorConfig{MinSamples: 1})
	}
	put("credit", "1", "north", 5)
	put("credit", "1", "south", 7)
	put("credit", "2", "north", 11)
	put("credit/profiles", "1", "north", 13)
	put("", "1", "north", 17)
	samples := func(want map[string]int) {
		t.Helper()
		for range 2 {
			for name, m := range monitors {
				require.Equal(t, want[name], pass(t, m, epoch.Add(hour)).Samples, name)
			}
		}
	}
	samples(map[string]int{"credit": 12, "credit/profiles": 13, "credit@region=north": 5})
	v, err := registries["credit"].Register(t.Context(), registry.Draft{Key: "second"}, bytes.NewReader([]byte("{}")))
	require.NoError(t, err)
	_, err = registries["credit"].Transition(t.Context(), registry.Transition{Version: v.ID, To: registry.Production, Expect: "1"})
	require.NoError(t, err)
	samples(map[string]int{"credit": 11, "credit/profiles": 13, "credit@region=north": 5})
	_, err = registries["credit"].Transition(t.Context(), registry.Transition{Version: "1", To: registry.Production, Expect: "2"})
	require.NoError(t, err)
	samples(map[string]int{"credit": 12, "credit/profiles": 13, "credit@region=north": 5})
}

// A year of buckets is kept in files; each pass costs the same.
func TestMonitor_AYear(t *testing.T) {
	t.Parallel()
	telemetry, err := filetelemetry.Open(t.TempDir(), filetelemetry.Config{NoSync: true})
	require.NoError(t, err)
	defer telemetry.Close()
	w := newWorld(t)
	promoted(t, w.parts.Registry, nil)
	cfg := healing.MonitorConfig{Bucket: 6 * hour, Window: 7 * day, Lateness: day, MinSamples: 1}
	parts := healing.MonitorParts{Predictions: w.parts.Predictions, Registry: w.parts.Registry, Telemetry: telemetry, Reference: reference(t)}
	m := newMonitor(t, parts, cfg)
	for range 365 {
		w.pass(t, day, 8, 1)
		pass(t, m, w.now)
	}
	require.Equal(t, 56, pass(t, m, w.now).Samples)
	require.Equal(t, anew(t, parts, cfg, w.now), whole(t, pass(t, newMonitor(t, parts, cfg), w.now)))
	rows, buckets := 0, 0
	next := w.now.AddDate(0, 0, -365)
	for b, err := range m.Buckets(t.Context(), "1", next, time.Time{}) {
		require.NoError(t, err)
		require.Equal(t, next, b.From)
		next = b.To
		require.Equal(t, 6*hour, b.To.Sub(b.From))
		require.Equal(t, !b.To.Add(day).After(w.now), b.Complete)
		require.Equal(t, b.Rows, b.Inputs.Rows())
		require.Nil(t, b.Answers)
		require.Equal(t, b.Rows, b.Metrics.Rows())
		rows, buckets = rows+b.Rows, buckets+1
	}
	require.Equal(t, 4*365, buckets)
	require.Equal(t, 8*365, rows)
	require.NoError(t, telemetry.Prune(t.Context(), w.now.AddDate(0, 0, -3)))
	require.Equal(t, anew(t, parts, cfg, w.now), whole(t, pass(t, newMonitor(t, parts, cfg), w.now)), "what was pruned is counted again")
}

// What is damaged is reported with its place, and counted again.
func TestMonitor_DamagedTelemetry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	telemetry, err := filetelemetry.Open(dir, filetelemetry.Config{NoSync: true})
	require.NoError(t, err)
	defer telemetry.Close()
	w, parts := monitored(t)
	parts.Telemetry = telemetry
	store := &counting{Store: parts.Predictions}
	parts.Predictions = store
	want := whole(t, pass(t, newMonitor(t, parts, healing.MonitorConfig{}), w.now))
	series := ""
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".tsv" {
			series = path
		}
		return err
	}))
	content, err := os.ReadFile(series)
	require.NoError(t, err)
	lines := bytes.SplitAfter(content, []byte("\n"))
	for _, n := range []int{10, 200} {
		lines[n][len(lines[n])/2] ^= 1
	}
	require.NoError(t, os.WriteFile(series, bytes.Join(lines, nil), 0o644))
	before := store.records.Load()
	m := newMonitor(t, parts, healing.MonitorConfig{})
	p, err := m.Pass(t.Context(), w.now)
	require.NoError(t, err)
	require.Len(t, p.Damaged, 2)
	require.Contains(t, p.Damaged[0], filepath.Base(series)+":11: has another checksum")
	require.EqualValues(t, 20, store.records.Load()-before)
	p.Damaged = nil
	require.Equal(t, want, whole(t, p))
	damaged, last := 0, time.Time{}
	for b, err := range m.Buckets(t.Context(), "", w.now.Add(-day), w.now) {
		require.False(t, b.From.Before(last), "in order")
		last = b.From
		if err != nil {
			require.ErrorIs(t, err, healing.ErrDamaged)
			require.False(t, b.From.IsZero())
			damaged++
		}
	}
	require.Equal(t, 2, damaged)
}

// A store whose data are whole, but not what a monitor wrote.
func TestMonitor_ForeignPoints(t *testing.T) {
	t.Parallel()
	w, parts := monitored(t)
	want := whole(t, pass(t, newMonitor(t, parts, healing.MonitorConfig{}), w.now))
	const series = "/profiles/1/5m0s"
	var points []healing.Point
	for p, err := range parts.Telemetry.Scan(t.Context(), healing.PointQuery{Series: series}) {
		require.NoError(t, err)
		points = append(points, p)
	}
	require.Len(t, points, 288)
	for i := range 3 {
		points[i].Data = points[i].Data[:i*20]
	}
	points[3].Data[30] ^= 1
	odd, part := points[4], points[5]
	odd.Time, part.Part = odd.Time.Add(time.Second), "another"
	require.NoError(t, parts.Telemetry.Put(t.Context(), append(points, odd, part)...))
	p, err := newMonitor(t, parts, healing.MonitorConfig{}).Pass(t.Context(), w.now)
	require.NoError(t, err)
	require.Len(t, p.Damaged, 4)
	require.Contains(t, p.Damaged[0], "series /profiles/1/5m0s, time 2026-01-05T00:00:00Z")
	p.Damaged = nil
	require.Equal(t, want, whole(t, p))
}

// Buckets are of the reference that they were counted on: with another one they are
// counted again.
func TestMonitor_AnotherReference(t *testing.T) {
	t.Parallel()
	w, parts := monitored(t)
	pass(t, newMonitor(t, parts, healing.MonitorConfig{}), w.now)
	values := make([]float64, 500)
	for i := range values {
		values[i] = float64(i)
	}
	other, err := drift.NewReference([]drift.Column{drift.Numeric("x", values)}, drift.ReferenceConfig{})
	require.NoError(t, err)
	for _, reference := range []*drift.Reference{other, nil, parts.Reference} {
		parts.Reference = reference
		require.Equal(t, anew(t, parts, healing.MonitorConfig{}, w.now), whole(t, pass(t, newMonitor(t, parts, healing.MonitorConfig{}), w.now)))
	}
}

// columns is a store that yields its records by column, and not in order.
type columns struct {
	counting
	most int
}

func (c *columns) ScanColumns(ctx context.Context, q predictlog.Query) iter.Seq2[*predictlog.Batch, error] {
	return func(yield func(*predictlog.Batch, error) bool) {
		var records []predictlog.Record
		for r, err := range c.Store.Scan(ctx, q) {
			if err != nil {
				yield(nil, err)
				return
			}
			records = append(records, r)
		}
		rand.New(rand.NewPCG(1, 1)).Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		for some := range slices.Chunk(records, c.most) {
			if !yield(batchOf(c.Schema(), some), nil) {
				return
			}
		}
	}
}

var nan = math.NaN()

// batchOf turns records of a binary target into a batch.
func batchOf(schema *predictlog.Schema, records []predictlog.Record) *predictlog.Batch {
	n := schema.Len()
	b := &predictlog.Batch{Len: len(records), Numbers: make([][]float64, n), Codes: make([][]int32, n), Levels: make([][]string, n)}
	for _, r := range records {
		for i, v := range r.Row {
			if x, ok := v.Number(); schema.Column(i).Kind == predictlog.Numeric {
				if !ok {
					x = nan
				}
				b.Numbers[i] = append(b.Numbers[i], x)
				continue
			}
			code := int32(-1)
			if level, ok := v.Category(); ok {
				if code = int32(slices.Index(b.Levels[i], level)); code < 0 {
					code = int32(len(b.Levels[i]))
					b.Levels[i] = append(b.Levels[i], level)
				}
			}
			b.Codes[i] = append(b.Codes[i], code)
		}
		score := nan
		if r.Output.Probabilities != nil {
			score = r.Output.Probabilities[1]
		}
		b.Times = append(b.Times, r.Time.UnixMicro())
		b.Answered = append(b.Answered, r.Answered())
		b.Class = append(b.Class, int32(slices.Index(schema.Target().Classes, r.Output.Class)))
		b.Score = append(b.Score, score)
		b.Violates = append(b.Violates, len(r.Violations) > 0)
	}
	return b
}

// profiler is a store that computes tallies itself.
type profiler struct {
	columns
	tallies int
}

func (p *profiler) Tally(ctx context.Context, q predictlog.Query, t *healing.Tally, scored bool) error {
	p.tallies++
	for b, err := range p.ScanColumns(ctx, q) {
		if err != nil {
			return err
		}
		t.Rows += b.Len
		for _, broken := range b.Violates {
			if broken {
				t.Violations++
			}
		}
		region := drift.CategoricalCodes("region", b.Codes[1], b.Levels[1])
		answers := []drift.Column{
			drift.Numeric(healing.AnswerScore, b.Score), drift.CategoricalCodes(healing.AnswerClass, b.Class, []string{"0", "1"}),
		}
		err := errors.Join(t.Inputs.Add([]drift.Column{region, drift.Numeric("x", b.Numbers[0])}), t.Answers.Add(answers), t.Metrics.Add(answers))
		if err != nil || !scored {
			return errors.Join(err, ctx.Err())
		}
	}
	return nil
}

// However the store gives its records, the pass is the same.
func TestMonitor_ColumnsAndTallies(t *testing.T) {
	t.Parallel()
	w, parts := monitored(t)
	for i := range 40 {
		w.n++
		r := predictlog.Record{ID: fmt.Sprint("odd", i), Time: w.now.Add(-time.Duration(i) * 7 * time.Minute), Version: "1", Row: predictlog.Row{predictlog.Missing(), predictlog.Missing()}}
		if i%3 == 0 {
			r.Violations = []predictlog.Violation{{Column: "x", Rule: "required"}}
		}
		require.NoError(t, w.parts.Predictions.Append(t.Context(), r))
	}
	plain := parts.Predictions
	want := anew(t, parts, healing.MonitorConfig{}, w.now)
	require.Contains(t, want, `"violations":13`)
	for _, most := range []int{1, 7, 5000} {
		store := &columns{counting{Store: plain}, most}
		parts.Predictions = store
		require.Equal(t, want, anew(t, parts, healing.MonitorConfig{}, w.now))
		require.Zero(t, store.scans.Load())
	}
	store := &profiler{columns: columns{counting{Store: plain}, 100}}
	parts.Predictions = store
	require.Equal(t, want, anew(t, parts, healing.MonitorConfig{}, w.now))
	require.Equal(t, 288, store.tallies)
}

// broken is a store whose batches are not what they should be.
type broken struct {
	predictlog.Store
	batch *predictlog.Batch
}

func (b broken) ScanColumns(context.Context, predictlog.Query) iter.Seq2[*predictlog.Batch, error] {
	return func(yield func(*predictlog.Batch, error) bool) { yield(b.batch, nil) }
}

func TestMonitor_RefusesBadBatches(t *testing.T) {
	t.Parallel()
	w, parts := monitored(t)
	var some []predictlog.Record
	for r, err := range parts.Predictions.Scan(t.Context(), predictlog.Query{To: epoch.Add(hour)}) {
		require.NoError(t, err)
		some = append(some, r)
	}
	for name, spoil := range map[string]func(b *predictlog.Batch){
		"length":    func(b *predictlog.Batch) { b.Len++ },
		"numbers":   func(b *predictlog.Batch) { b.Numbers[0] = nil },
		"codes":     func(b *predictlog.Batch) { b.Codes = nil },
		"bad codes": func(b *predictlog.Batch) { b.Codes[1][0] = 99 },
		"class":     func(b *predictlog.Batch) { b.Class = b.Class[1:] },
		"bad class": func(b *predictlog.Batch) { b.Class[0] = 2 },
		"score":     func(b *predictlog.Batch) { b.Score = nil },
		"answered":  func(b *predictlog.Batch) { b.Answered = nil },
		"violates":  func(b *predictlog.Batch) { b.Violates = b.Violates[1:] },
		"times":     func(b *predictlog.Batch) { b.Times = nil },
		"time":      func(b *predictlog.Batch) { b.Times[0] = 0 },
	} {
		b := batchOf(parts.Predictions.Schema(), some)
		spoil(b)
		own := parts
		own.Predictions = broken{parts.Predictions, b}
		_, err := newMonitor(t, own, healing.MonitorConfig{}).Pass(t.Context(), w.now)
		require.Error(t, err, name)
	}
}

// The answers of the same model to other rows are other answers: that is shown apart.
func TestMonitor_DriftOfAnswers(t *testing.T) {
	t.Parallel()
	w, parts := monitored(t)
	m := newMonitor(t, parts, healing.MonitorConfig{})
	p := pass(t, m, w.now)
	require.Equal(t, drift.Stable, p.Answers.Verdict, p.Answers.Summary)
	require.Equal(t, "answers of version 1", p.AnswersReport.Label)
	require.True(t, p.AnswersReport.To.Equal(w.now))
	// The service goes wrong, the rows stay as they are.
	records, _, err := w.traffic(t.Context(), day, 2880, 1)
	require.NoError(t, err)
	for i := range records {
		records[i].Output = predictlog.Output{Class: "1", Probabilities: []float64{0.01, 0.99}}
	}
	require.NoError(t, w.parts.Predictions.Append(t.Context(), records...))
	p = pass(t, m, w.now.Add(day))
	require.Equal(t, drift.Drifted, p.Answers.Verdict)
	require.Equal(t, []string{healing.AnswerScore, healing.AnswerClass}, p.Answers.Columns)
	require.False(t, p.Drifted(), "that would trigger")
	require.InDelta(t, 1, *p.Proxy.PositiveRate, 1e-12)
	require.InDelta(t, 0.99, p.Proxy.Scores.Mean, 1e-12)
	require.Len(t, p.Proxy.Trends, 3)
	require.Equal(t, 120, p.Proxy.Trends[0].N)
}

// A class that the version never answered on held-out rows is known all the same.
func TestMonitor_AClassThatIsNew(t *testing.T) {
	t.Parallel()
	w, parts := monitored(t)
	always := slices.Repeat([]predictlog.Output{{Class: "0"}}, 300)
	document, err := healing.AnswersOf(parts.Predictions.Schema(), always)
	require.NoError(t, err)
	parts.Registry = registry.NewMemory()
	promoted(t, parts.Registry, map[string][]byte{healing.AnswersDocument: document})
	p := pass(t, newMonitor(t, parts, healing.MonitorConfig{}), w.now)
	require.InDelta(t, 0.5, *p.Proxy.PositiveRate, 0.05)
	require.Len(t, p.Proxy.Classes, 2)
	require.Contains(t, p.Answers.Columns, healing.AnswerClass)
}

func TestAnswersOf_Refuses(t *testing.T) {
	t.Parallel()
	schema := newWorld(t).parts.Predictions.Schema()
	regression, err := schema.WithTarget(predictlog.Target{Task: predictlog.Regression})
	require.NoError(t, err)
	good := predictlog.Output{Class: "0"}
	for _, c := range []struct {
		schema  *predictlog.Schema
		outputs []predictlog.Output
		want    string
	}{
		{nil, []predictlog.Output{good}, "nil schema"},
		{schema, nil, "no rows"},
		{schema, []predictlog.Output{good, {}}, `output 1: class is "", want one of ["0" "1"]`},
		{schema, []predictlog.Output{{Class: "0", Probabilities: []float64{1}}}, "output 0: has 1 probabilities, want 2"},
		{regression, []predictlog.Output{good}, "output 0: has a class"},
	} {
		_, err := healing.AnswersOf(c.schema, c.outputs)
		require.ErrorContains(t, err, c.want)
	}
}

// brokenTelemetry fails at will.
type brokenTelemetry struct {
	healing.Telemetry
	put, scan error
}

func (b *brokenTelemetry) Put(ctx context.Context, points ...healing.Point) error {
	if b.put != nil {
		return b.put
	}
	return b.Telemetry.Put(ctx, points...)
}

func (b *brokenTelemetry) Scan(ctx context.Context, q healing.PointQuery) iter.Seq2[healing.Point, error] {
	if b.scan != nil {
		return func(yield func(healing.Point, error) bool) { yield(healing.Point{}, b.scan) }
	}
	return b.Telemetry.Scan(ctx, q)
}

// After a telemetry was down, the next pass finds what it would have found.
func TestMonitor_TelemetryIsDown(t *testing.T) {
	t.Parallel()
	w, parts := monitored(t)
	telemetry := &brokenTelemetry{Telemetry: parts.Telemetry}
	parts.Telemetry = telemetry
	m := newMonitor(t, parts, healing.MonitorConfig{})
	telemetry.scan = errors.New("down")
	_, err := m.Pass(t.Context(), w.now)
	require.ErrorContains(t, err, "down")
	require.ErrorContains(t, m.Fold(t.Context(), w.now), "down")
	for _, err := range m.Buckets(t.Context(), "", time.Time{}, time.Time{}) {
		require.ErrorContains(t, err, "down")
	}
	telemetry.put, telemetry.scan = errors.New("down too"), nil
	_, err = m.Pass(t.Context(), w.now)
	require.ErrorContains(t, err, "down too")
	telemetry.put = nil
	require.Equal(t, anew(t, parts, healing.MonitorConfig{}, w.now), whole(t, pass(t, m, w.now)))
}
