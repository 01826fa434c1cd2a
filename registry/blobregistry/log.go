package blobregistry

import (
	"context"
	"fmt"
	"io"
	"iter"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"

	"github.com/selfheal-ml/selfheal/registry"
)

// log is a [registry.Log] with an object for each entry. Numbers have no gaps, so the first
// missing number is the end. Entries are never deleted, so no number is given out twice.
type log struct {
	b      *Bucket
	prefix string

	mu      sync.Mutex
	highest uint64 // the highest number that an entry was seen to have; guarded by mu
}

// saw remembers that the entry with this number exists or existed.
func (l *log) saw(seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.highest = max(l.highest, seq)
}

// isTaken reports whether an entry with this number or a higher one is known. The key of a
// lost entry is free, but its number is not.
func (l *log) isTaken(seq uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return seq <= l.highest
}

func (l *log) key(seq uint64) string { return fmt.Sprintf("%s%020d", l.prefix, seq) }

// Append implements [registry.Log].
func (l *log) Append(ctx context.Context, seq uint64, entry []byte) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if seq == 0 || len(entry) == 0 || len(entry) > registry.MaxEntry {
		return false, fmt.Errorf("blobregistry: append entry %d of %d bytes, want a number from 1 and 1 to %d bytes", seq, len(entry), registry.MaxEntry)
	}
	if l.isTaken(seq) {
		return false, nil
	}
	done, err := l.b.create(ctx, l.key(seq), entry)
	if err == nil {
		l.saw(seq)
	}
	return done, err
}

// The number of entries that Read asks for at once: two at first, because there is likely
// none, and twice as many each time it finds all of them.
const (
	fewest = 2
	most   = 16
)

// Read implements [registry.Log]. If there is nothing new, Read asks for two entries that do
// not exist, and does not list. At the end of the entries that it found, or if it finds no
// first entry, Read lists the objects behind: a lost entry is not the end of the log.
func (l *log) Read(ctx context.Context, after uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var end uint64 // those up to this one are there, or were lost
		for next, width := after+1, fewest; next > after; width = min(2*width, most) {
			if next <= end {
				width = most
			}
			entries, err := l.fetch(ctx, next, width, end)
			if err != nil {
				yield(nil, err)
				return
			}
			next += uint64(len(entries))
			if len(entries) > 0 {
				l.saw(next - 1)
			}
			for _, e := range entries {
				if err := ctx.Err(); err != nil {
					yield(nil, err)
					return
				}
				if !yield(e, nil) {
					return
				}
			}
			switch {
			case len(entries) == width || next <= end:
				continue
			case next == after+1 && after > 0:
				return // nothing new
			}
			if end, err = l.last(ctx, next); err != nil {
				yield(nil, err)
				return
			}
			if end < next {
				return
			}
		}
	}
}

// fetch returns the n entries from first on, or fewer if the log ends before. Lost entries
// are empty: missing entries up to end, and missing entries before a later one.
func (l *log) fetch(ctx context.Context, first uint64, n int, end uint64) ([][]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, errs := make([][]byte, n), make([]error, n)
	get := func(i int) { entries[i], errs[i] = l.b.get(ctx, l.key(first+uint64(i))) }
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { get(i) })
	}
	wg.Wait()
	found := 0
	for i := n - 1; i >= 0; i-- {
		switch {
		case errs[i] != nil:
			return nil, errs[i]
		case entries[i] != nil || first+uint64(i) <= end:
			found = max(found, i+1)
		}
		if i < found && entries[i] == nil {
			get(i) // it may be here by now: the later one was appended after it, if it was
		}
		if errs[i] != nil {
			return nil, errs[i]
		}
	}
	return entries[:found], nil
}

// last returns the number of the last entry from first on, 0 if there is none.
func (l *log) last(ctx context.Context, first uint64) (last uint64, err error) {
	objects := l.b.bucket.List(&blob.ListOptions{
		Prefix: l.prefix,
		BeforeList: func(as func(any) bool) error {
			var in *s3.ListObjectsV2Input // S3 need not list what comes before
			if as(&in) && in.ContinuationToken == nil {
				in.StartAfter = aws.String(fmt.Sprintf("%s%020d", aws.ToString(in.Prefix), first-1))
			}
			return nil
		},
	})
	for {
		o, err := objects.Next(ctx)
		if err == io.EOF {
			return last, nil
		}
		if err != nil {
			return 0, contextError(ctx, err)
		}
		var seq uint64
		if _, err := fmt.Sscanf(o.Key[len(l.prefix):], "%020d", &seq); err == nil && seq >= first && l.key(seq) == o.Key {
			last = seq
		}
	}
}
