package predictlog

import (
	"encoding/hex"
	"math/rand/v2"
	"time"
)

// NewID returns a new prediction ID: a UUIDv7 (RFC 9562) of the present time, in its usual
// form of 36 characters. IDs sort by time, to a quarter of a microsecond. IDs are unique but
// not secret: a person who knows one may guess others.
func NewID() string { return NewIDAt(time.Now()) }

// NewIDAt returns a new prediction ID, like [NewID], of the time t. Years before 1970
// count as 1970.
func NewIDAt(t time.Time) string {
	ms := t.UnixMilli()
	// The 12 bits after the version hold the fraction of the millisecond, as the RFC's
	// method 3 allows, so that IDs of one millisecond sort by time too.
	fraction := t.Nanosecond() % 1e6 * 4096 / 1e6
	if ms < 0 {
		ms, fraction = 0, 0
	}
	random := rand.Uint64()
	b := [16]byte{
		byte(ms >> 40), byte(ms >> 32), byte(ms >> 24), byte(ms >> 16), byte(ms >> 8), byte(ms),
		0x70 | byte(fraction>>8), byte(fraction),
		0x80 | byte(random>>56)&0x3f, byte(random >> 48), byte(random >> 40), byte(random >> 32),
		byte(random >> 24), byte(random >> 16), byte(random >> 8), byte(random),
	}
	var text [36]byte
	hex.Encode(text[0:], b[0:4])
	hex.Encode(text[9:], b[4:6])
	hex.Encode(text[14:], b[6:8])
	hex.Encode(text[19:], b[8:10])
	hex.Encode(text[24:], b[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}
