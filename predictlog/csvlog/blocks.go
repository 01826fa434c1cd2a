package csvlog

import (
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"

	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
)

// blocks holds the range of times of each part of a file, so that a query reads only the
// parts that may match. Scans make blocks; they cover the file from its first row to end.
// blocks is immutable: a scan that gets further replaces it. A block takes 40 bytes.
type blocks struct {
	blocks []block
	end    int64       // where the last block ends, which a row does too
	lines  int         // before end
	rows   int         // before end, without the header and empty lines
	info   fs.FileInfo // of the file as it was last read
	tail   uint64      // a hash of the last bytes before end
}

// block is at least blockSize bytes of whole rows.
type block struct {
	offset         int64
	lines, rows    int   // before offset
	earliest, last int64 // the times of its rows, in microseconds since 1970
}

const blockSize = 256 << 10

// tailSize is the number of bytes before the end of the last block that must be unchanged.
const tailSize = 4 << 10

// openBlocks opens the file of a source, with its known blocks or nil.
func (s *Store) openBlocks(ctx context.Context, from source) (*appendfile.Committed, *blocks, error) {
	s.mu.Lock()
	known := s.blocks[from.path]
	s.mu.Unlock()
	file, err := appendfile.OpenCommitted(ctx, from.path, s.fileConfig(), func(r io.ReaderAt, info fs.FileInfo) (int64, error) {
		if known == nil || known.holds(s.seed, r, info) {
			return known.to(), nil
		}
		s.forgetBlocks(from.path, known)
		known = nil
		return 0, nil
	})
	if err != nil {
		return nil, nil, err
	}
	return file, known, nil
}

// forgetBlocks drops blocks that are no longer valid.
func (s *Store) forgetBlocks(path string, known *blocks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blocks[path] == known {
		delete(s.blocks, path)
	}
}

func (b *blocks) to() int64 {
	if b == nil {
		return 0
	}
	return b.end
}

// holds reports whether the file has only been appended to. A file must not be edited while a
// store is open on its folder. An edit is noticed if the file was replaced, if it is shorter,
// if it has the same length and another time, or if its last bytes before end have changed.
func (b *blocks) holds(seed maphash.Seed, r io.ReaderAt, info fs.FileInfo) bool {
	if len(b.blocks) == 0 || !os.SameFile(b.info, info) || info.Size() < b.info.Size() ||
		info.Size() == b.info.Size() && !info.ModTime().Equal(b.info.ModTime()) {
		return false
	}
	tail, err := hashTail(seed, r, b.end)
	return err == nil && tail == b.tail
}

func hashTail(seed maphash.Seed, r io.ReaderAt, end int64) (uint64, error) {
	p := make([]byte, min(tailSize, end))
	if _, err := r.ReadAt(p, end-int64(len(p))); err != nil {
		return 0, err
	}
	return maphash.Bytes(seed, p), nil
}

// span is a part of a file between rows.
type span struct {
	offset, end int64
	lines       int // before offset
}

// spans returns the blocks that may hold a time from from to before to, and the number of
// rows in all other blocks. Adjacent blocks are one span.
func (b *blocks) spans(from, to int64) (spans []span, spared int) {
	for i, block := range b.blocks {
		end, rows := b.end, b.rows
		if i+1 < len(b.blocks) {
			end, rows = b.blocks[i+1].offset, b.blocks[i+1].rows
		}
		switch last := len(spans) - 1; {
		case block.last < from || block.earliest >= to:
			spared += rows - block.rows
		case last >= 0 && spans[last].end == block.offset:
			spans[last].end = end
		default:
			spans = append(spans, span{offset: block.offset, end: end, lines: block.lines})
		}
	}
	return spans, spared
}

// blockBuilder makes blocks of the rows after the known blocks.
type blockBuilder struct {
	blocks
	open block // of the rows after end
	seen int   // the rows before those to come
}

// newBlockBuilder returns a builder that starts at the end of the known blocks, or, without
// any, at the first row after the header.
func newBlockBuilder(known *blocks, header span) *blockBuilder {
	b := &blockBuilder{}
	if known != nil {
		b.blocks = *known
		b.blocks.blocks = slices.Clip(known.blocks)
	} else {
		b.end, b.lines = header.end, header.lines
	}
	b.begin()
	return b
}

func (b *blockBuilder) begin() {
	b.seen = b.rows
	b.open = block{offset: b.end, lines: b.lines, rows: b.rows, earliest: math.MaxInt64, last: math.MinInt64}
}

// add adds a row. A block with a row of unknown time may hold any time.
func (b *blockBuilder) add(at rowTime) {
	b.seen++
	if !at.known {
		b.open.earliest, b.open.last = math.MinInt64, math.MaxInt64
		return
	}
	b.open.earliest = min(b.open.earliest, at.micros)
	b.open.last = max(b.open.last, at.micros)
}

// endRow sets the offset at which the last row ended, and the number of lines up to there.
func (b *blockBuilder) endRow(offset int64, lines int) {
	if offset-b.open.offset < blockSize {
		return
	}
	b.blocks.blocks = append(b.blocks.blocks, b.open)
	b.end, b.lines, b.rows = offset, lines, b.seen
	b.begin()
}

// keepBlocks replaces the known blocks of a file, unless another scan has got further.
func (s *Store) keepBlocks(path string, kept blocks, file *appendfile.Committed) error {
	if len(kept.blocks) == 0 {
		return nil
	}
	tail, err := hashTail(s.seed, file, kept.end)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	kept.info, kept.tail = file.Info(), tail
	s.mu.Lock()
	defer s.mu.Unlock()
	if was := s.blocks[path]; was == nil || was.end <= kept.end {
		s.blocks[path] = &kept
	}
	return nil
}
