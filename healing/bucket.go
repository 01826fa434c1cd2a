package healing

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/selfheal-ml/selfheal/drift"
)

// Bucket counts the predictions of one version in one bucket of time.
type Bucket struct {
	// From and To bound the times of the predictions: From <= time < To. To is earlier than
	// the end of the bucket if the bucket was not over when it was counted.
	From, To time.Time
	// Complete says that the bucket is too old to be counted again: it will not change. With
	// replicas, Complete covers the replicas that have counted the bucket so far.
	Complete bool
	Tally
}

// kept is the stored part of a bucket: the counts of one process from its log.
type kept struct {
	// until is where the records that were read end: at the end of the bucket, or, if that is
	// earlier, at the time of the reading.
	until time.Time
	// looked is when the records were last read.
	looked time.Time
	Tally
	// content is the hash of all but looked.
	content [sha256.Size]byte
	stored  stamp // of the stored form
}

// stamp tells stored forms of one bucket apart.
type stamp struct {
	size int
	sum  uint32
}

// stampOf returns the size and the checksum that a stored form ends with.
func stampOf(data []byte) stamp {
	if len(data) < bucketTail {
		return stamp{}
	}
	return stamp{len(data), binary.BigEndian.Uint32(data[len(data)-bucketTail:])}
}

// The stored form of a bucket is a version in one byte, until and looked in microseconds
// since 1970, each in eight bytes, and a compressed body. The body has the three counts as
// varints and the binary forms of the three profiles, each after its length; the length of a
// missing profile is 0. The last four bytes are a checksum of all before them.
const (
	bucketVersion = 1
	bucketHead    = 1 + 8 + 8
	bucketTail    = 4
	// maxBody bounds the memory that a damaged point can take.
	maxBody = 4 * MaxPoint
)

// bucketCodec writes buckets. It is not safe for concurrent use.
type bucketCodec struct {
	w    *flate.Writer
	body []byte
	out  bytes.Buffer
}

// encode returns the stored form of the bucket and sets its content and its stamp.
func (c *bucketCodec) encode(k *kept) ([]byte, error) {
	body := c.body[:0]
	for _, n := range [...]int{k.Rows, k.Violations, k.Unanswered} {
		body = binary.AppendUvarint(body, uint64(n))
	}
	for _, p := range [...]*drift.Profile{k.Inputs, k.Answers, k.Metrics} {
		var data []byte
		if p != nil {
			var err error
			if data, err = p.MarshalBinary(); err != nil {
				return nil, err
			}
		}
		body = binary.AppendUvarint(body, uint64(len(data)))
		body = append(body, data...)
	}
	c.body = body
	head := make([]byte, 0, bucketHead)
	head = append(head, bucketVersion)
	head = binary.BigEndian.AppendUint64(head, uint64(k.until.UnixMicro()))
	k.content = contentOf(head, body)
	head = binary.BigEndian.AppendUint64(head, uint64(k.looked.UnixMicro()))
	c.out.Reset()
	c.out.Write(head)
	if c.w == nil {
		w, err := flate.NewWriter(&c.out, flate.BestSpeed)
		if err != nil {
			return nil, err
		}
		c.w = w
	} else {
		c.w.Reset(&c.out)
	}
	if _, err := c.w.Write(body); err != nil {
		return nil, err
	}
	if err := c.w.Close(); err != nil {
		return nil, err
	}
	data := binary.BigEndian.AppendUint32(bytes.Clone(c.out.Bytes()), crc32.ChecksumIEEE(c.out.Bytes()))
	k.stored = stampOf(data)
	return data, nil
}

// contentOf returns the hash of the counts and of until.
func contentOf(head, body []byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write(head[:1+8])
	h.Write(body)
	h.Sum(sum[:0])
	return sum
}

// errOther means that a bucket is undamaged, but was counted on other references.
var errOther = errors.New("counted on another reference")

// decode reads the stored form of a bucket of the version of v. A bucket that was counted on
// other references is errOther.
func (v *view) decode(data []byte) (*kept, error) {
	if len(data) < bucketHead+bucketTail {
		return nil, fmt.Errorf("%w: %d bytes", ErrDamaged, len(data))
	}
	stored := stampOf(data)
	data = data[:len(data)-bucketTail]
	if crc32.ChecksumIEEE(data) != stored.sum {
		return nil, fmt.Errorf("%w: another checksum", ErrDamaged)
	}
	if data[0] != bucketVersion {
		return nil, errOther // a later version of this package will count it again
	}
	k := &kept{
		until:  time.UnixMicro(int64(binary.BigEndian.Uint64(data[1:]))).UTC(),
		looked: time.UnixMicro(int64(binary.BigEndian.Uint64(data[9:]))).UTC(),
		Tally:  v.empty(),
		stored: stored,
	}
	body, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data[bucketHead:])), maxBody))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	k.content = contentOf(data, body)
	for _, n := range [...]*int{&k.Rows, &k.Violations, &k.Unanswered} {
		x, size := binary.Uvarint(body)
		if size <= 0 || int(x) < 0 {
			return nil, fmt.Errorf("%w: a count is cut off", ErrDamaged)
		}
		*n, body = int(x), body[size:]
	}
	for _, p := range [...]*drift.Profile{k.Inputs, k.Answers, k.Metrics} {
		n, size := binary.Uvarint(body)
		if size <= 0 || n > uint64(len(body)-size) {
			return nil, fmt.Errorf("%w: a profile is cut off", ErrDamaged)
		}
		profile := body[size : size+int(n)]
		body = body[size+int(n):]
		if (p != nil) != (n > 0) {
			return nil, errOther
		}
		if p == nil {
			continue
		}
		err := p.UnmarshalBinary(profile)
		if errors.Is(err, drift.ErrReferenceMismatch) {
			return nil, errOther
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	if len(body) > 0 {
		return nil, fmt.Errorf("%w: %d bytes follow", ErrDamaged, len(body))
	}
	return k, nil
}
