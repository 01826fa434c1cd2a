package gate

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math"
	"time"
)

// hasherBuffer is how much is hashed at once: many small writes would be slow.
const hasherBuffer = 16 << 10

// hasher writes values to a SHA-256 so that different sequences of values are different
// sequences of bytes.
type hasher struct {
	hash   hash.Hash
	buffer []byte // not yet hashed
}

func newHasher() *hasher { return &hasher{hash: sha256.New()} }

// flush hashes the buffer if it holds at least so many bytes.
func (h *hasher) flush(least int) {
	if len(h.buffer) >= least {
		h.hash.Write(h.buffer)
		h.buffer = h.buffer[:0]
	}
}

func (h *hasher) text(s string) {
	// The length keeps apart what concatenation would merge.
	h.buffer = binary.AppendUvarint(h.buffer, uint64(len(s)))
	h.buffer = append(h.buffer, s...)
	h.flush(hasherBuffer)
}

func (h *hasher) texts(column []string) {
	h.integers(len(column))
	for _, s := range column {
		h.text(s)
	}
}

func (h *hasher) integers(values ...int) {
	for _, v := range values {
		h.buffer = binary.AppendVarint(h.buffer, int64(v))
		h.flush(hasherBuffer)
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
		h.buffer = binary.LittleEndian.AppendUint64(h.buffer, math.Float64bits(v))
		h.flush(hasherBuffer)
	}
}

// time writes the instant, whatever its zone.
func (h *hasher) time(t time.Time) { h.integers(int(t.Unix()), t.Nanosecond()) }

func (h *hasher) answers(a *Answers) {
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
	h.flush(0)
	return hex.EncodeToString(h.hash.Sum(nil))
}
