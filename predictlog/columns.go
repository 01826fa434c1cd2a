package predictlog

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
)

// ColumnScanner is implemented by a [Store] that reads columns faster than records. Call
// [ScanColumns], which works with any store.
type ColumnScanner interface {
	// ScanColumns yields the records that q matches, in the order of [Store.Scan], in batches
	// and by column. A batch holds at least one record. A batch belongs to the scan: the
	// consumer only reads it, and it is valid until the next batch. Before an error come the
	// records that Scan would yield before it.
	ScanColumns(ctx context.Context, q Query) iter.Seq2[*Batch, error]
}

// Batch holds records by column, as package drift takes them. Each slice within it has
// Len elements, except Levels.
type Batch struct {
	// Len is the number of records.
	Len int
	// Times holds the time of each record, in microseconds since 1970.
	Times []int64
	// Violates says for each record whether it breaks a rule.
	Violates []bool
	// Numbers holds the values of each numeric column of the schema; a missing value is NaN.
	// Numbers of a categorical column are nil.
	Numbers [][]float64
	// Codes holds the values of each categorical column as indices into Levels; a missing
	// value is -1. Codes of a numeric column are nil.
	Codes [][]int32
	// Levels holds the categories of each categorical column, each once, in no promised
	// order: the categories of the batch, and perhaps others. A category may have another
	// index in the next batch.
	Levels [][]string
	// Answered says for each record whether it has an output; see [Record.Answered].
	Answered []bool
	// Class is the index in [Target.Classes] of each predicted class, -1 for none; nil for a
	// regression.
	Class []int32
	// Score is the predicted value of a regression, or the probability of the second class of
	// a binary target; NaN for none. Score is nil for a multiclass target.
	Score []float64
}

// ScanColumns yields the records of the store that q matches by column. A store that is a
// [ColumnScanner] is asked as such. Otherwise the batches are made from [Store.Scan], which
// costs more than Scan alone.
func ScanColumns(ctx context.Context, store Store, q Query) iter.Seq2[*Batch, error] {
	if scanner, ok := store.(ColumnScanner); ok {
		return scanner.ScanColumns(ctx, q)
	}
	return batches(store.Schema(), store.Scan(ctx, q))
}

// batchSize bounds the records of a batch, so that it stays in a processor's cache.
const batchSize = 4096

// mostLevels bounds the levels that a column keeps from batch to batch, and so the memory of
// a scan of texts that are all different.
const mostLevels = 1 << 14

// batches gathers records of the schema into batches.
func batches(schema *Schema, records iter.Seq2[Record, error]) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		b := newBatcher(schema)
		for r, err := range records {
			if err == nil && len(r.Row) != schema.Len() { // of a store that breaks its promises
				err = &RecordError{ID: r.ID, Where: "row", What: fmt.Sprintf("has %d values, want %d", len(r.Row), schema.Len())}
			}
			if err == nil {
				b.add(&r)
			}
			if (err != nil && b.Len > 0 || b.Len == batchSize) && !yield(&b.Batch, nil) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if b.Len == batchSize {
				b.reset()
			}
		}
		if b.Len > 0 {
			yield(&b.Batch, nil)
		}
	}
}

// batcher is a batch that grows by records.
type batcher struct {
	Batch
	schema *Schema
	codes  []map[string]int32 // of the levels of each column
}

func newBatcher(schema *Schema) *batcher {
	n := schema.Len()
	return &batcher{
		Batch:  Batch{Numbers: make([][]float64, n), Codes: make([][]int32, n), Levels: make([][]string, n)},
		schema: schema,
		codes:  make([]map[string]int32, n),
	}
}

func (b *batcher) reset() {
	b.Len = 0
	for i := range b.Numbers {
		b.Numbers[i] = b.Numbers[i][:0]
		b.Codes[i] = b.Codes[i][:0]
		if len(b.Levels[i]) > mostLevels {
			b.Levels[i] = nil
			clear(b.codes[i])
		}
	}
	b.Times, b.Violates = b.Times[:0], b.Violates[:0]
	b.Answered, b.Class, b.Score = b.Answered[:0], b.Class[:0], b.Score[:0]
}

func (b *batcher) add(r *Record) {
	b.Len++
	b.Times = append(b.Times, r.Time.UnixMicro())
	b.Violates = append(b.Violates, len(r.Violations) > 0)
	for i, v := range r.Row {
		if b.schema.columns[i].Kind == Categorical {
			b.Codes[i] = append(b.Codes[i], b.code(i, v))
			continue
		}
		x, ok := v.Number()
		if !ok {
			x = math.NaN()
		}
		b.Numbers[i] = append(b.Numbers[i], x)
	}
	target := &b.schema.target
	answered := r.Answered()
	b.Answered = append(b.Answered, answered)
	if target.Task != Regression {
		b.Class = append(b.Class, int32(slices.Index(target.Classes, r.Output.Class)))
	}
	score := math.NaN()
	switch {
	case target.Task == Multiclass:
		return
	case target.Task == Regression && answered:
		score = r.Output.Value
	case target.Task == Binary && len(r.Output.Probabilities) > 1:
		score = r.Output.Probabilities[1]
	}
	b.Score = append(b.Score, score)
}

func (b *batcher) code(column int, v Value) int32 {
	text, ok := v.Category()
	if !ok {
		return -1
	}
	code, ok := b.codes[column][text]
	if !ok {
		if b.codes[column] == nil {
			b.codes[column] = map[string]int32{}
		}
		code = int32(len(b.Levels[column]))
		b.codes[column][text] = code
		b.Levels[column] = append(b.Levels[column], text)
	}
	return code
}
