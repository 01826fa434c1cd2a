// Package predictlogtest checks that a [predictlog.Store] keeps its promises.
//
// Whoever implements a store calls [Run] in a test and [RunBenchmarks] in a benchmark;
// [Faulty] wraps a store that fails on demand, to test what is built on stores.
package predictlogtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// Run checks every promise of [predictlog.Store], each in a subtest of its own that
// quotes the promise when it is broken. The function open returns a new, empty store of
// the schema and registers its own cleanup with t; it is called once or more in each
// subtest. Times are on days around 2025-03-01.
func Run(t *testing.T, open func(t *testing.T, schema *predictlog.Schema) predictlog.Store) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := c.check(t.Context(), func(s *predictlog.Schema) predictlog.Store { return open(t, s) }); err != nil {
				t.Errorf("%v\nbroken promise: %s", err, c.promise)
			}
		})
	}
}

// opener returns a new, empty store.
type opener func(*predictlog.Schema) predictlog.Store

// cases is an immutable table.
var cases = []struct {
	name    string
	promise string
	check   func(ctx context.Context, open opener) error
}{
	{"schema", "Schema never returns nil and always returns the same pointer", checkSchema},
	{"append and scan", "Scan yields every record whose Append returned before the call, and each once", checkAppendScan},
	{"append nothing", "Append stores every record or none: of no records there is nothing to store", checkAppendNothing},
	{"all or none", "Append stores every record or none", checkAllOrNone},
	{"same record again", "a record equal to a stored one (or to an earlier one of the same call) is a no-op", checkSameAgain},
	{"taken ID", "a record whose ID is taken by other content with a Time on the same UTC day is a DuplicateError", checkTakenID},
	{"taken ID in one call", "a record whose ID is taken by other content with a Time on the same UTC day is a DuplicateError", checkTakenIDInCall},
	{"invalid record", "a record that does not follow the schema is a RecordError", checkInvalid},
	{"order of time", "records need not come in order of time", checkOrder},
	{"query by time", "From and To bound Record.Time: From <= Time < To; a zero bound is no bound", checkQueryTime},
	{"query by model", "Model and Version, if not empty, must equal the record's", checkQueryModel},
	{"values", "a value is a number, a category or missing, which is neither 0 nor the empty string; NaN and infinities are values", checkValues},
	{"texts", "all texts are valid UTF-8 without NUL bytes, and are kept as they are", checkTexts},
	{"times", "Time is an instant, kept to the microsecond and yielded in UTC; Latency is kept to the microsecond", checkTimes},
	{"unanswered", "the zero Output means that no answer is known", checkUnanswered},
	{"violations and tags", "Violations and Tags are kept with the record", checkViolationsTags},
	{"multiclass", "probabilities are kept in the order of the target's classes", checkMulticlass},
	{"regression", "Value is the predicted value of a regression", checkRegression},
	{"early stop", "the consumer may stop early", checkEarlyStop},
	{"range again", "the sequence may be ranged over again, which is a new scan", checkRangeAgain},
	{"cancelled append", "a ctx that is already cancelled is an error, and nothing is stored", checkCancelledAppend},
	{"cancelled scan", "the sequence ends at the first error, which it yields with a zero Record; a cancelled ctx is such an error", checkCancelledScan},
	{"caller's memory", "the store keeps no reference to the records after Append returned", checkCallersMemory},
	{"store's memory", "the consumer may keep and change the records", checkStoresMemory},
	{"concurrent appends", "all methods are safe for concurrent use by many goroutines", checkConcurrentAppends},
	{"scan while appending", "Scan yields every record whose Append returned before the call, and each once", checkScanWhileAppending},
}

// noon is the time of the first record.
var noon = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

// mustSchema returns a schema of two columns, one of each kind. The schemas of the kit
// are fixed, so a failure is a defect of the kit.
func mustSchema(target predictlog.Target) *predictlog.Schema {
	schema, err := predictlog.NewSchema([]predictlog.Column{
		{Name: "income", Kind: predictlog.Numeric, Rule: "gte=0"},
		{Name: "region", Kind: predictlog.Categorical},
	}, target)
	if err != nil {
		panic(err)
	}
	return schema
}

func binarySchema() *predictlog.Schema { return mustSchema(predictlog.Target{}) }

// record returns the n-th of many different records, a second after the one before.
func record(n int) predictlog.Record {
	p := float64(n%100) / 100
	return predictlog.Record{
		ID:      fmt.Sprintf("id-%d", n),
		Time:    noon.Add(time.Duration(n) * time.Second),
		Model:   "credit",
		Version: "3",
		Row:     predictlog.Row{predictlog.Number(1000.25 * float64(n)), predictlog.Category("north")},
		Output:  predictlog.Output{Class: "1", Probabilities: []float64{1 - p, p}},
		Latency: time.Duration(n) * time.Microsecond,
	}
}

// recordsOf returns the first n records.
func recordsOf(n int) []predictlog.Record {
	records := make([]predictlog.Record, n)
	for i := range records {
		records[i] = record(i)
	}
	return records
}

// scan returns what the query yields, or its error.
func scan(ctx context.Context, store predictlog.Store, q predictlog.Query) ([]predictlog.Record, error) {
	var records []predictlog.Record
	for r, err := range store.Scan(ctx, q) {
		if err != nil {
			return records, fmt.Errorf("Scan(%+v) after %d records: %w", q, len(records), err)
		}
		records = append(records, r)
	}
	return records, nil
}

// expect returns an error unless the query yields exactly these records, in any order.
func expect(ctx context.Context, store predictlog.Store, q predictlog.Query, want ...predictlog.Record) error {
	got, err := scan(ctx, store, q)
	if err != nil {
		return err
	}
	byID := make(map[string]predictlog.Record, len(got))
	for _, r := range got {
		if _, twice := byID[r.ID]; twice {
			return fmt.Errorf("Scan(%+v) yielded record %q twice", q, r.ID)
		}
		byID[r.ID] = r
	}
	for _, w := range want {
		r, ok := byID[w.ID]
		if !ok {
			return fmt.Errorf("Scan(%+v) did not yield record %q", q, w.ID)
		}
		if !r.Equal(w) {
			return fmt.Errorf("Scan(%+v) yielded\n%+v, want\n%+v", q, r, w)
		}
		delete(byID, w.ID)
	}
	for id := range byID {
		return fmt.Errorf("Scan(%+v) yielded record %q, which it should not", q, id)
	}
	return nil
}

// roundTrip returns an error unless a new store yields just the records appended to it.
func roundTrip(ctx context.Context, open opener, schema *predictlog.Schema, records ...predictlog.Record) error {
	store := open(schema)
	if err := store.Append(ctx, records...); err != nil {
		return fmt.Errorf("Append: %w", err)
	}
	return expect(ctx, store, predictlog.Query{}, records...)
}
