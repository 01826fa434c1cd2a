package predictlog

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"time"
)

var (
	// ErrDamagedRecord is returned by [Codec.Decode] for bytes that differ from what
	// [Codec.AppendRecord] wrote.
	ErrDamagedRecord = errors.New("predictlog: damaged record")

	// ErrUnknownSchema is returned by [Codec.Decode] for a record of a schema that the
	// codec does not know. Use [errors.As] with an [*UnknownSchemaError] to learn which.
	ErrUnknownSchema = errors.New("predictlog: record of an unknown schema")
)

// UnknownSchemaError names the schema under which a record was encoded.
type UnknownSchemaError struct {
	// Fingerprint is the fingerprint of the schema, as [Schema.ShortFingerprint] returns it.
	Fingerprint string
}

func (e *UnknownSchemaError) Error() string {
	return fmt.Sprintf("predictlog: record of the unknown schema %s", e.Fingerprint)
}

// Unwrap returns [ErrUnknownSchema].
func (e *UnknownSchemaError) Unwrap() error { return ErrUnknownSchema }

// Codec writes whole records as bytes and reads them back, for stores that keep bytes. A
// Codec is immutable and safe for concurrent use.
//
// An encoding is lossless, to the microseconds that every store keeps. [Record.Equal] holds
// for two records that follow the schema if and only if their encodings, and so their hashes,
// are equal. An encoding names its schema and ends with a checksum that finds every flipped
// bit. A number takes 9 bytes, a whole number 2 to 9, a missing value 1, a text its length
// and 2; a record takes some 30 bytes more.
type Codec struct {
	schema *Schema
	own    shortFingerprint
	known  map[shortFingerprint]*Projection
}

// NewCodec returns a codec that encodes records of the schema. The codec decodes records of
// this schema and of the earlier schemas; see [Store] for how it adapts earlier records. The
// schemas must not be nil.
func NewCodec(schema *Schema, earlier ...*Schema) *Codec {
	c := &Codec{schema: schema, own: schema.short, known: map[shortFingerprint]*Projection{}}
	for _, from := range append(slices.Clone(earlier), schema) {
		c.known[from.short] = NewProjection(from, schema)
	}
	return c
}

// Schema returns the schema of the records that the codec encodes.
func (c *Codec) Schema() *Schema { return c.schema }

// The first byte of an encoding says how the rest is to be read.
const codecFormat = 1

// The values of a row begin with a byte that says what follows.
const (
	codedMissing byte = iota // nothing
	codedNumber              // 8 bytes, big-endian IEEE 754
	codedWhole               // a zigzag varint: a whole number that a float64 holds exactly, but not -0
	codedNaN                 // nothing: the bits of the NaN are not kept
	codedText                // a text: its length as a varint, and its bytes
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendRecord appends the encoding of r to dst and returns the result. A record that
// does not follow the schema is a [*RecordError], and dst is returned as it was.
func (c *Codec) AppendRecord(dst []byte, r Record) ([]byte, error) {
	if err := c.schema.CheckRecord(r); err != nil {
		return dst, err
	}
	return c.append(dst, &r), nil
}

// Hash returns the SHA-256 of the encoding. A store compares the content of records by their
// hashes without reading them. The hash covers the schema: hashes of records encoded under
// two schemas always differ, and only decoding tells whether the records are equal. A record
// that does not follow the schema has a hash too.
func (c *Codec) Hash(r Record) [sha256.Size]byte {
	var buf [1 << 10]byte
	return sha256.Sum256(c.append(buf[:0], &r))
}

// append encodes any record. The encoding of a record that does not follow the schema cannot
// be decoded.
func (c *Codec) append(dst []byte, r *Record) []byte {
	start := len(dst)
	dst = append(dst, codecFormat)
	dst = append(dst, c.own[:]...)
	dst = appendText(dst, r.ID)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Time.UnixMicro()))
	dst = appendText(dst, r.Model)
	dst = appendText(dst, r.Version)
	dst = binary.AppendVarint(dst, r.Latency.Microseconds())
	dst = binary.AppendUvarint(dst, uint64(len(r.Row)))
	for _, v := range r.Row {
		dst = appendValue(dst, v)
	}
	dst = appendText(dst, r.Output.Class)
	dst = appendNumber(dst, r.Output.Value)
	dst = binary.AppendUvarint(dst, uint64(len(r.Output.Probabilities)))
	for _, p := range r.Output.Probabilities {
		dst = appendNumber(dst, p)
	}
	dst = binary.AppendUvarint(dst, uint64(len(r.Violations)))
	for _, v := range r.Violations {
		dst = appendText(dst, v.Column)
		dst = appendText(dst, v.Rule)
		dst = appendText(dst, v.Value)
	}
	dst = appendTags(dst, r.Tags)
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendValue(dst []byte, v Value) []byte {
	switch v.kind {
	case Numeric:
		return appendNumber(dst, v.number)
	case Categorical:
		return appendText(append(dst, codedText), v.text)
	}
	return append(dst, codedMissing)
}

func appendNumber(dst []byte, x float64) []byte {
	const wholes = 1 << 53
	switch whole := int64(x); {
	case math.IsNaN(x):
		return append(dst, codedNaN)
	case math.Abs(x) < wholes && float64(whole) == x && (x != 0 || !math.Signbit(x)):
		return binary.AppendVarint(append(dst, codedWhole), whole)
	}
	return binary.BigEndian.AppendUint64(append(dst, codedNumber), math.Float64bits(x))
}

func appendTags(dst []byte, tags map[string]string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(tags)))
	if len(tags) == 0 {
		return dst
	}
	var few [16]string
	names := few[:0]
	for name := range tags {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		dst = appendText(dst, name)
		dst = appendText(dst, tags[name])
	}
	return dst
}

// Decode returns the record that data encodes, as a record of the codec's schema. It
// shares no memory with data. Bytes that were cut off, extended or changed are
// [ErrDamagedRecord]; a record of a schema that was not given to [NewCodec] is an
// [*UnknownSchemaError].
func (c *Codec) Decode(data []byte) (Record, error) {
	const before, after = 1 + len(shortFingerprint{}), 4
	if len(data) < before+after {
		return Record{}, fmt.Errorf("%w: %d bytes, want %d or more", ErrDamagedRecord, len(data), before+after)
	}
	body, sum := data[:len(data)-after], binary.BigEndian.Uint32(data[len(data)-after:])
	if crc32.Checksum(body, castagnoli) != sum {
		return Record{}, fmt.Errorf("%w: the checksum does not match", ErrDamagedRecord)
	}
	if body[0] != codecFormat {
		return Record{}, fmt.Errorf("%w: format %d, want %d", ErrDamagedRecord, body[0], codecFormat)
	}
	short := shortFingerprint(body[1:before])
	from, ok := c.known[short]
	if !ok {
		return Record{}, &UnknownSchemaError{Fingerprint: hex.EncodeToString(short[:])}
	}
	// Only texts are sliced from the copy, so that all of them cost one allocation.
	in := codecReader{data: body[before:], text: string(body[before:])}
	r := in.record(from.from)
	if in.err == nil && in.at != len(in.data) {
		in.fail("followed by %d bytes", len(in.data)-in.at)
	}
	if in.err != nil {
		return Record{}, in.err
	}
	if err := from.from.CheckRecord(r); err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrDamagedRecord, err)
	}
	return from.Record(r), nil
}

// codecReader reads an encoding in order. After the first failure it keeps err and reads
// zeros.
type codecReader struct {
	data []byte
	text string // the same bytes
	at   int
	err  error
}

func (in *codecReader) record(schema *Schema) Record {
	var r Record
	r.ID = in.string()
	r.Time = time.UnixMicro(int64(in.uint64())).UTC()
	r.Model = in.string()
	r.Version = in.string()
	micros := in.varint()
	r.Latency = time.Duration(micros) * time.Microsecond
	if r.Latency.Microseconds() != micros {
		in.fail("latency of %d microseconds", micros)
	}
	if n := in.uvarint(); in.err == nil && n != uint64(schema.Len()) {
		in.fail("a row of %d values, want %d", n, schema.Len())
	}
	r.Row = make(Row, schema.Len())
	for i := range r.Row {
		r.Row[i] = in.value()
	}
	r.Output = in.output()
	for range in.count(3) {
		r.Violations = append(r.Violations, Violation{Column: in.string(), Rule: in.string(), Value: in.string()})
	}
	if n := in.count(2); n > 0 {
		r.Tags = make(map[string]string, n)
		for last := ""; n > 0; n-- {
			name := in.string()
			if name <= last {
				in.fail("tag %q after tag %q", name, last)
			}
			r.Tags[name] = in.string()
			last = name
		}
	}
	return r
}

func (in *codecReader) output() Output {
	o := Output{Class: in.string(), Value: in.number(in.byte())}
	if n := in.count(1); n > 0 {
		o.Probabilities = make([]float64, n)
		for i := range o.Probabilities {
			o.Probabilities[i] = in.number(in.byte())
		}
	}
	return o
}

func (in *codecReader) value() Value {
	switch coded := in.byte(); coded {
	case codedMissing:
		return Value{}
	case codedText:
		return Category(in.string())
	default:
		return Number(in.number(coded))
	}
}

func (in *codecReader) number(coded byte) float64 {
	switch coded {
	case codedNumber:
		return math.Float64frombits(in.uint64())
	case codedWhole:
		return float64(in.varint())
	case codedNaN:
		return math.NaN()
	}
	in.fail("a number begins with the byte %d", coded)
	return 0
}

func (in *codecReader) fail(format string, args ...any) {
	if in.err == nil {
		in.err = fmt.Errorf("%w: at byte %d: %s", ErrDamagedRecord, in.at, fmt.Sprintf(format, args...))
	}
}

// next returns the next n bytes, nil if there are fewer.
func (in *codecReader) next(n uint64) []byte {
	if in.err == nil && n > uint64(len(in.data)-in.at) {
		in.fail("%d bytes are missing", n-uint64(len(in.data)-in.at))
	}
	if in.err != nil {
		return nil
	}
	p := in.data[in.at:][:n]
	in.at += int(n)
	return p
}

func (in *codecReader) byte() byte {
	if p := in.next(1); p != nil {
		return p[0]
	}
	return 0
}

func (in *codecReader) uint64() uint64 {
	if p := in.next(8); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

func (in *codecReader) uvarint() uint64 {
	if in.err != nil {
		return 0
	}
	n, size := binary.Uvarint(in.data[in.at:])
	if size <= 0 {
		in.fail("not a varint")
		return 0
	}
	in.at += size
	return n
}

func (in *codecReader) varint() int64 {
	if in.err != nil {
		return 0
	}
	n, size := binary.Varint(in.data[in.at:])
	if size <= 0 {
		in.fail("not a varint")
		return 0
	}
	in.at += size
	return n
}

// count returns the number of things that follow, each of at least least bytes. A number for
// which the rest is too short is an error, so nothing is allocated for it.
func (in *codecReader) count(least int) int {
	n := in.uvarint()
	if in.err == nil && n > uint64((len(in.data)-in.at)/least) {
		in.fail("%d things are too many for %d bytes", n, len(in.data)-in.at)
	}
	if in.err != nil {
		return 0
	}
	return int(n)
}

func (in *codecReader) string() string {
	n := in.uvarint()
	start := in.at
	if in.next(n) == nil {
		return ""
	}
	return in.text[start:in.at]
}
