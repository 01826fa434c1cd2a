package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
)

const (
	blockSize = 1 << 20  // about how much of a file is parsed at once
	maxRecord = 64 << 20 // how far the end of a record is searched for
)

var newline = []byte{'\n'}

// block is some whole lines of a file.
type block struct {
	data []byte
	line int // the number of the first line
}

// scan reads the header of a CSV file and calls begin with it. Then scan calls parse for the
// blocks of the file, in any order and on all processors at once. scan returns the first
// error, after all calls have returned.
func scan(ctx context.Context, path string, begin func(header []string) error, parse func(block) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	r := bufio.NewReaderSize(file, blockSize)
	header, lines, err := readHeader(r)
	if err == nil {
		err = begin(header)
	}
	if err == nil {
		err = scanBlocks(ctx, r, lines+1, parse)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// readHeader reads the first record and returns it with its number of lines.
func readHeader(r *bufio.Reader) (header []string, lines int, err error) {
	var head []byte
	quoted := false
	for end := 0; end == 0; {
		line, err := r.ReadSlice('\n')
		last := errors.Is(err, io.EOF)
		if err != nil && !last && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, 0, err
		}
		head = append(head, line...)
		if end, quoted = recordEnd(line, quoted); last {
			break
		}
		if len(head) > maxRecord {
			return nil, 0, tooLong(1)
		}
	}
	head = bytes.TrimPrefix(head, []byte("\ufeff"))
	header, err = csv.NewReader(bytes.NewReader(head)).Read()
	if errors.Is(err, io.EOF) {
		return nil, 0, errors.New("is empty, want a line of column names")
	}
	return header, bytes.Count(head, newline), err
}

// tooLong is the error for a record that begins on the line and whose end was not found.
func tooLong(line int) error {
	return fmt.Errorf("line %d: a record has more than %d MB; is there a quote without its partner?", line, maxRecord>>20)
}

func scanBlocks(ctx context.Context, r io.Reader, line int, parse func(block) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	blocks := make(chan block)
	free := make(chan []byte, runtime.GOMAXPROCS(0)+1)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for b := range blocks {
				if ctx.Err() == nil {
					if err := parse(b); err != nil {
						cancel(err)
					}
				}
				select {
				case free <- b.data[:0]:
				default:
				}
			}
		})
	}
	err := cut(ctx, r, line, blocks, free)
	close(blocks)
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// cut sends the file in blocks. Each block ends where a record ends.
func cut(ctx context.Context, r io.Reader, line int, blocks chan<- block, free <-chan []byte) error {
	var rest []byte // the start of the next block
	quoted := false // whether rest ends inside quotes
	for last := false; !last; {
		var data []byte
		select {
		case data = <-free:
		default:
		}
		data = append(data, rest...)
		end := 0
		for end == 0 && !last {
			n := len(data)
			if n > maxRecord {
				return tooLong(line)
			}
			data = slices.Grow(data, blockSize)[:n+blockSize]
			read, err := io.ReadFull(r, data[n:])
			data = data[:n+read]
			last = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
			if err != nil && !last {
				return err
			}
			if end, quoted = recordEnd(data[n:], quoted); end > 0 {
				end += n
			}
		}
		if last {
			end = len(data)
		}
		rest = append(rest[:0], data[end:]...)
		b := block{data: data[:end], line: line}
		line += bytes.Count(b.data, newline)
		select {
		case blocks <- b:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// recordEnd returns the end of the last record that ends in data, or 0 if no record ends
// there. A record ends at a line break outside quotes. quoted says whether the text before
// data ends inside quotes; quotedAfter says the same of data.
func recordEnd(data []byte, quoted bool) (end int, quotedAfter bool) {
	for at := 0; ; quoted = !quoted {
		segment := data[at:]
		i := bytes.IndexByte(segment, '"')
		if i >= 0 {
			segment = segment[:i]
		}
		if j := bytes.LastIndexByte(segment, '\n'); j >= 0 && !quoted {
			end = at + j + 1
		}
		if i < 0 {
			return end, quoted
		}
		at += i + 1
	}
}

// records calls yield for each field of each record of the block. The text is valid until
// yield returns. As in encoding/csv, an empty line is no record. In a file of one column it is
// a record with an empty field.
func (b block) records(columns int, yield func(line, column int, text []byte)) error {
	if bytes.IndexByte(b.data, '"') >= 0 {
		return b.quotedRecords(columns, yield)
	}
	line := b.line
	for data := b.data; len(data) > 0; line++ {
		record := data
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			record, data = data[:i], data[i+1:]
		} else {
			data = nil
		}
		if n := len(record); n > 0 && record[n-1] == '\r' {
			record = record[:n-1]
		}
		if len(record) == 0 && columns > 1 {
			continue
		}
		column := 0
		for more := true; more; column++ {
			field := record
			i := bytes.IndexByte(record, ',')
			if more = i >= 0; more {
				field, record = record[:i], record[i+1:]
			}
			if column >= columns {
				return fmt.Errorf("line %d: has more than %d fields", line, columns)
			}
			yield(line, column, field)
		}
		if column < columns {
			return fmt.Errorf("line %d: has %d fields, want %d", line, column, columns)
		}
	}
	return nil
}

// quotedRecords does what records does, for a block with quotes.
func (b block) quotedRecords(columns int, yield func(line, column int, text []byte)) error {
	r := csv.NewReader(bytes.NewReader(b.data))
	r.FieldsPerRecord = columns
	r.ReuseRecord = true
	next := b.line // the line after the last record
	// skipped yields the empty lines before the line. The reader passes over them.
	skipped := func(line int) {
		for ; next < line && columns == 1; next++ {
			yield(next, 0, nil)
		}
	}
	for begin := int64(0); ; {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			skipped(next + bytes.Count(b.data[begin:], newline))
			return nil
		}
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			parse.StartLine += b.line - 1
			parse.Line += b.line - 1
		}
		if err != nil {
			return err
		}
		line, _ := r.FieldPos(0)
		line += b.line - 1
		after := next + bytes.Count(b.data[begin:r.InputOffset()], newline)
		skipped(line)
		for i, field := range record {
			yield(line, i, []byte(field))
		}
		next, begin = after, r.InputOffset()
	}
}
