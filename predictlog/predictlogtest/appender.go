package predictlogtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// AppenderHarness makes the appenders under test, which are no stores, such as producers of a
// queue.
type AppenderHarness struct {
	// New returns a new appender of the schema, and registers its cleanup with tb.
	New func(tb testing.TB, schema *predictlog.Schema) predictlog.Appender
	// Read returns the appended records, in any order, equal records at least once. Nil if
	// they cannot be read.
	Read func(tb testing.TB, appender predictlog.Appender) []predictlog.Record
}

// RunAppender checks the promises of [predictlog.Appender] that need no store; [Run] checks a
// store.
func RunAppender(t *testing.T, h AppenderHarness) {
	for _, c := range appenderCases {
		t.Run(c.name, func(t *testing.T) {
			if err := c.check(t, h); err != nil {
				t.Errorf("%v\nbroken promise: %s", err, c.promise)
			}
		})
	}
	if h.Read == nil {
		t.Log("not checked: what is appended is kept, and kept as it was (AppenderHarness.Read is nil)")
	}
}

// appenderCases is an immutable table.
var appenderCases = []struct {
	name    string
	promise string
	check   func(tb testing.TB, h AppenderHarness) error
}{
	{"schema", "Schema never returns nil and always returns the same pointer", appenderSchema},
	{"append", "Append stores every record; a failed Append may be repeated; the caller's memory is its own", appenderAppend},
	{"invalid record", "a record that does not follow the schema is a RecordError, and nothing is stored", appenderInvalid},
	{"cancelled", "a ctx that is already cancelled is an error, and nothing is stored", appenderCancelled},
}

func appenderSchema(tb testing.TB, h AppenderHarness) error {
	schema := binarySchema()
	appender := h.New(tb, schema)
	first := appender.Schema()
	if first == nil || first != appender.Schema() || first.Fingerprint() != schema.Fingerprint() {
		return errors.New("the schema is nil, changes, or differs from the schema given to New")
	}
	return nil
}

func appenderAppend(tb testing.TB, h AppenderHarness) error {
	appender := h.New(tb, binarySchema())
	records := append(recordsOf(300), richRecord())
	records[300].ID = "rich"
	want := make([]predictlog.Record, len(records))
	for i := range records {
		want[i] = records[i].Clone()
	}
	for _, batch := range [][]predictlog.Record{nil, records[:1], records[1:100], records[50:]} {
		if err := appender.Append(tb.Context(), batch...); err != nil {
			return fmt.Errorf("Append of %d records: %w", len(batch), err)
		}
	}
	scribble(records[300])
	return h.expect(tb, appender, want...)
}

func appenderInvalid(tb testing.TB, h AppenderHarness) error {
	appender := h.New(tb, binarySchema())
	invalid := record(1)
	invalid.Row = nil
	var refused *predictlog.RecordError
	if err := appender.Append(tb.Context(), record(0), invalid); !errors.As(err, &refused) {
		return fmt.Errorf("Append returned %v, want a *RecordError", err)
	}
	return h.expect(tb, appender)
}

func appenderCancelled(tb testing.TB, h AppenderHarness) error {
	appender := h.New(tb, binarySchema())
	ctx, cancel := context.WithCancel(tb.Context())
	cancel()
	if err := appender.Append(ctx, record(0)); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("Append returned %v, want context.Canceled", err)
	}
	return h.expect(tb, appender)
}

// expect returns an error unless exactly these records are read, each at least once.
func (h AppenderHarness) expect(tb testing.TB, appender predictlog.Appender, want ...predictlog.Record) error {
	if h.Read == nil {
		return nil
	}
	byID := map[string]predictlog.Record{}
	for _, w := range want {
		byID[w.ID] = w
	}
	read := map[string]bool{}
	for _, r := range h.Read(tb, appender) {
		if w, ok := byID[r.ID]; !ok || !r.Equal(w) {
			return fmt.Errorf("read record\n%+v, want\n%+v", r, w)
		}
		read[r.ID] = true
	}
	if len(read) != len(want) {
		return fmt.Errorf("read %d different records, want %d", len(read), len(want))
	}
	return nil
}
