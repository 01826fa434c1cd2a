package healing_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/healing/filetelemetry"
	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/fileregistry"
)

// year writes what a loop leaves behind in a year of passes every five minutes and weekly
// runs, which promote every other time, to a folder.
func year(b *testing.B, dir string) *world {
	b.Helper()
	w, err := makeWorld()
	require.NoError(b, err)
	w.pass(b, 40*day, 2000, 0)
	l := w.loop(b, healing.Config{})
	require.NoError(b, l.Tick(b.Context(), w.now))
	w.centre = 3
	w.days(b, l, 12, 400)
	var week []healing.Run // the entries of a run that was promoted
	for _, e := range w.entries(b) {
		if e.Run.Order.Trigger == healing.TriggerDrift {
			week = append(week, e.Run)
		}
	}
	require.Equal(b, healing.StepWatching, week[len(week)-1].Step)
	passes := l.Status().Passes

	journal, err := fileregistry.OpenLog(filepath.Join(dir, "journal"))
	require.NoError(b, err)
	chain := registry.NewChain(journal)
	for i := range 52 {
		end := week[len(week)-1]
		end.Step, end.Updated = healing.StepConfirmed, end.Updated.Add(7*day)
		for _, r := range append(append([]healing.Run(nil), week...), end) {
			r.ID = fmt.Sprintf("run-%06d-%s", i, r.ID)
			body := map[string]any{"format": 1}
			if r.Step == healing.StepJudged {
				body["decision"] = r.Decision
			}
			r.Decision = nil
			body["run"] = r
			data, err := json.Marshal(body)
			require.NoError(b, err)
			_, done, err := chain.Append(b.Context(), 0, data)
			require.NoError(b, err)
			require.True(b, done)
		}
	}
	telemetry, err := filetelemetry.Open(filepath.Join(dir, "telemetry"), filetelemetry.Config{})
	require.NoError(b, err)
	for d := range 365 {
		points := make([]healing.Point, 288)
		for i := range points {
			p := passes[(d+i)%len(passes)]
			p.Time = epoch.Add(time.Duration(d)*day + time.Duration(i)*5*time.Minute)
			data, err := json.Marshal(p)
			require.NoError(b, err)
			points[i] = healing.Point{Series: "/passes", Time: p.Time, Data: data}
		}
		require.NoError(b, telemetry.Put(b.Context(), points...))
	}
	return w
}

// BenchmarkLoop_Ready starts a process on the state of a year: 105,120 passes and 52 runs.
// It reports the memory that the process then holds beyond what it held before.
func BenchmarkLoop_Ready(b *testing.B) {
	dir := b.TempDir()
	w := year(b, dir)
	memory := func() uint64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	before := memory()
	var l *healing.Loop
	b.ReportAllocs()
	for b.Loop() {
		journal, errJournal := fileregistry.OpenLog(filepath.Join(dir, "journal"))
		telemetry, errTelemetry := filetelemetry.Open(filepath.Join(dir, "telemetry"), filetelemetry.Config{})
		if errJournal != nil || errTelemetry != nil {
			b.Fatal(errJournal, errTelemetry)
		}
		w.parts.Journal, w.parts.Telemetry, w.parts.Registry = journal, telemetry, registry.NewMemory()
		l = w.loop(b, healing.Config{})
		if err := l.Refresh(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	s := l.Status()
	require.Len(b, s.Passes, 288)
	require.Len(b, s.Runs, 50)
	b.ReportMetric(float64(int64(memory())-int64(before))/1e6, "MB-held")
	runtime.KeepAlive(l)
}
