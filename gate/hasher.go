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

// hasher writes values to a SHA-256 so that different sequences of values are different
// sequences of bytes.
type hasher struct {
	hash    hash.Hash
	w       *bufio.Writer // to the hash, which returns no error
	scratch []byte
}

func newHasher() *hasher {
	h := sha256.New()
	return &hasher{hash: h, w: bufio.NewWriterSize(h, 16<<10)}
}

func (h *hasher) texts(values ...string) {
	for _, s := range values {
		// The length keeps apart what concatenation would merge.
		h.scratch = binary.AppendUvarint(h.scratch[:0], uint64(len(s)))
		h.w.Write(h.scratch)
		h.w.WriteString(s)
	}
}

// column writes texts and how many they are.
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

func (h *hasher) flag(v bool) {
	if v {
		h.integers(1)
	} else {
		h.integers(0)
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

// sum returns the hash of all that was written, in hexadecimal.
func (h *hasher) sum() string {
	h.w.Flush()
	return hex.EncodeToString(h.hash.Sum(nil))
}
