package gate

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// hasherBuffer is how much is hashed at once: many small writes would be slow.
const hasherBuffer = 16 << 10

// hasher writes values to a SHA-256 so that different sequences of values are different
// sequences of bytes.
type hasher struct {
	hash   hash.Hash
	buffer []byte // not yet hashed
}

func newHasher() *hasher {
	return &hasher{hash: sha256.New(), buffer: make([]byte, 0, 2*hasherBuffer)}
}

// flush hashes the buffer if it holds at least so many bytes.
func (h *hasher) flush(least int) {
	if len(h.buffer) >= least {
		h.hash.Write(h.buffer)
		h.buffer = h.buffer[:0]
	}
}

func (h *hasher) texts(values ...string) {
	for _, s := range values {
		// The length keeps apart what concatenation would merge.
		if len(s) < 0x80 {
			h.buffer = append(h.buffer, byte(len(s))) // as below, but faster
		} else {
			h.buffer = binary.AppendUvarint(h.buffer, uint64(len(s)))
		}
		h.buffer = append(h.buffer, s...)
		h.flush(hasherBuffer)
	}
}

// column writes texts and how many they are.
func (h *hasher) column(values []string) {
	h.integers(len(values))
	h.texts(values...)
}

func (h *hasher) integers(values ...int) {
	for _, v := range values {
		if 0 <= v && v < 0x40 {
			h.buffer = append(h.buffer, byte(2*v)) // as below, but faster
		} else {
			h.buffer = binary.AppendVarint(h.buffer, int64(v))
		}
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
	for chunk := range slices.Chunk(values, hasherBuffer/8) {
		h.flush(0)
		h.buffer = h.buffer[:8*len(chunk)]
		for i, v := range chunk {
			binary.LittleEndian.PutUint64(h.buffer[8*i:], math.Float64bits(v))
		}
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
	h.flush(0)
	return hex.EncodeToString(h.hash.Sum(nil))
}
