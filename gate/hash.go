package gate

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math"
	"time"

	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// RowSet returns the SHA-256, in hexadecimal, over the IDs in their order. For IDs that are
// just numbers, as from [FromScores], it tells only the number of rows. [Evidence.Hash] covers
// the contents.
func (e *Evidence) RowSet() string {
	h := newHasher()
	h.texts(e.IDs...)
	return h.sum()
}

// Hash returns the SHA-256, in hexadecimal, over all of the evidence in the order of the rows.
// Evidence with the same hash leads to the same decisions.
func (e *Evidence) Hash() string { return e.hash(e.RowSet()) }

func (e *Evidence) hash(rowSet string) string {
	h := newHasher()
	h.texts(e.Target.Task.String())
	h.column(e.Target.Classes)
	first := 0
	if e.FirstDeployment {
		first = 1
	}
	h.integers(first)
	h.time(e.At)
	h.time(e.LastPromotion)
	h.integers(e.Coverage.Predictions, e.Coverage.Labelled, e.Coverage.Misfits, e.TrainingRows)
	for _, l := range []Latency{e.ProductionLatency, e.ShadowLatency} {
		h.integers(int(l.Mean), int(l.P95))
	}
	h.texts(rowSet)
	h.integers(len(e.Times))
	for _, t := range e.Times {
		h.time(t)
	}
	h.answers(&e.Truth)
	h.answers(e.Production)
	h.answers(&e.Shadow)
	h.integers(len(e.Segments))
	for _, column := range sortedKeys(e.Segments) {
		h.texts(column)
		h.column(e.Segments[column])
	}
	return h.sum()
}

// hasher writes values to a SHA-256. Different sequences of values give different bytes.
type hasher struct {
	hash    hash.Hash
	w       *bufio.Writer // the hash returns no error
	scratch []byte
}

func newHasher() *hasher {
	h := sha256.New()
	return &hasher{hash: h, w: bufio.NewWriterSize(h, 16<<10)}
}

func (h *hasher) texts(values ...string) {
	for _, s := range values {
		// The length separates what concatenation would merge.
		h.scratch = binary.AppendUvarint(h.scratch[:0], uint64(len(s)))
		h.w.Write(h.scratch)
		h.w.WriteString(s)
	}
}

func (h *hasher) column(values []string) {
	h.integers(len(values))
	h.texts(values...)
}

func (h *hasher) integers(values ...int) {
	for _, v := range values {
		h.scratch = binary.AppendVarint(h.scratch[:0], int64(v))
		h.w.Write(h.scratch)
	}
}

func (h *hasher) floats(values []float64) {
	h.integers(len(values))
	for _, v := range values {
		h.scratch = binary.LittleEndian.AppendUint64(h.scratch[:0], math.Float64bits(v))
		h.w.Write(h.scratch)
	}
}

// time writes the instant, whatever its zone.
func (h *hasher) time(t time.Time) { h.integers(int(t.Unix()), t.Nanosecond()) }

func (h *hasher) answers(a *metrics.Answers) {
	if a == nil {
		h.integers(-1)
		return
	}
	h.integers(len(a.Class))
	h.integers(a.Class...)
	h.integers(len(a.Probability))
	for _, p := range a.Probability {
		h.floats(p)
	}
	h.floats(a.Value)
}

func (h *hasher) sum() string {
	h.w.Flush()
	return hex.EncodeToString(h.hash.Sum(nil))
}
