package predictlogtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog"
)

func checkOtherTime(ctx context.Context, k kit) error {
	for _, later := range []time.Duration{time.Microsecond, time.Hour, 72 * time.Hour} {
		store := k.open(binarySchema())
		if err := store.Append(ctx, record(0), record(1)); err != nil {
			return fmt.Errorf("Append: %w", err)
		}
		other := record(1)
		other.Time = other.Time.Add(later)
		want := 2
		switch err := store.Append(ctx, other); {
		case err == nil && k.Features.UniqueIDs:
			return fmt.Errorf("Append of a taken ID %v later succeeded, want a *DuplicateError by Features.UniqueIDs", later)
		case err == nil:
			want = 3
		default:
			if err := isDuplicate(err, other.ID); err != nil {
				return err
			}
		}
		got, err := scan(ctx, store, predictlog.Query{})
		if err != nil {
			return err
		}
		if len(got) != want || want == 3 && !slices.ContainsFunc(got, other.Equal) {
			return fmt.Errorf("after an Append of a taken ID %v later Scan yielded %d records, want %d", later, len(got), want)
		}
	}
	return nil
}

func checkQueryTag(ctx context.Context, k kit) error {
	records := recordsOf(8)
	for i, tags := range []map[string]string{
		{"tenant": "a"}, {"tenant": "b"}, {"tenant": ""}, {"tenant": "a", "x": "1"}, {"x": "a"}, nil, {"Tenant": "a"}, {"tenant": "a"},
	} {
		records[i].Tags = tags
	}
	records[7].Model = "fraud"
	store := k.open(binarySchema())
	if err := store.Append(ctx, records...); err != nil {
		return fmt.Errorf("Append: %w", err)
	}
	for _, q := range []predictlog.Query{
		{Tag: predictlog.Tag{Name: "tenant", Value: "a"}},
		{Tag: predictlog.Tag{Name: "tenant"}},
		{Tag: predictlog.Tag{Value: "a"}},
		{Tag: predictlog.Tag{Name: "x", Value: "1"}},
		{Tag: predictlog.Tag{Name: "x", Value: "2"}},
		{Tag: predictlog.Tag{Name: "tenant", Value: "a"}, Model: "credit", From: noon.Add(time.Second)},
	} {
		if err := expect(ctx, store, q, matching(records, q)...); err != nil {
			return err
		}
	}
	return nil
}

func checkUseWhileScanning(ctx context.Context, k kit) error {
	store := k.open(binarySchema())
	records := recordsOf(3000)
	if err := store.Append(ctx, records...); err != nil {
		return fmt.Errorf("Append: %w", err)
	}
	n := 0
	for _, err := range store.Scan(ctx, predictlog.Query{}) {
		if err != nil {
			return fmt.Errorf("Scan: %w", err)
		}
		if n++; n%1000 != 1 {
			continue
		}
		if err := store.Append(ctx, record(10_000+n)); err != nil {
			return fmt.Errorf("Append while a Scan yields: %w", err)
		}
		if _, err := scan(ctx, store, predictlog.Query{From: noon, To: noon.Add(time.Second)}); err != nil {
			return fmt.Errorf("while another Scan yields: %w", err)
		}
	}
	if n < len(records) {
		return fmt.Errorf("Scan yielded %d records, want the %d that were stored before it", n, len(records))
	}
	return nil
}

func checkReopened(ctx context.Context, k kit) error {
	store := k.open(binarySchema())
	records := append(recordsOf(100), richRecord())
	records[len(records)-1].ID = "rich"
	if err := store.Append(ctx, records...); err != nil {
		return fmt.Errorf("Append: %w", err)
	}
	for range 2 {
		store = k.Reopen(k.tb, store, binarySchema())
		if err := expect(ctx, store, predictlog.Query{}, records...); err != nil {
			return fmt.Errorf("reopened: %w", err)
		}
		if err := store.Append(ctx, records[10:]...); err != nil {
			return fmt.Errorf("Append of stored records after reopening: %w", err)
		}
		other := record(50)
		other.Version = "4"
		if err := isDuplicate(store.Append(ctx, other), other.ID); err != nil {
			return fmt.Errorf("after reopening: %w", err)
		}
	}
	return expect(ctx, store, predictlog.Query{}, records...)
}

// otherSchemas are what binarySchema may become: columns and classes come, go and move.
func otherSchemas() []*predictlog.Schema {
	income := predictlog.Column{Name: "income", Kind: predictlog.Numeric}
	region := predictlog.Column{Name: "region", Kind: predictlog.Categorical}
	age := predictlog.Column{Name: "age", Kind: predictlog.Numeric}
	two := predictlog.Target{}
	return []*predictlog.Schema{
		schemaOf(two, income, region, age),
		schemaOf(two, age, region, income),
		schemaOf(two, region),
		schemaOf(two, predictlog.Column{Name: "income", Kind: predictlog.Categorical}, region),
		schemaOf(predictlog.Target{Task: predictlog.Multiclass, Classes: []string{"2", "1", "0"}}, income, region),
		schemaOf(predictlog.Target{Classes: []string{"yes", "1"}}, income, region),
		schemaOf(predictlog.Target{Task: predictlog.Regression}, income, region),
	}
}

func checkOtherSchema(ctx context.Context, k kit) error {
	before := binarySchema()
	old := recordsOf(20)
	for i := range old {
		if i%2 == 0 {
			old[i].Output = predictlog.Output{Class: "0"}
		}
	}
	old[3].Row = predictlog.Row{predictlog.Missing(), predictlog.Missing()}
	old[4].Output = predictlog.Output{}
	old[5].Output.Probabilities = []float64{0, 1}
	for i, after := range otherSchemas() {
		store := k.open(before)
		if err := store.Append(ctx, old...); err != nil {
			return fmt.Errorf("Append: %w", err)
		}
		store = k.Reopen(k.tb, store, after)
		if got := store.Schema().Fingerprint(); got != after.Fingerprint() {
			return fmt.Errorf("reopened with schema %s the store has schema %s", after.Fingerprint(), got)
		}
		forth := predictlog.NewProjection(before, after)
		var want []predictlog.Record
		for _, r := range old {
			want = append(want, forth.Record(r))
		}
		if err := expect(ctx, store, predictlog.Query{}, want...); err != nil {
			return fmt.Errorf("schema %d: %w", i, err)
		}
		if err := compareColumns(ctx, store, predictlog.Query{}); err != nil {
			return fmt.Errorf("schema %d: ScanColumns: %w", i, err)
		}
		if err := store.Append(ctx, want...); err != nil {
			return fmt.Errorf("schema %d: Append of stored records, as they are yielded, after reopening: %w", i, err)
		}
		fresh := predictlog.Record{ID: "fresh", Time: noon.Add(time.Hour), Row: make(predictlog.Row, after.Len())}
		if err := store.Append(ctx, fresh); err != nil {
			return fmt.Errorf("schema %d: Append after reopening: %w", i, err)
		}
		if err := expect(ctx, store, predictlog.Query{}, append(want, fresh)...); err != nil {
			return fmt.Errorf("schema %d: %w", i, err)
		}
		store = k.Reopen(k.tb, store, before)
		want = append(slices.Clone(old), predictlog.NewProjection(after, before).Record(fresh))
		if err := expect(ctx, store, predictlog.Query{}, want...); err != nil {
			return fmt.Errorf("schema %d and back: %w", i, err)
		}
	}
	return nil
}

func checkSecond(ctx context.Context, k kit) error {
	first := k.open(binarySchema())
	records := recordsOf(60)
	if err := first.Append(ctx, records[:10]...); err != nil {
		return fmt.Errorf("Append: %w", err)
	}
	second := k.Second(k.tb, first)
	for i := 10; i < len(records); i += 10 {
		if err := first.Append(ctx, records[i:i+5]...); err != nil {
			return fmt.Errorf("Append by the first: %w", err)
		}
		if err := expect(ctx, second, predictlog.Query{}, records[:i+5]...); err != nil {
			return fmt.Errorf("the second, after the first appended: %w", err)
		}
		if err := second.Append(ctx, records[i:i+10]...); err != nil {
			return fmt.Errorf("Append by the second, in part what the first stored: %w", err)
		}
		if err := expect(ctx, first, predictlog.Query{From: records[i].Time}, records[i:i+10]...); err != nil {
			return fmt.Errorf("the first, after the second appended: %w", err)
		}
		other := records[i+7]
		other.Version = "4"
		if err := isDuplicate(first.Append(ctx, other), other.ID); err != nil {
			return fmt.Errorf("by the first, of an ID that the second stored: %w", err)
		}
	}
	return nil
}

func checkSecondWhileScanning(ctx context.Context, k kit) error {
	first := k.open(binarySchema())
	records := recordsOf(3000)
	if err := first.Append(ctx, records...); err != nil {
		return fmt.Errorf("Append: %w", err)
	}
	second := k.Second(k.tb, first)
	n := 0
	for _, err := range first.Scan(ctx, predictlog.Query{}) {
		if err != nil {
			return fmt.Errorf("Scan: %w", err)
		}
		if n++; n%1000 != 1 {
			continue
		}
		if err := second.Append(ctx, record(10_000+n)); err != nil {
			return fmt.Errorf("Append by the second while the first yields: %w", err)
		}
	}
	return nil
}

func checkPrune(ctx context.Context, k kit) error {
	store := k.open(binarySchema())
	prune := store.(predictlog.Pruner).Prune
	records := recordsOf(40)
	for i := range records {
		records[i].Time = noon.Add(time.Duration(i) * 6 * time.Hour)
	}
	if err := store.Append(ctx, records...); err != nil {
		return fmt.Errorf("Append: %w", err)
	}
	q := predictlog.Query{From: noon.AddDate(-1, 0, 0)} // what must be left
	for _, before := range []time.Time{
		noon.AddDate(-1, 0, 0), noon, noon.Add(1), records[9].Time, records[9].Time, noon.AddDate(0, 0, 5), noon,
	} {
		if err := prune(ctx, before); err != nil {
			return fmt.Errorf("Prune(%v): %w", before, err)
		}
		if before.After(q.From) {
			q.From = before
		}
		if err := expect(ctx, store, q, matching(records, q)...); err != nil {
			return fmt.Errorf("after Prune(%v): %w", before, err)
		}
	}
	if err := prune(ctx, noon.AddDate(100, 0, 0)); err != nil {
		return fmt.Errorf("a Prune of all: %w", err)
	}
	if err := expect(ctx, store, predictlog.Query{}); err != nil {
		return fmt.Errorf("after a Prune of all: %w", err)
	}
	other := records[0]
	other.Version = "4"
	if err := store.Append(ctx, other); err != nil {
		return fmt.Errorf("Append of an ID that was removed: %w", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := prune(cancelled, noon.AddDate(100, 0, 0)); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("a Prune returned %v, want context.Canceled", err)
	}
	return expect(ctx, store, predictlog.Query{}, other)
}

func checkPruneSecond(ctx context.Context, k kit) error {
	first := k.open(binarySchema())
	records := recordsOf(40)
	for i := range records {
		records[i].Time = noon.Add(time.Duration(i) * 6 * time.Hour)
	}
	if err := first.Append(ctx, records...); err != nil {
		return fmt.Errorf("Append: %w", err)
	}
	second := k.Second(k.tb, first)
	if err := second.Append(ctx, records...); err != nil {
		return fmt.Errorf("Append by the second of what the first stored: %w", err)
	}
	if err := first.(predictlog.Pruner).Prune(ctx, records[20].Time); err != nil {
		return fmt.Errorf("a Prune: %w", err)
	}
	q := predictlog.Query{From: records[20].Time}
	if err := expect(ctx, second, q, records[20:]...); err != nil {
		return fmt.Errorf("the second, after the first pruned: %w", err)
	}
	if err := first.(predictlog.Pruner).Prune(ctx, noon.AddDate(100, 0, 0)); err != nil {
		return fmt.Errorf("a Prune of all: %w", err)
	}
	other := records[0]
	other.Version = "4"
	if err := second.Append(ctx, other, records[30]); err != nil {
		return fmt.Errorf("Append by the second of IDs that the first removed: %w", err)
	}
	for _, store := range []predictlog.Store{first, second} {
		if err := expect(ctx, store, predictlog.Query{}, other, records[30]); err != nil {
			return fmt.Errorf("after an Append by the second of IDs that the first removed: %w", err)
		}
	}
	return nil
}

func checkPruneWhileScanning(ctx context.Context, k kit) error {
	store := k.open(binarySchema())
	records := recordsOf(3000)
	for i := range records {
		records[i].Time = noon.Add(time.Duration(i) * time.Minute)
	}
	if err := store.Append(ctx, records...); err != nil {
		return fmt.Errorf("Append: %w", err)
	}
	before := records[2500].Time
	got := map[string]bool{}
	for r, err := range store.Scan(ctx, predictlog.Query{}) {
		if err != nil {
			return fmt.Errorf("Scan: %w", err)
		}
		if got[r.ID] {
			return fmt.Errorf("Scan yielded record %q twice", r.ID)
		}
		if got[r.ID] = true; len(got) != 100 {
			continue
		}
		if err := store.(predictlog.Pruner).Prune(ctx, before); err != nil {
			return fmt.Errorf("a Prune while a Scan yields: %w", err)
		}
	}
	for _, r := range records[2500:] {
		if !got[r.ID] {
			return fmt.Errorf("Scan did not yield record %q, which Prune must not remove", r.ID)
		}
	}
	return nil
}
