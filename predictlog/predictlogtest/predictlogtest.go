// Package predictlogtest checks that a [predictlog.Store] keeps its promises.
//
// The author of a store calls [Run] in a test and [RunBenchmarks] in a benchmark, each with a
// [Harness]. The author of a mere [predictlog.Appender] calls [RunAppender]. [Faulty] wraps a
// store that fails on demand, to test code that uses stores.
package predictlogtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/predictlogtest/timelimit"
)

// Harness makes the stores under test. All functions register their own cleanup with tb, and
// end the test by tb.Fatal if they fail.
type Harness struct {
	// New returns a new, empty store of the schema. It is called once or more in each
	// subtest.
	New func(tb testing.TB, schema *predictlog.Schema) predictlog.Store
	// Reopen closes a store that New, or Reopen, returned, and opens its data again, perhaps
	// with another schema. Nil if a store does not outlive its process.
	Reopen func(tb testing.TB, store predictlog.Store, schema *predictlog.Schema) predictlog.Store
	// Second returns another handle on the data of the store, with its schema, as another
	// process would have. Nil if there can be only one handle.
	Second func(tb testing.TB, store predictlog.Store) predictlog.Store
	// Features are the legitimate differences of the store.
	Features Features

	patience time.Duration // how long a case may take; 0 is the default
}

// Features are capabilities that a store may have or not.
type Features struct {
	// UniqueIDs says that a record with the ID of a stored record and another Time is a
	// DuplicateError, whatever the times. A store without UniqueIDs may store such a record.
	UniqueIDs bool
}

// Run checks every promise of [predictlog.Store], each in a subtest that quotes a broken
// promise, and those of [predictlog.ColumnScanner] and [predictlog.Pruner] if the store is
// one. The log names promises that could not be checked. Times are on days around 2025-03-01.
func Run(t *testing.T, h Harness) {
	for _, c := range cases {
		if lacks := h.lacks(t, c.needs); lacks != "" {
			t.Logf("not checked: %s (%s)", c.promise, lacks)
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			if err := h.check(t, c); err != nil {
				t.Errorf("%v\nbroken promise: %s", err, c.promise)
			}
		})
	}
}

// need is something that the check of a promise requires.
type need uint8

const (
	nothing need = iota
	reopen
	second
	columnScanner
	pruner
	secondPruner
)

// lacks names what the harness lacks for the check, empty for nothing.
func (h Harness) lacks(tb testing.TB, needs need) string {
	ok := true
	switch needs {
	case reopen:
		if h.Reopen == nil {
			return "Harness.Reopen is nil"
		}
	case second:
		if h.Second == nil {
			return "Harness.Second is nil"
		}
	case columnScanner:
		if _, ok = h.New(tb, binarySchema()).(predictlog.ColumnScanner); !ok {
			return "the store is no ColumnScanner"
		}
	case pruner, secondPruner:
		if _, ok = h.New(tb, binarySchema()).(predictlog.Pruner); !ok {
			return "the store is no Pruner"
		}
		if needs == secondPruner && h.Second == nil {
			return "Harness.Second is nil"
		}
	}
	return ""
}

// promise is a promise and how it is checked.
type promise struct {
	name    string
	promise string
	check   func(ctx context.Context, k kit) error
	needs   need
}

// check checks a promise. A store that never answers breaks the promise, and the goroutine
// that waits for it is left behind.
func (h Harness) check(tb testing.TB, c promise) error {
	patience := h.patience
	if patience == 0 {
		patience = 2 * time.Minute
	}
	return timelimit.Run(tb, patience, func(ctx context.Context) error { return c.check(ctx, kit{tb, h}) })
}

// kit is the harness of one test.
type kit struct {
	tb testing.TB
	Harness
}

func (k kit) open(schema *predictlog.Schema) predictlog.Store { return k.New(k.tb, schema) }

// cases is an immutable table.
var cases = []promise{
	{"schema", "Schema never returns nil and always returns the same pointer", checkSchema, nothing},
	{"append and scan", "Scan yields every record whose Append returned before the call, and each once", checkAppendScan, nothing},
	{"append nothing", "Append stores every record or none: of no records there is nothing to store", checkAppendNothing, nothing},
	{"all or none", "Append stores every record or none", checkAllOrNone, nothing},
	{"same record again", "a record equal to a stored one (or to an earlier one of the same call) is a no-op", checkSameAgain, nothing},
	{"taken ID", "a record with the ID and the Time of a stored one and other content is a DuplicateError", checkTakenID, nothing},
	{"taken ID in one call", "a record with the ID and the Time of a stored one and other content is a DuplicateError", checkTakenIDInCall, nothing},
	{"invalid record", "a record that does not follow the schema is a RecordError", checkInvalid, nothing},
	{"order of time", "records need not come in order of time", checkOrder, nothing},
	{"query by time", "From and To bound Record.Time: From <= Time < To; a zero bound is no bound", checkQueryTime, nothing},
	{"query by model", "Model and Version, if not empty, must equal the record's", checkQueryModel, nothing},
	{"values", "a value is a number, a category or missing, which is neither 0 nor the empty string; NaN and infinities are values", checkValues, nothing},
	{"texts", "all texts are valid UTF-8 without NUL bytes, and are kept as they are", checkTexts, nothing},
	{"times", "Time is an instant, kept to the microsecond and yielded in UTC; Latency is kept to the microsecond", checkTimes, nothing},
	{"unanswered", "the zero Output means that no answer is known", checkUnanswered, nothing},
	{"violations and tags", "Violations and Tags are kept with the record", checkViolationsTags, nothing},
	{"multiclass", "probabilities are kept in the order of the target's classes", checkMulticlass, nothing},
	{"regression", "Value is the predicted value of a regression", checkRegression, nothing},
	{"early stop", "the consumer may stop early", checkEarlyStop, nothing},
	{"range again", "the sequence may be ranged over again, which is a new scan", checkRangeAgain, nothing},
	{"cancelled append", "a ctx that is already cancelled is an error, and nothing is stored", checkCancelledAppend, nothing},
	{"cancelled scan", "the sequence ends at the first error, which it yields with a zero Record; a cancelled ctx is such an error", checkCancelledScan, nothing},
	{"caller's memory", "the store keeps no reference to the records after Append returned", checkCallersMemory, nothing},
	{"store's memory", "the consumer may keep and change the records", checkStoresMemory, nothing},
	{"concurrent appends", "all methods are safe for concurrent use by many goroutines", checkConcurrentAppends, nothing},
	{"scan while appending", "Scan yields every record whose Append returned before the call, and each once", checkScanWhileAppending, nothing},
	{"ID at another time", "of a record with the ID of a stored one and another Time a store says whether it tells", checkOtherTime, nothing},
	{"query by tag", "Tag, if its name is not empty, must be among the record's", checkQueryTag, nothing},
	{"use while scanning", "while it yields, a store holds no lock and no connection: the consumer may call any method of it", checkUseWhileScanning, nothing},
	{"reopened", "a store that is opened again yields what was stored", checkReopened, reopen},
	{"another schema", "a store that is opened with another schema goes on to yield the records stored under the earlier one, and knows them when they come again", checkOtherSchema, reopen},
	{"second handle", "Scan yields every record whose Append returned before the call, whoever appended it", checkSecond, second},
	{"second handle while scanning", "while it yields, a store holds no lock: others may append", checkSecondWhileScanning, second},
	{"columns", "ScanColumns yields the records that q matches as Scan does", checkColumns, columnScanner},
	{"cancelled columns", "a cancelled ctx ends ScanColumns with its error", checkCancelledColumns, columnScanner},
	{"prune", "Prune removes records with a Time before the given one, and never a later one; it is safe to repeat", checkPrune, pruner},
	{"prune while scanning", "a Scan that is under way yields each of the removed records or not", checkPruneWhileScanning, pruner},
	{"prune, second handle", "the ID of a removed record is free, whoever removed it", checkPruneSecond, secondPruner},
}

// noon is the time of the first record.
var noon = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

// mustSchema returns a schema of two columns, one of each kind. The schemas of the kit
// are fixed, so a failure is a defect of the kit.
func mustSchema(target predictlog.Target) *predictlog.Schema {
	return schemaOf(target,
		predictlog.Column{Name: "income", Kind: predictlog.Numeric, Rule: "gte=0"},
		predictlog.Column{Name: "region", Kind: predictlog.Categorical})
}

func schemaOf(target predictlog.Target, columns ...predictlog.Column) *predictlog.Schema {
	schema, err := predictlog.NewSchema(columns, target)
	if err != nil {
		panic(err)
	}
	return schema
}

func binarySchema() *predictlog.Schema { return mustSchema(predictlog.Target{}) }

// record returns the n-th of many different records, a second after the previous one.
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
func roundTrip(ctx context.Context, k kit, schema *predictlog.Schema, records ...predictlog.Record) error {
	store := k.open(schema)
	if err := store.Append(ctx, records...); err != nil {
		return fmt.Errorf("Append: %w", err)
	}
	return expect(ctx, store, predictlog.Query{}, records...)
}
