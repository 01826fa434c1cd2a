package drift

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/selfheal-ml/selfheal/drift/internal/counting"
	"github.com/selfheal-ml/selfheal/drift/internal/envelope"
)

// The binary form of a Reference or a Profile is a magic word of eight bytes, the version as a
// byte, the content, and the SHA-256 of all that. In the content a number is a varint of
// encoding/binary, and a float64 is eight bytes, little endian. The length comes before a
// string or a list.
const (
	referenceMagic = "driftref"
	profileMagic   = "driftprf"
)

// AppendBinary appends the binary form, which has the version and a checksum. The binary form
// is several times smaller and faster than the JSON form. Equal references give equal bytes.
// The fingerprint does not depend on the form.
func (r *Reference) AppendBinary(data []byte) ([]byte, error) {
	if r.sealed == nil {
		return data, errors.New("drift: the zero Reference holds nothing to write")
	}
	f := writtenForm(data, referenceMagic)
	content := r.content
	f.content(&content)
	return f.seal(len(data)), nil
}

// MarshalBinary returns what [Reference.AppendBinary] appends.
func (r *Reference) MarshalBinary() ([]byte, error) { return r.AppendBinary(nil) }

// UnmarshalBinary reads the output of [Reference.AppendBinary]. Any change is an error that
// unwraps to [ErrCorrupt]. UnmarshalBinary must not be called on a reference in use.
func (r *Reference) UnmarshalBinary(data []byte) error {
	f, err := readForm(referenceKind, referenceMagic, data)
	if err != nil {
		return err
	}
	var content referenceContent
	f.content(&content)
	if err := f.finish(); err != nil {
		return err
	}
	read, err := newReference(content)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, referenceKind, err)
	}
	if err := f.rewritten(read, data); err != nil {
		return err
	}
	*r = *read
	return nil
}

// AppendBinary appends the binary form, which has the version, a checksum and the fingerprint
// of the reference. A cell takes about two bytes. Equal profiles give equal bytes.
func (p *Profile) AppendBinary(data []byte) ([]byte, error) {
	if p.ref == nil {
		return data, errors.New("drift: the zero Profile holds nothing to write")
	}
	f := writtenForm(data, profileMagic)
	print, rows := p.ref.fingerprint, p.rows
	f.text(&print)
	f.integer(&rows)
	for i := range p.tallies {
		f.tally(&p.tallies[i])
	}
	return f.seal(len(data)), nil
}

// MarshalBinary returns what [Profile.AppendBinary] appends.
func (p *Profile) MarshalBinary() ([]byte, error) { return p.AppendBinary(nil) }

// UnmarshalBinary reads the output of [Profile.AppendBinary] into a profile made by
// [Reference.NewProfile] and replaces its counts. On an error the counts stay. A profile of
// another reference is [ErrReferenceMismatch]; modified data are [ErrCorrupt].
func (p *Profile) UnmarshalBinary(data []byte) error {
	if p.ref == nil {
		return errors.New("drift: read a profile into one that is made by Reference.NewProfile")
	}
	f, err := readForm(profileKind, profileMagic, data)
	if err != nil {
		return err
	}
	var print string
	if f.text(&print); print != p.ref.fingerprint {
		return fmt.Errorf("%w: %.64q and %s", ErrReferenceMismatch, print, p.ref.fingerprint)
	}
	content := profileContent{Columns: make([]tally, len(p.ref.cells))}
	f.integer(&content.Rows)
	for i := range content.Columns {
		f.tally(&content.Columns[i])
	}
	if err := f.finish(); err != nil {
		return err
	}
	if err := content.check(p.ref); err != nil {
		return f.corrupt("%w", err)
	}
	read := Profile{ref: p.ref, rows: content.Rows, tallies: content.Columns}
	if err := f.rewritten(&read, data); err != nil {
		return err
	}
	p.take(content)
	return nil
}

// leastColumn is a lower bound on the bytes of a column, even if all its numbers are 0.
const leastColumn = 24

// form is a binary form that is written or read. Each method appends its argument, or reads
// into it. After an error only zeros are read; finish returns the error.
type form struct {
	data    []byte // written, or left to read
	reading bool
	kind    string
	err     error
}

func writtenForm(data []byte, magic string) *form {
	return &form{data: append(append(data, magic...), envelope.Version)}
}

// seal appends the checksum of the bytes from start on.
func (f *form) seal(start int) []byte {
	sum := sha256.Sum256(f.data[start:])
	return append(f.data, sum[:]...)
}

func readForm(kind, magic string, data []byte) (*form, error) {
	f := &form{kind: kind, reading: true}
	head := len(magic) + 1
	if len(data) < head+sha256.Size || string(data[:len(magic)]) != magic {
		return nil, f.corrupt("does not begin with %q, or is too short", magic)
	}
	if version := data[len(magic)]; version != envelope.Version {
		return nil, f.corrupt("version is %d, want %d", version, envelope.Version)
	}
	body := data[:len(data)-sha256.Size]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], data[len(body):]) {
		return nil, f.corrupt("content has SHA-256 %x, but was written with %x", sum, data[len(body):])
	}
	f.data = body[head:]
	return f, nil
}

func (f *form) corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s: %w", ErrCorrupt, f.kind, fmt.Errorf(format, args...))
}

func (f *form) fail(what string) {
	if f.err == nil {
		f.err = f.corrupt("%s", what)
	}
	f.data = nil
}

// finish returns the first error, or an error if bytes are left.
func (f *form) finish() error {
	if f.err == nil && len(f.data) > 0 {
		f.fail("something follows the content")
	}
	return f.err
}

// rewritten returns an error if writing the result gives other bytes than were read, for
// example because an integer has more bytes than needed.
func (f *form) rewritten(read encoding.BinaryMarshaler, data []byte) error {
	if again, err := read.MarshalBinary(); err != nil || !bytes.Equal(again, data) {
		return f.corrupt("content is not in the form in which it is written")
	}
	return nil
}

func (f *form) integer(n *int64) {
	if !f.reading {
		f.data = binary.AppendVarint(f.data, *n)
		return
	}
	read, size := binary.Varint(f.data)
	if size <= 0 {
		f.fail("an integer is cut off or too large")
		return
	}
	*n, f.data = read, f.data[size:]
}

// formInteger is form.integer for the other types of integers.
func formInteger[T ~int | ~uint | ~uint8](f *form, n *T) {
	wide := int64(*n)
	f.integer(&wide)
	if f.reading { // what is written is shared by all who write it
		*n = T(wide)
	}
}

// length writes n, or reads a number of things that take at least size bytes each.
func (f *form) length(n, size int) int {
	wide := int64(n)
	f.integer(&wide)
	if f.reading && (wide < 0 || wide > int64(len(f.data)/size)) {
		f.fail(fmt.Sprintf("a length is %d, but %d bytes are left", wide, len(f.data)))
		return 0
	}
	return int(wide)
}

func (f *form) float(x *float64) {
	switch {
	case !f.reading:
		f.data = binary.LittleEndian.AppendUint64(f.data, math.Float64bits(*x))
	case len(f.data) < 8:
		f.fail("a number is cut off")
	default:
		*x = math.Float64frombits(binary.LittleEndian.Uint64(f.data))
		f.data = f.data[8:]
	}
}

func (f *form) text(s *string) {
	n := f.length(len(*s), 1)
	if !f.reading {
		f.data = append(f.data, *s...)
		return
	}
	*s = string(f.data[:n])
	f.data = f.data[n:]
}

// formList passes each thing of a list to do. A thing takes at least size bytes.
func formList[T any](f *form, list *[]T, size int, do func(*T)) {
	n := f.length(len(*list), size)
	for i := 0; i < n && f.err == nil; i++ {
		if f.reading {
			*list = append(*list, *new(T))
		}
		do(&(*list)[i])
	}
}

func (f *form) content(c *referenceContent) {
	f.integer(&c.Rows)
	formList(f, (*[]columnContent)(&c.Columns), leastColumn, func(column *columnContent) {
		f.text(&column.Name)
		formInteger(f, &column.Kind)
		if f.reading && column.Kind == KindNumeric {
			column.Numbers = new(counting.Fit)
		}
		if column.Numbers != nil {
			f.numbers(column.Numbers)
		}
		formList(f, &column.Levels, 1, f.text)
		f.tally(&column.Counts)
	})
}

func (f *form) numbers(fit *counting.Fit) {
	formList(f, &fit.Edges, 8, f.float)
	formInteger(f, &fit.Grid.Size)
	f.float(&fit.Grid.Centre)
	f.float(&fit.Grid.Rate)
	formInteger(f, &fit.Grid.Shift)
	f.integer(&fit.Grid.Base)
	formInteger(f, &fit.Grid.Tails)
	f.float(&fit.Unit.Centre)
	formInteger(f, &fit.Unit.Exponent)
}

func (f *form) tally(t *tally) {
	if n := f.length(len(t.Cells), 1); f.reading {
		t.Cells = make([]int64, n)
	}
	for i := range t.Cells {
		f.integer(&t.Cells[i])
	}
	for _, n := range []*int64{&t.Missing, &t.NegInf, &t.PosInf, &t.Unseen, &t.Moments.N} {
		f.integer(n)
	}
	f.float(&t.Moments.Min)
	f.float(&t.Moments.Max)
	for _, sum := range []*counting.Sum{&t.Moments.Sum, &t.Moments.Squares} {
		written := sum.String()
		if f.text(&written); f.reading {
			if err := sum.UnmarshalText([]byte(written)); err != nil {
				f.fail(err.Error())
			}
		}
	}
}
