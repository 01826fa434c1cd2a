package predictlogtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog"
)

func checkColumns(ctx context.Context, k kit) error {
	for _, target := range []predictlog.Target{
		{},
		{Task: predictlog.Multiclass, Classes: []string{"0", "1", "2"}},
		{Task: predictlog.Regression},
	} {
		store := k.open(mustSchema(target))
		records := columnRecords(target)
		if err := store.Append(ctx, records...); err != nil {
			return fmt.Errorf("Append: %w", err)
		}
		for _, q := range []predictlog.Query{
			{},
			{From: noon.Add(time.Minute), To: noon.Add(3*time.Minute + 1)},
			{Model: "credit"},
			{Version: "4"},
			{Tag: predictlog.Tag{Name: "tenant", Value: "a"}},
			{Version: "none"},
		} {
			if err := compareColumns(ctx, store, q); err != nil {
				return fmt.Errorf("%s: ScanColumns(%+v): %w", target.Task, q, err)
			}
		}
	}
	return nil
}

// columnRecords returns records of all sorts, more than one batch.
func columnRecords(target predictlog.Target) []predictlog.Record {
	records := recordsOf(10_000)
	numbers := []float64{0, math.Copysign(0, -1), 0.1, math.Inf(1), math.NaN(), -1e300}
	texts := []string{"north", "", "a,b", "say \"é\"", "north "}
	for i := range records {
		r := &records[i]
		r.Time = noon.Add(time.Duration(i*37%10_000) * 100 * time.Millisecond)
		r.Row[0] = predictlog.Number(numbers[i%len(numbers)])
		r.Row[1] = predictlog.Category(texts[i/3%len(texts)])
		if i%7 == 0 {
			r.Row[0] = predictlog.Missing()
		}
		if i%11 == 0 {
			r.Row[1] = predictlog.Missing()
		}
		r.Version = []string{"3", "4", ""}[i/5%3]
		switch target.Task {
		case predictlog.Regression:
			r.Output = predictlog.Output{Value: float64(i%4) - 1}
		case predictlog.Multiclass:
			r.Output.Class, r.Output.Probabilities = []string{"2", "0"}[i%2], []float64{0.25, 0.25, 0.5}
		}
		switch i % 13 {
		case 0:
			r.Output = predictlog.Output{}
		case 1:
			r.Output.Probabilities = nil
		case 2:
			r.Violations = []predictlog.Violation{{Column: "income", Rule: "gte=0", Value: "-1"}, {Column: "region", Rule: "required", Value: "missing"}}
		case 3:
			r.Tags = map[string]string{"tenant": []string{"a", "b"}[i/13%2]}
		}
	}
	return records
}

// scanOnly hides the optional interfaces of a store.
type scanOnly struct{ predictlog.Store }

// compareColumns returns an error unless the columns of q have the content of its records.
func compareColumns(ctx context.Context, store predictlog.Store, q predictlog.Query) error {
	want, err := rowsOf(ctx, scanOnly{store}, q)
	if err != nil {
		return err
	}
	got, err := rowsOf(ctx, store, q)
	if err != nil {
		return err
	}
	slices.Sort(want) // the order of a Scan is its own
	slices.Sort(got)
	if len(got) != len(want) {
		return fmt.Errorf("yielded %d records, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			return fmt.Errorf("yielded %s, want %s", got[i], want[i])
		}
	}
	return nil
}

// rowsOf prints each row of the batches.
func rowsOf(ctx context.Context, store predictlog.Store, q predictlog.Query) (rows []string, err error) {
	schema := store.Schema()
	for b, err := range predictlog.ScanColumns(ctx, store, q) {
		if err != nil {
			return nil, err
		}
		if err := checkBatch(schema, b); err != nil {
			return nil, err
		}
		for i := range b.Len {
			var row strings.Builder
			for c := range schema.Len() {
				switch {
				case b.Numbers[c] != nil:
					fmt.Fprintf(&row, "%v, ", b.Numbers[c][i])
				case b.Codes[c][i] < 0:
					row.WriteString("missing, ")
				default:
					fmt.Fprintf(&row, "%q, ", b.Levels[c][b.Codes[c][i]])
				}
			}
			fmt.Fprintf(&row, "at %d, violates %v, answered %v", b.Times[i], b.Violates[i], b.Answered[i])
			if b.Class != nil {
				fmt.Fprintf(&row, ", class %d", b.Class[i])
			}
			if b.Score != nil {
				fmt.Fprintf(&row, ", score %v", b.Score[i])
			}
			rows = append(rows, row.String())
		}
	}
	return rows, nil
}

// checkBatch returns an error unless the batch has the right shape.
func checkBatch(schema *predictlog.Schema, b *predictlog.Batch) error {
	lengths := []int{len(b.Times), len(b.Violates), len(b.Answered)}
	if b.Class != nil {
		lengths = append(lengths, len(b.Class))
	}
	if b.Score != nil {
		lengths = append(lengths, len(b.Score))
	}
	n, task := schema.Len(), schema.Target().Task
	if b.Len < 1 || len(b.Numbers) != n || len(b.Codes) != n || len(b.Levels) != n {
		return fmt.Errorf("a batch of %d records has %d, %d and %d columns, want %d", b.Len, len(b.Numbers), len(b.Codes), len(b.Levels), n)
	}
	if (b.Class == nil) != (task == predictlog.Regression) || (b.Score == nil) != (task == predictlog.Multiclass) {
		return fmt.Errorf("a batch of a %s target has Class %v and Score %v", task, b.Class != nil, b.Score != nil)
	}
	for i, c := range schema.Columns() {
		isNumeric := c.Kind == predictlog.Numeric
		if (b.Numbers[i] != nil) != isNumeric || (b.Codes[i] != nil) == isNumeric {
			return fmt.Errorf("column %q has Numbers %v and Codes %v", c.Name, b.Numbers[i] != nil, b.Codes[i] != nil)
		}
		lengths = append(lengths, max(len(b.Numbers[i]), len(b.Codes[i])))
		levels := slices.Clone(b.Levels[i])
		slices.Sort(levels)
		if len(slices.Compact(levels)) != len(b.Levels[i]) {
			return fmt.Errorf("column %q lists a level twice", c.Name)
		}
		for _, code := range b.Codes[i] {
			if code < -1 || int(code) >= len(b.Levels[i]) {
				return fmt.Errorf("column %q has code %d of %d levels", c.Name, code, len(b.Levels[i]))
			}
		}
	}
	for _, length := range lengths {
		if length != b.Len {
			return fmt.Errorf("a batch of %d records has a slice of %d", b.Len, length)
		}
	}
	return nil
}

func checkCancelledColumns(ctx context.Context, k kit) error {
	store := k.open(binarySchema())
	if err := store.Append(ctx, recordsOf(20_000)...); err != nil {
		return fmt.Errorf("Append: %w", err)
	}
	for _, after := range []int{0, 1} {
		cancelled, cancel := context.WithCancel(ctx)
		defer cancel()
		if after == 0 {
			cancel()
		}
		var ended error
		for b, err := range store.(predictlog.ColumnScanner).ScanColumns(cancelled, predictlog.Query{}) {
			if ended != nil {
				return errors.New("a scan went on after it yielded an error")
			}
			if err != nil && b != nil {
				return errors.New("ScanColumns yielded a batch with its error, want nil")
			}
			ended = err
			cancel()
		}
		if !errors.Is(ended, context.Canceled) {
			return fmt.Errorf("ScanColumns cancelled after %d batches ended with %v, want context.Canceled", after, ended)
		}
	}
	return nil
}
