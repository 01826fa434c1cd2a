package predictlogtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog"
)

func checkSchema(_ context.Context, k kit) error {
	schema := binarySchema()
	store := k.open(schema)
	first, second := store.Schema(), store.Schema()
	switch {
	case first == nil:
		return errors.New("the schema is nil")
	case first != second:
		return fmt.Errorf("the schema is %p, then %p", first, second)
	case first.Fingerprint() != schema.Fingerprint():
		return fmt.Errorf("the schema has fingerprint %s, want %s, with which the store was opened", first.Fingerprint(), schema.Fingerprint())
	}
	return nil
}

func checkAppendScan(ctx context.Context, k kit) error {
	store := k.open(binarySchema())
	if err := expect(ctx, store, predictlog.Query{}); err != nil {
		return fmt.Errorf("empty store: %w", err)
	}
	records := recordsOf(300)
	for i, batch := range [][]predictlog.Record{records[:1], records[1:100], records[100:]} {
		if err := store.Append(ctx, batch...); err != nil {
			return fmt.Errorf("Append %d: %w", i, err)
		}
	}
	return expect(ctx, store, predictlog.Query{}, records...)
}

func checkAppendNothing(ctx context.Context, k kit) error {
	store := k.open(binarySchema())
	if err := store.Append(ctx); err != nil {
		return fmt.Errorf("Append of no records: %w", err)
	}
	return expect(ctx, store, predictlog.Query{})
}

func checkAllOrNone(ctx context.Context, k kit) error {
	store := k.open(binarySchema())
	if err := store.Append(ctx, record(0)); err != nil {
		return fmt.Errorf("Append: %w", err)
	}
	taken, invalid := record(0), record(3)
	taken.Row[0] = predictlog.Number(-1)
	invalid.Row = nil
	for name, last := range map[string]predictlog.Record{"taken": taken, "invalid": invalid} {
		tomorrow := record(2)
		tomorrow.Time = noon.AddDate(0, 0, 1)
		if err := store.Append(ctx, record(1), tomorrow, last); err == nil {
			return fmt.Errorf("Append of two good records and one that is %s succeeded", name)
		}
		if err := expect(ctx, store, predictlog.Query{}, record(0)); err != nil {
			return fmt.Errorf("after a failed Append (%s): %w", name, err)
		}
	}
	// What failed as a whole has taken no ID.
	other := record(1)
	other.Version = "4"
	if err := store.Append(ctx, other); err != nil {
		return fmt.Errorf("Append of a record whose ID was in a failed Append: %w", err)
	}
	return expect(ctx, store, predictlog.Query{}, record(0), other)
}

func checkSameAgain(ctx context.Context, k kit) error {
	store := k.open(binarySchema())
	nan := record(0)
	nan.Row[0] = predictlog.Number(math.NaN())
	if err := store.Append(ctx, nan, record(1), nan); err != nil {
		return fmt.Errorf("Append with one record twice: %w", err)
	}
	if err := store.Append(ctx, record(1), nan, record(2)); err != nil {
		return fmt.Errorf("Append of two stored records and a new one: %w", err)
	}
	return expect(ctx, store, predictlog.Query{}, nan, record(1), record(2))
}

// isDuplicate returns an error unless err is a DuplicateError of the ID.
func isDuplicate(err error, id string) error {
	var duplicate *predictlog.DuplicateError
	if !errors.Is(err, predictlog.ErrDuplicate) || !errors.As(err, &duplicate) {
		return fmt.Errorf("Append of a taken ID returned %v, want a *DuplicateError", err)
	}
	if duplicate.ID != id {
		return fmt.Errorf("DuplicateError names %q, want %q", duplicate.ID, id)
	}
	return nil
}

func checkTakenID(ctx context.Context, k kit) error {
	change := map[string]func(*predictlog.Record){
		"model":         func(r *predictlog.Record) { r.Model = "other" },
		"version":       func(r *predictlog.Record) { r.Version = "4" },
		"number":        func(r *predictlog.Record) { r.Row[0] = predictlog.Number(math.Nextafter(1000.25, 2000)) },
		"category":      func(r *predictlog.Record) { r.Row[1] = predictlog.Category("North") },
		"missing":       func(r *predictlog.Record) { r.Row[1] = predictlog.Missing() },
		"class":         func(r *predictlog.Record) { r.Output.Class = "0" },
		"probabilities": func(r *predictlog.Record) { r.Output.Probabilities = nil },
		"latency":       func(r *predictlog.Record) { r.Latency += time.Microsecond },
		"violations":    func(r *predictlog.Record) { r.Violations = []predictlog.Violation{{Column: "income"}} },
		"tags":          func(r *predictlog.Record) { r.Tags = map[string]string{"a": ""} },
	}
	store := k.open(binarySchema())
	if err := store.Append(ctx, record(0), record(1)); err != nil {
		return fmt.Errorf("Append: %w", err)
	}
	for name, change := range change {
		other := record(1)
		change(&other)
		if err := isDuplicate(store.Append(ctx, record(2), other), other.ID); err != nil {
			return fmt.Errorf("other %s: %w", name, err)
		}
	}
	return expect(ctx, store, predictlog.Query{}, record(0), record(1))
}

func checkTakenIDInCall(ctx context.Context, k kit) error {
	store := k.open(binarySchema())
	other := record(0)
	other.Version = "4"
	if err := isDuplicate(store.Append(ctx, record(0), record(1), other), other.ID); err != nil {
		return err
	}
	return expect(ctx, store, predictlog.Query{})
}

func checkInvalid(ctx context.Context, k kit) error {
	store := k.open(binarySchema())
	breaks := map[string]func(*predictlog.Record){
		"empty ID":           func(r *predictlog.Record) { r.ID = "" },
		"ID with a comma":    func(r *predictlog.Record) { r.ID = "a,b" },
		"no time":            func(r *predictlog.Record) { r.Time = time.Time{} },
		"short row":          func(r *predictlog.Record) { r.Row = r.Row[:1] },
		"other kind":         func(r *predictlog.Record) { r.Row[0] = predictlog.Category("1") },
		"unknown class":      func(r *predictlog.Record) { r.Output.Class = "2" },
		"probability over 1": func(r *predictlog.Record) { r.Output.Probabilities[1] = 1.5 },
		"invalid UTF-8":      func(r *predictlog.Record) { r.Row[1] = predictlog.Category("\xff") },
		"NUL byte":           func(r *predictlog.Record) { r.Tags = map[string]string{"a": "\x00"} },
	}
	for name, change := range breaks {
		r := record(1)
		change(&r)
		err := store.Append(ctx, record(0), r)
		var invalid *predictlog.RecordError
		if !errors.Is(err, predictlog.ErrInvalidRecord) || !errors.As(err, &invalid) {
			return fmt.Errorf("%s: Append returned %v, want a *RecordError", name, err)
		}
		if invalid.ID != r.ID {
			return fmt.Errorf("%s: RecordError names record %q, want %q", name, invalid.ID, r.ID)
		}
	}
	return expect(ctx, store, predictlog.Query{})
}

func checkOrder(ctx context.Context, k kit) error {
	store := k.open(binarySchema())
	records := recordsOf(5)
	for i, day := range []int{0, 2, -1, 1, 0} {
		records[i].Time = noon.AddDate(0, 0, day).Add(-time.Duration(i) * time.Hour)
		if err := store.Append(ctx, records[i]); err != nil {
			return fmt.Errorf("Append of %v: %w", records[i].Time, err)
		}
	}
	return expect(ctx, store, predictlog.Query{}, records...)
}

func checkQueryTime(ctx context.Context, k kit) error {
	midnight := time.Date(2025, 3, 2, 0, 0, 0, 0, time.UTC)
	records := recordsOf(8)
	for i, t := range []time.Time{
		noon, midnight.Add(-time.Microsecond), midnight, midnight.Add(time.Microsecond),
		midnight.Add(12 * time.Hour), midnight.AddDate(0, 1, 0),
		midnight.Add(3999), midnight.Add(4001), // nanoseconds, of which whole microseconds are kept
	} {
		records[i].Time = t
	}
	store := k.open(binarySchema())
	if err := store.Append(ctx, records...); err != nil {
		return fmt.Errorf("Append: %w", err)
	}
	east := time.FixedZone("east", 9*3600)
	for _, q := range []predictlog.Query{
		{},
		{From: midnight},
		{To: midnight},
		{From: midnight, To: midnight.Add(time.Microsecond)},
		{From: midnight.Add(-time.Microsecond), To: midnight},
		{From: midnight.In(east), To: midnight.Add(12 * time.Hour).In(east)},
		{From: noon, To: midnight.AddDate(0, 1, 0)},
		{From: midnight, To: midnight},
		{From: midnight, To: noon},
		{From: midnight.AddDate(1, 0, 0)},
		{To: midnight.AddDate(-1, 0, 0)},
		{From: midnight.Add(1)},
		{To: midnight.Add(1)},
		{From: midnight.Add(-1), To: midnight.Add(1001)},
		{From: midnight.Add(3000), To: midnight.Add(3999)},
		{From: midnight.Add(3999)},
		{From: midnight.Add(4000), To: midnight.Add(4001)},
		{From: midnight.Add(4001)},
		{From: midnight.Add(999_999), To: midnight.Add(13 * time.Hour)},
	} {
		if err := expect(ctx, store, q, matching(records, q)...); err != nil {
			return err
		}
	}
	return nil
}

func checkQueryModel(ctx context.Context, k kit) error {
	records := recordsOf(8)
	for i := range records {
		records[i].Model = []string{"credit", "fraud"}[i/2%2]
		records[i].Version = []string{"3", "4"}[i%2]
		if i >= 4 {
			records[i].Time = records[i].Time.AddDate(0, 0, 1)
		}
	}
	records[7].Model, records[7].Version = "", ""
	store := k.open(binarySchema())
	if err := store.Append(ctx, records...); err != nil {
		return fmt.Errorf("Append: %w", err)
	}
	for _, q := range []predictlog.Query{
		{Model: "credit"},
		{Version: "4"},
		{Model: "fraud", Version: "3"},
		{Model: "fraud", Version: "4", From: noon.AddDate(0, 0, 1)},
		{Model: "Credit"},
		{Version: "5"},
	} {
		if err := expect(ctx, store, q, matching(records, q)...); err != nil {
			return err
		}
	}
	return nil
}

// matching returns the records that q selects.
func matching(records []predictlog.Record, q predictlog.Query) []predictlog.Record {
	var selected []predictlog.Record
	for _, r := range records {
		if q.Matches(r.Clone()) { // as it is stored
			selected = append(selected, r)
		}
	}
	return selected
}

func checkValues(ctx context.Context, k kit) error {
	var records []predictlog.Record
	for _, x := range []float64{
		0, math.Copysign(0, -1), 1, -1.5, 0.1, 1e21, 1e-7, 123456789.123456789, math.Pi,
		math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, math.MaxInt64,
		math.NaN(), math.Inf(1), math.Inf(-1),
	} {
		r := record(len(records))
		r.Row[0] = predictlog.Number(x)
		records = append(records, r)
	}
	for _, v := range []predictlog.Value{
		predictlog.Missing(), predictlog.Category(""), predictlog.Category("missing"), predictlog.Category("NaN"),
		predictlog.Category("null"), predictlog.Category("NULL"), predictlog.Category("0"), predictlog.Category("-"),
	} {
		r := record(len(records))
		r.Row[1] = v
		records = append(records, r)
	}
	r := record(len(records))
	r.Row = predictlog.Row{predictlog.Missing(), predictlog.Missing()}
	return roundTrip(ctx, k, binarySchema(), append(records, r)...)
}

func checkTexts(ctx context.Context, k kit) error {
	texts := []string{
		" ", " a ", "a,b", `"`, `a"b`, `""`, `"a"`, "'", "\n", "a\nb", "\r", "\r\n", "a\r\nb", "a\r", "\t", "a\tb",
		`\`, `\n`, `\N`, "=1+1", "#", ";", "|", "{}", `{"a":1}`, "é", "e\u0301", "日本語", "🙂", "\u2028", "\ufeff", "\ufffd",
		"\x01", "\x7f", "<b>&amp;</b>", strings.Repeat("long, ", 3000),
	}
	records := make([]predictlog.Record, len(texts))
	for i, text := range texts {
		r := record(i)
		r.Row[1] = predictlog.Category(text)
		r.Model, r.Version = text, text
		r.Tags = map[string]string{text: text}
		r.Violations = []predictlog.Violation{{Column: text, Rule: text, Value: text}}
		records[i] = r
	}
	if err := roundTrip(ctx, k, binarySchema(), records...); err != nil {
		return err
	}
	schema, err := predictlog.NewSchema([]predictlog.Column{
		{Name: "a,b", Kind: predictlog.Numeric},
		{Name: "say \"é\"\n", Kind: predictlog.Categorical},
	}, predictlog.Target{Classes: []string{"no, never", "\"yes\""}})
	if err != nil {
		return err
	}
	r := record(0)
	r.Output.Class = "\"yes\""
	return roundTrip(ctx, k, schema, r)
}

func checkTimes(ctx context.Context, k kit) error {
	times := []time.Time{
		noon,
		noon.Add(time.Microsecond),
		noon.Add(999999 * time.Microsecond),
		noon.Add(123456789 * time.Nanosecond), // below a microsecond is cut off
		noon.In(time.FixedZone("east", 9*3600+1800)),
		time.Date(2025, 3, 1, 23, 30, 0, 0, time.FixedZone("west", -3600)), // the next day in UTC
		time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC),
		time.Date(1600, 1, 1, 0, 0, 0, 1000, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	}
	records := make([]predictlog.Record, len(times))
	for i, t := range times {
		records[i] = record(i)
		records[i].Time = t
		records[i].Latency = time.Duration(i) * 1234567 * time.Nanosecond
	}
	store := k.open(binarySchema())
	if err := store.Append(ctx, records...); err != nil {
		return fmt.Errorf("Append: %w", err)
	}
	if err := store.Append(ctx, records...); err != nil {
		return fmt.Errorf("Append of the same records again: %w", err)
	}
	if err := expect(ctx, store, predictlog.Query{}, records...); err != nil {
		return err
	}
	got, err := scan(ctx, store, predictlog.Query{})
	if err != nil {
		return err
	}
	for _, r := range got {
		if r.Time.Location() != time.UTC || r.Time.Nanosecond()%1000 != 0 || r.Latency%time.Microsecond != 0 {
			return fmt.Errorf("Scan yielded time %v and latency %v, want UTC and whole microseconds", r.Time, r.Latency)
		}
	}
	return nil
}

func checkUnanswered(ctx context.Context, k kit) error {
	records := recordsOf(3)
	records[0].Output = predictlog.Output{}
	records[1].Model, records[1].Version, records[1].Output = "", "", predictlog.Output{}
	records[2].Version = ""
	return roundTrip(ctx, k, binarySchema(), records...)
}

func checkViolationsTags(ctx context.Context, k kit) error {
	records := recordsOf(4)
	records[0].Violations = []predictlog.Violation{
		{Column: "income", Rule: "gte=0", Value: "-1"},
		{Column: "income", Rule: "ne=-1", Value: "-1"},
		{Column: "region", Rule: "required", Value: "missing"},
	}
	records[1].Tags = map[string]string{"tenant": "a", "empty": "", "replica": "7"}
	records[2].Violations, records[2].Tags = []predictlog.Violation{}, map[string]string{}
	records[3].Violations, records[3].Tags = records[0].Violations, records[1].Tags
	return roundTrip(ctx, k, binarySchema(), records...)
}

func checkMulticlass(ctx context.Context, k kit) error {
	schema := mustSchema(predictlog.Target{Task: predictlog.Multiclass, Classes: []string{"low", "mid", "high"}})
	records := recordsOf(4)
	records[0].Output = predictlog.Output{Class: "mid", Probabilities: []float64{0.1, 0.7, 0.2}}
	records[1].Output = predictlog.Output{Class: "high"}
	records[2].Output = predictlog.Output{Class: "low", Probabilities: []float64{1, 0, math.SmallestNonzeroFloat64}}
	records[3].Output = predictlog.Output{}
	return roundTrip(ctx, k, schema, records...)
}

func checkRegression(ctx context.Context, k kit) error {
	values := []float64{0, math.Copysign(0, -1), 1, -2.5, 1e300, 1.0 / 3, math.NaN(), math.Inf(-1)}
	records := recordsOf(len(values))
	for i, y := range values {
		records[i].Output = predictlog.Output{Value: y}
	}
	return roundTrip(ctx, k, mustSchema(predictlog.Target{Task: predictlog.Regression}), records...)
}

func checkEarlyStop(ctx context.Context, k kit) error {
	store := k.open(binarySchema())
	records := recordsOf(50)
	if err := store.Append(ctx, records...); err != nil {
		return fmt.Errorf("Append: %w", err)
	}
	for range 20 { // a scan that is not closed would hold a file or a connection
		for _, err := range store.Scan(ctx, predictlog.Query{}) {
			if err != nil {
				return fmt.Errorf("Scan: %w", err)
			}
			break
		}
	}
	if err := store.Append(ctx, record(50)); err != nil {
		return fmt.Errorf("Append after scans that stopped early: %w", err)
	}
	return expect(ctx, store, predictlog.Query{}, append(records, record(50))...)
}

func checkRangeAgain(ctx context.Context, k kit) error {
	store := k.open(binarySchema())
	sequence := store.Scan(ctx, predictlog.Query{})
	for n := range 3 {
		count := 0
		for _, err := range sequence {
			if err != nil {
				return fmt.Errorf("ranging %d times: %w", n+1, err)
			}
			count++
		}
		if count != n {
			return fmt.Errorf("ranging over a sequence again yielded %d records, want the %d that are stored by now", count, n)
		}
		if err := store.Append(ctx, record(n)); err != nil {
			return fmt.Errorf("Append: %w", err)
		}
	}
	return nil
}

func checkCancelledAppend(ctx context.Context, k kit) error {
	store := k.open(binarySchema())
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := store.Append(cancelled, record(0)); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("Append returned %v, want context.Canceled", err)
	}
	return expect(ctx, store, predictlog.Query{})
}

func checkCancelledScan(ctx context.Context, k kit) error {
	store := k.open(binarySchema())
	records := recordsOf(5000)
	if err := store.Append(ctx, records...); err != nil {
		return fmt.Errorf("Append: %w", err)
	}
	for _, after := range []int{0, 1} { // cancelled before the scan, and in its midst
		cancelled, cancel := context.WithCancel(ctx)
		defer cancel()
		if after == 0 {
			cancel()
		}
		var (
			count int
			ended error
		)
		for r, err := range store.Scan(cancelled, predictlog.Query{}) {
			if ended != nil {
				return errors.New("a scan went on after it yielded an error")
			}
			if err != nil {
				if ended = err; !r.Equal(predictlog.Record{}) {
					return fmt.Errorf("Scan yielded record %q with its error, want a zero Record", r.ID)
				}
				continue
			}
			if count++; count == after {
				cancel()
			}
		}
		if !errors.Is(ended, context.Canceled) {
			return fmt.Errorf("Scan cancelled after %d records yielded %d and ended with %v, want context.Canceled", after, count, ended)
		}
	}
	return nil
}

// scribble overwrites all memory that the record refers to.
func scribble(r predictlog.Record) {
	r.Row[0], r.Row[1] = predictlog.Number(-1), predictlog.Category("scribbled")
	r.Output.Probabilities[0] = 0.5
	r.Violations[0].Rule = "scribbled"
	r.Tags["tenant"] = "scribbled"
}

// richRecord returns a record that refers to memory of every sort.
func richRecord() predictlog.Record {
	r := record(1)
	r.Violations = []predictlog.Violation{{Column: "income", Rule: "gte=0", Value: "-1"}}
	r.Tags = map[string]string{"tenant": "a"}
	return r
}

func checkCallersMemory(ctx context.Context, k kit) error {
	store := k.open(binarySchema())
	records := []predictlog.Record{richRecord()}
	if err := store.Append(ctx, records...); err != nil {
		return fmt.Errorf("Append: %w", err)
	}
	scribble(records[0])
	records[0] = predictlog.Record{}
	return expect(ctx, store, predictlog.Query{}, richRecord())
}

func checkStoresMemory(ctx context.Context, k kit) error {
	store := k.open(binarySchema())
	other := record(2)
	if err := store.Append(ctx, richRecord(), other); err != nil {
		return fmt.Errorf("Append: %w", err)
	}
	kept, err := scan(ctx, store, predictlog.Query{})
	if err != nil {
		return err
	}
	for _, r := range kept {
		want := other
		if r.ID == richRecord().ID {
			want = richRecord()
		}
		if !r.Equal(want) {
			return fmt.Errorf("a record that was kept became\n%+v, want\n%+v", r, want)
		}
		if r.ID == richRecord().ID {
			scribble(r)
		}
	}
	return expect(ctx, store, predictlog.Query{}, richRecord(), other)
}

func checkConcurrentAppends(ctx context.Context, k kit) error {
	const (
		goroutines = 8
		batches    = 10
		size       = 10
	)
	store := k.open(binarySchema())
	records := recordsOf(goroutines * batches * size)
	shared := record(len(records))
	errs := make([]error, goroutines)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for b := range batches {
				from := (g*batches + b) * size
				batch := append([]predictlog.Record{shared}, records[from:from+size]...)
				if err := store.Append(ctx, batch...); err != nil {
					errs[g] = fmt.Errorf("Append in goroutine %d: %w", g, err)
					return
				}
				if err := expectAmong(ctx, store, batch); err != nil {
					errs[g] = fmt.Errorf("goroutine %d: %w", g, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return expect(ctx, store, predictlog.Query{}, append(records, shared)...)
}

// expectAmong returns an error unless a scan yields no record twice, and these among
// others.
func expectAmong(ctx context.Context, store predictlog.Store, want []predictlog.Record) error {
	got, err := scan(ctx, store, predictlog.Query{})
	if err != nil {
		return err
	}
	seen := make(map[string]bool, len(got))
	for _, r := range got {
		if seen[r.ID] {
			return fmt.Errorf("Scan yielded record %q twice", r.ID)
		}
		seen[r.ID] = true
	}
	for _, w := range want {
		if !seen[w.ID] {
			return fmt.Errorf("Scan did not yield record %q, whose Append had returned", w.ID)
		}
	}
	return nil
}

func checkScanWhileAppending(ctx context.Context, k kit) error {
	const total = 200
	store := k.open(binarySchema())
	records := recordsOf(total)
	if err := store.Append(ctx, records[:total/2]...); err != nil {
		return fmt.Errorf("Append: %w", err)
	}
	var (
		wg        sync.WaitGroup
		appendErr error
	)
	wg.Go(func() {
		for i := total / 2; i < total; i += 4 {
			if appendErr = store.Append(ctx, records[i:i+4]...); appendErr != nil {
				return
			}
		}
	})
	var scanErr error
	for range 10 {
		if scanErr = expectAmong(ctx, store, records[:total/2]); scanErr != nil {
			break
		}
	}
	wg.Wait()
	if err := errors.Join(appendErr, scanErr); err != nil {
		return err
	}
	return expect(ctx, store, predictlog.Query{}, records...)
}
