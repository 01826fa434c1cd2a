package drift

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/selfheal-ml/selfheal/drift/internal/counting"
	"github.com/selfheal-ml/selfheal/drift/internal/envelope"
)

// The binary form of a Reference or a Profile is a magic word of eight bytes, the version
// as a byte, the content, and the SHA-256 of all that. In the content a number is a varint
// of the encoding/binary package, a float64 its eight bytes, the lowest first, and a string
// or a list comes after its length.
const (
	referenceMagic = "driftref"
	profileMagic   = "driftprf"
)

// AppendBinary appends the binary form, which has the version and a checksum and is several
// times smaller and faster than the JSON form. Equal references give equal bytes. The
// fingerprint is the same whichever form a reference was read from.
func (r *Reference) AppendBinary(data []byte) ([]byte, error) {
	if r.sealed == nil {
		return data, errors.New("drift: the zero Reference holds nothing to write")
	}
	w := newEncoder(data, referenceMagic)
	w.content(r.content())
	return w.finish(), nil
}

// MarshalBinary returns what [Reference.AppendBinary] appends.
func (r *Reference) MarshalBinary() ([]byte, error) { return r.AppendBinary(nil) }

// UnmarshalBinary reads what [Reference.AppendBinary] wrote. Any change is an error that
// unwraps to [ErrCorrupt]. It must not be called on a reference that is in use.
func (r *Reference) UnmarshalBinary(data []byte) error {
	d, err := newDecoder(referenceKind, referenceMagic, data)
	if err != nil {
		return err
	}
	content := d.content()
	if err := d.finish(); err != nil {
		return err
	}
	read, err := newReference(content)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, referenceKind, err)
	}
	again, err := read.AppendBinary(make([]byte, 0, len(data)))
	if err != nil || !bytes.Equal(again, data) {
		return d.corrupt("content is not in the form in which it is written")
	}
	*r = *read
	return nil
}

// AppendBinary appends the binary form, which has the version, a checksum and the
// fingerprint of the reference: about two bytes for each cell. Equal profiles give equal
// bytes.
func (p *Profile) AppendBinary(data []byte) ([]byte, error) {
	if p.ref == nil {
		return data, errors.New("drift: the zero Profile holds nothing to write")
	}
	w := newEncoder(data, profileMagic)
	w.text(p.ref.fingerprint)
	w.integer(p.rows)
	for i := range p.tallies {
		w.tally(&p.tallies[i])
	}
	return w.finish(), nil
}

// MarshalBinary returns what [Profile.AppendBinary] appends.
func (p *Profile) MarshalBinary() ([]byte, error) { return p.AppendBinary(nil) }

// UnmarshalBinary reads what [Profile.AppendBinary] wrote into a profile made by
// [Reference.NewProfile], whose counts it replaces; on an error they stay. A profile of
// another reference is [ErrReferenceMismatch], a changed one [ErrCorrupt].
func (p *Profile) UnmarshalBinary(data []byte) error {
	if p.ref == nil {
		return errors.New("drift: read a profile into one that is made by Reference.NewProfile")
	}
	d, err := newDecoder(profileKind, profileMagic, data)
	if err != nil {
		return err
	}
	if print := d.text(); print != p.ref.fingerprint {
		return fmt.Errorf("%w: %.64q and %s", ErrReferenceMismatch, print, p.ref.fingerprint)
	}
	content := profileContent{Rows: d.integer()}
	for range p.ref.cells {
		content.Columns = append(content.Columns, d.tally())
	}
	if err := d.finish(); err != nil {
		return err
	}
	if err := content.check(p.ref); err != nil {
		return d.corrupt("%w", err)
	}
	read := Profile{ref: p.ref, rows: content.Rows, tallies: content.Columns}
	if again, err := read.AppendBinary(make([]byte, 0, len(data))); err != nil || !bytes.Equal(again, data) {
		return d.corrupt("content is not in the form in which it is written")
	}
	p.take(content)
	return nil
}

// encoder appends the parts of a binary form.
type encoder struct {
	data  []byte
	start int // of the form in data
}

func newEncoder(data []byte, magic string) *encoder {
	return &encoder{data: append(append(data, magic...), envelope.Version), start: len(data)}
}

func (w *encoder) finish() []byte {
	sum := sha256.Sum256(w.data[w.start:])
	return append(w.data, sum[:]...)
}

func (w *encoder) integer(n int64) { w.data = binary.AppendVarint(w.data, n) }

func (w *encoder) float(x float64) {
	w.data = binary.LittleEndian.AppendUint64(w.data, math.Float64bits(x))
}

func (w *encoder) text(s string) {
	w.integer(int64(len(s)))
	w.data = append(w.data, s...)
}

func (w *encoder) content(c referenceContent) {
	w.integer(c.Rows)
	w.integer(int64(len(c.Columns)))
	for i := range c.Columns {
		column := &c.Columns[i]
		w.text(column.Name)
		w.integer(int64(column.Kind))
		if f := column.Numbers; f != nil {
			w.numbers(f)
		}
		w.integer(int64(len(column.Levels)))
		for _, level := range column.Levels {
			w.text(level)
		}
		w.tally(&column.Counts)
	}
}

func (w *encoder) numbers(f *counting.Fit) {
	w.integer(int64(len(f.Edges)))
	for _, e := range f.Edges {
		w.float(e)
	}
	w.integer(int64(f.Grid.Size))
	w.float(f.Grid.Centre)
	w.float(f.Grid.Rate)
	w.integer(int64(f.Grid.Shift))
	w.integer(f.Grid.Base)
	w.integer(int64(f.Grid.Tails))
	w.float(f.Unit.Centre)
	w.integer(int64(f.Unit.Exponent))
}

func (w *encoder) tally(t *tally) {
	w.integer(int64(len(t.Cells)))
	for _, n := range t.Cells {
		w.integer(n)
	}
	for _, n := range []int64{t.Missing, t.NegInf, t.PosInf, t.Unseen, t.Moments.N} {
		w.integer(n)
	}
	w.float(t.Moments.Min)
	w.float(t.Moments.Max)
	w.text(t.Moments.Sum.String())
	w.text(t.Moments.Squares.String())
}

// leastColumn is less than any column takes, in which everything is 0.
const leastColumn = 24

// decoder reads the parts of a binary form. After an error, which finish returns, it reads
// zeros.
type decoder struct {
	kind string
	data []byte
	err  error
}

func newDecoder(kind, magic string, data []byte) (*decoder, error) {
	d := &decoder{kind: kind}
	head := len(magic) + 1
	if len(data) < head+sha256.Size || string(data[:len(magic)]) != magic {
		return nil, d.corrupt("does not begin with %q, or is too short", magic)
	}
	if version := data[len(magic)]; version != envelope.Version {
		return nil, d.corrupt("version is %d, want %d", version, envelope.Version)
	}
	body := data[:len(data)-sha256.Size]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], data[len(body):]) {
		return nil, d.corrupt("content has SHA-256 %x, but was written with %x", sum, data[len(body):])
	}
	d.data = body[head:]
	return d, nil
}

func (d *decoder) corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s: %w", ErrCorrupt, d.kind, fmt.Errorf(format, args...))
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = d.corrupt("%s", what)
	}
	d.data = nil
}

// finish returns an error if one was met or bytes are left.
func (d *decoder) finish() error {
	if d.err == nil && len(d.data) > 0 {
		d.fail("something follows the content")
	}
	return d.err
}

func (d *decoder) integer() int64 {
	n, size := binary.Varint(d.data)
	if size <= 0 {
		d.fail("an integer is cut off or too large")
		return 0
	}
	d.data = d.data[size:]
	return n
}

// length returns a number of things that take at least size bytes each.
func (d *decoder) length(size int) int {
	n := d.integer()
	if n < 0 || n > int64(len(d.data)/size) {
		d.fail(fmt.Sprintf("a length is %d, but %d bytes are left", n, len(d.data)))
		return 0
	}
	return int(n)
}

func (d *decoder) float() float64 {
	if len(d.data) < 8 {
		d.fail("a number is cut off")
		return 0
	}
	x := math.Float64frombits(binary.LittleEndian.Uint64(d.data))
	d.data = d.data[8:]
	return x
}

func (d *decoder) text() string {
	n := d.length(1)
	s := string(d.data[:n])
	d.data = d.data[n:]
	return s
}

func (d *decoder) content() referenceContent {
	c := referenceContent{Rows: d.integer()}
	for range d.length(leastColumn) {
		if d.err != nil {
			break
		}
		column := columnContent{Name: d.text(), Kind: Kind(d.integer())}
		if column.Kind == KindNumeric {
			column.Numbers = d.numbers()
		}
		for range d.length(1) {
			column.Levels = append(column.Levels, d.text())
		}
		column.Counts = d.tally()
		c.Columns = append(c.Columns, column)
	}
	return c
}

func (d *decoder) numbers() *counting.Fit {
	f := new(counting.Fit)
	for range d.length(8) {
		f.Edges = append(f.Edges, d.float())
	}
	f.Grid = counting.Grid{Size: int(d.integer()), Centre: d.float(), Rate: d.float(),
		Shift: uint(d.integer()), Base: d.integer(), Tails: int(d.integer())}
	f.Unit = counting.Unit{Centre: d.float(), Exponent: int(d.integer())}
	return f
}

func (d *decoder) tally() tally {
	t := tally{Cells: make([]int64, d.length(1))}
	for i := range t.Cells {
		t.Cells[i] = d.integer()
	}
	for _, n := range []*int64{&t.Missing, &t.NegInf, &t.PosInf, &t.Unseen, &t.Moments.N} {
		*n = d.integer()
	}
	t.Moments.Min, t.Moments.Max = d.float(), d.float()
	for _, sum := range []*counting.Sum{&t.Moments.Sum, &t.Moments.Squares} {
		if err := sum.UnmarshalText([]byte(d.text())); err != nil {
			d.fail(err.Error())
		}
	}
	return t
}
