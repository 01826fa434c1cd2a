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
	"sync"
)

// blockSize is about how much of a file is parsed at once.
const blockSize = 1 << 20

// block is some whole lines of a file.
type block struct {
	data []byte
	line int // number of the first
}

// scan reads the header of a CSV file and then calls parse for its blocks, in any order and
// on all processors at once. It returns the first error, after all calls have returned.
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

// readHeader reads the first record, and returns how many lines that took.
func readHeader(r *bufio.Reader) (header []string, lines int, err error) {
	var head []byte
	for {
		line, err := r.ReadBytes('\n')
		head = append(head, line...)
		lines++
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, err
		}
		if bytes.Count(head, quote)%2 == 0 || err != nil {
			break
		}
	}
	head = bytes.TrimPrefix(head, []byte("\ufeff"))
	header, err = csv.NewReader(bytes.NewReader(head)).Read()
	if errors.Is(err, io.EOF) {
		return nil, 0, errors.New("is empty, want a line of column names")
	}
	return header, lines, err
}

var quote = []byte{'"'}

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

// cut sends the file in blocks, each of which ends where a record does.
func cut(ctx context.Context, r io.Reader, line int, blocks chan<- block, free <-chan []byte) error {
	var rest []byte // the beginning of the next block
	for {
		var data []byte
		select {
		case data = <-free:
		default:
		}
		data = append(data, rest...)
		n := len(data)
		data = append(data, make([]byte, blockSize)...)
		read, err := io.ReadFull(r, data[n:])
		data = data[:n+read]
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return err
		}
		end := len(data)
		if !last {
			end = recordEnd(data)
		}
		rest = append(rest[:0], data[end:]...)
		b := block{data: data[:end], line: line}
		line += bytes.Count(b.data, []byte{'\n'})
		select {
		case blocks <- b:
		case <-ctx.Done():
			return nil
		}
		if last {
			return nil
		}
	}
}

// recordEnd returns the end of the last whole record: a line break that is not in quotes.
func recordEnd(data []byte) int {
	end := bytes.LastIndexByte(data, '\n') + 1
	for end > 0 && bytes.Count(data[:end], quote)%2 != 0 {
		end = bytes.LastIndexByte(data[:end-1], '\n') + 1
	}
	return end
}

// records calls yield for each field of each record of the block. The text is valid until
// yield returns.
func (b block) records(columns int, yield func(line, column int, text []byte) error) error {
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
		if len(record) == 0 {
			continue // as encoding/csv does
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
			if err := yield(line, column, field); err != nil {
				return err
			}
		}
		if column < columns {
			return fmt.Errorf("line %d: has %d fields, want %d", line, column, columns)
		}
	}
	return nil
}

// quotedRecords is records for a block with quotes.
func (b block) quotedRecords(columns int, yield func(line, column int, text []byte) error) error {
	r := csv.NewReader(bytes.NewReader(b.data))
	r.FieldsPerRecord = columns
	r.ReuseRecord = true
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after line %d: %w", b.line-1, err)
		}
		line, _ := r.FieldPos(0)
		for i, field := range record {
			if err := yield(b.line+line-1, i, []byte(field)); err != nil {
				return err
			}
		}
	}
}
