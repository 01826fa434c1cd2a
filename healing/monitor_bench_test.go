package healing_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// wide is a store of 12 columns, of which it yields the same batch again and again.
type wide struct {
	*predictlog.MemoryStore
	batch     *predictlog.Batch
	perBucket int
}

const benchBucket = 5 * time.Minute

// newWide returns a store with so many records in each bucket, and a reference for it.
func newWide(t testing.TB, perBucket int) (*wide, healing.MonitorParts) {
	t.Helper()
	var columns []predictlog.Column
	for i := range 12 {
		kind := predictlog.Numeric
		if i >= 10 {
			kind = predictlog.Categorical
		}
		columns = append(columns, predictlog.Column{Name: fmt.Sprint("c", i), Kind: kind})
	}
	schema, err := predictlog.NewSchema(columns, predictlog.Target{})
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 20000
	b := &predictlog.Batch{Len: 4096, Numbers: make([][]float64, 12), Codes: make([][]int32, 12), Levels: make([][]string, 12)}
	var frozen []drift.Column
	for i, c := range columns {
		if c.Kind == predictlog.Numeric {
			values := make([]float64, n)
			for j := range values {
				values[j] = rng.NormFloat64()
			}
			b.Numbers[i] = values[:b.Len]
			frozen = append(frozen, drift.Numeric(c.Name, values))
			continue
		}
		codes, levels := make([]int32, n), []string{"a", "b", "c", "d"}
		for j := range codes {
			codes[j] = int32(rng.IntN(len(levels)))
		}
		b.Codes[i], b.Levels[i] = codes[:b.Len], levels
		frozen = append(frozen, drift.CategoricalCodes(c.Name, codes, levels))
	}
	for range b.Len {
		score := rng.Float64()
		b.Score, b.Class, b.Answered = append(b.Score, score), append(b.Class, int32(score+0.5)), append(b.Answered, true)
	}
	b.Times, b.Violates = make([]int64, b.Len), make([]bool, b.Len)
	reference, err := drift.NewReference(frozen, drift.ReferenceConfig{})
	require.NoError(t, err)
	reg := registry.NewMemory()
	promoted(t, reg, map[string][]byte{healing.AnswersDocument: answersOf(t)})
	w := &wide{MemoryStore: predictlog.NewMemoryStore(schema), batch: b, perBucket: perBucket}
	return w, healing.MonitorParts{Predictions: w, Registry: reg, Telemetry: healing.NewMemoryTelemetry(), Reference: reference}
}

func (w *wide) ScanColumns(_ context.Context, q predictlog.Query) iter.Seq2[*predictlog.Batch, error] {
	return func(yield func(*predictlog.Batch, error) bool) {
		step := benchBucket / time.Duration(w.perBucket)
		for at := q.From; at.Before(q.To); {
			for i := range w.batch.Times {
				w.batch.Times[i] = min(at.UnixMicro(), q.To.UnixMicro()-1)
				at = at.Add(step)
			}
			if !yield(w.batch, nil) {
				return
			}
		}
	}
}

// tallied is a store that has counted its records.
type tallied struct {
	*wide
	bucket *healing.Tally // of any bucket
}

func (s tallied) Tally(_ context.Context, _ predictlog.Query, t *healing.Tally, _ bool) error {
	if s.bucket.Rows == 0 { // the first time: count
		columns := make([]drift.Column, 12)
		for i := range columns {
			c := s.Schema().Column(i)
			if c.Kind == predictlog.Numeric {
				columns[i] = drift.Numeric(c.Name, s.batch.Numbers[i])
			} else {
				columns[i] = drift.CategoricalCodes(c.Name, s.batch.Codes[i], s.batch.Levels[i])
			}
		}
		answers := []drift.Column{
			drift.Numeric(healing.AnswerScore, s.batch.Score), drift.CategoricalCodes(healing.AnswerClass, s.batch.Class, []string{"0", "1"}),
		}
		for s.bucket.Rows < s.perBucket {
			if err := t.Inputs.Add(columns); err != nil {
				return err
			}
			if err := t.Answers.Add(answers); err != nil {
				return err
			}
			if err := t.Metrics.Add(answers); err != nil {
				return err
			}
			s.bucket.Rows += s.batch.Len
		}
		t.Rows = s.bucket.Rows
		*s.bucket = *t
		return nil
	}
	t.Rows = s.bucket.Rows
	if err := t.Inputs.Merge(s.bucket.Inputs); err != nil {
		return err
	}
	if err := t.Answers.Merge(s.bucket.Answers); err != nil {
		return err
	}
	return t.Metrics.Merge(s.bucket.Metrics)
}

// A pass every five minutes over a window of a day, once it is counted: its cost does not
// depend on the traffic. One bucket is new each time, and three are looked at again; in the
// store these are counted already.
func BenchmarkMonitor_Pass(b *testing.B) {
	for _, perBucket := range []int{4096, 40960} {
		b.Run(fmt.Sprintf("predictions=%d", 288*perBucket), func(b *testing.B) {
			w, parts := newWide(b, perBucket)
			parts.Predictions = tallied{w, new(healing.Tally)}
			m := newMonitor(b, parts, healing.MonitorConfig{})
			now := epoch.Add(day)
			require.Equal(b, 288*perBucket, pass(b, m, now).Samples)
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(benchBucket)
				if _, err := m.Pass(b.Context(), now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A day of a million records of 12 columns that is counted for the first time, from a store
// that yields columns.
func BenchmarkMonitor_Count(b *testing.B) {
	w, parts := newWide(b, 3472)
	b.ReportAllocs()
	samples := 0
	for b.Loop() {
		parts.Telemetry = healing.NewMemoryTelemetry()
		p, err := newMonitor(b, parts, healing.MonitorConfig{}).Pass(b.Context(), epoch.Add(day))
		if err != nil {
			b.Fatal(err)
		}
		samples += p.Samples
	}
	require.Positive(b, w.perBucket)
	b.ReportMetric(float64(samples)/b.Elapsed().Seconds(), "records/s")
}

// A process that starts on a window that is kept.
func BenchmarkMonitor_Start(b *testing.B) {
	_, parts := newWide(b, 3472)
	want := pass(b, newMonitor(b, parts, healing.MonitorConfig{}), epoch.Add(day)).Samples
	b.ReportAllocs()
	for b.Loop() {
		p, err := newMonitor(b, parts, healing.MonitorConfig{}).Pass(b.Context(), epoch.Add(day))
		if err != nil || p.Samples != want {
			b.Fatal(p.Samples, err)
		}
	}
}
