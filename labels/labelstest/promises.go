package labelstest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/selfheal-ml/selfheal/labels"
)

const (
	noOpText    = "A label equal to a stored revision, as Label.Equal has it, is a no-op; any other is a new revision."
	winnerText  = "Lookup returns the winning label: the one with the latest Time and, among equal times, the one appended last."
	atomicText  = "Append stores every label or none. A label that fails Label.Check is a *LabelError."
	oneByText   = "Labels of one call are taken one after the other."
	scanText    = "Scan yields every revision that q matches, in the order in which they were appended."
	cancelText  = "A ctx that is cancelled when a method is called is an error that wraps ctx.Err()."
	contentText = "A stored label is what was appended, to the bit, its time in UTC to the microsecond."
	arrivalText = "Append sets Arrived, to the present, unless it is set already; stores keep it in UTC, to the microsecond."
	asOfText    = "LookupAsOf is Lookup as it was at an earlier moment: labels with a later Arrived do not count. A zero moment is Lookup."

	othersText   = "Lookup and Scan see every label whose Append returned before, whoever called it."
	durableText  = "Append returns once the labels are as durable as the store promises."
	pruneText    = "Prune removes the labels of predictions of which every label has an Arrived before the given moment. It is safe to repeat."
	togetherText = "The labels of one prediction stay or go together, so that none that was beaten wins again."
)

// promises is an immutable table.
var promises = []promise{
	{name: "empty store", text: "A store without labels finds none.", kept: empty},
	{name: "append and scan", text: scanText, kept: appended},
	{name: "same label again", text: noOpText, kept: idempotent},
	{name: "same truth at another time", text: noOpText + " " + winnerText, kept: sameTruth},
	{name: "batch again", text: "Labels that were stored may be sent again at any later point, in whole or in part, and change nothing.", kept: batchAgain},
	{name: "correction", text: noOpText + " " + scanText, kept: correction},
	{name: "late redelivery", text: noOpText + " " + winnerText, kept: lateRedelivery},
	{name: "late revision", text: winnerText, kept: lateRevision},
	{name: "equal times", text: winnerText, kept: tie},
	{name: "one call", text: oneByText + " " + noOpText, kept: withinCall},
	{name: "unknown prediction", text: "The prediction need not be known.", kept: unknownPrediction},
	{name: "invalid label", text: atomicText, kept: invalid},
	{name: "query by time", text: "From and To bound Label.Time: From <= Time < To. A zero bound is no bound.", kept: bounds},
	{name: "query by prediction", text: "PredictionID, if not empty, must equal the label's: the history of one prediction.", kept: history},
	{name: "query by arrival", text: "ArrivedBy, if not zero, leaves out the labels with a later Arrived.", kept: arrivalBound},
	{name: "values", text: contentText, kept: values},
	{name: "classes", text: contentText, kept: classes},
	{name: "times", text: contentText, kept: times},
	{name: "IDs", text: contentText, kept: ids},
	{name: "many labels", text: "Lookup returns the winning label of each of the prediction IDs that has one.", kept: many},
	{name: "arrival", text: arrivalText, kept: arrival},
	{name: "arrival given", text: arrivalText, kept: arrivalGiven},
	{name: "arrival of equal labels", text: "Arrived is no part of what makes two labels equal, and of equal labels the first counts.", kept: arrivalOfEqual},
	{name: "as of", text: asOfText, kept: asOf},
	{name: "as of, to the microsecond", text: asOfText, kept: asOfExactly},
	{name: "as of, equal times", text: asOfText + " " + winnerText, kept: asOfTie},
	{name: "as of, any history", text: asOfText, kept: asOfHistories},
	{name: "caller's memory", text: "The store keeps no reference to the labels after Append returned. The map that Lookup returns is the caller's.", kept: callersMemory},
	{name: "cancelled append", text: cancelText + " " + atomicText, kept: cancelledAppend},
	{name: "cancelled lookup", text: cancelText, kept: cancelledLookup},
	{name: "cancelled scan", text: "The sequence ends at the first error, which it yields with a zero Label; a cancelled ctx is such an error.", kept: cancelledScan},
	{name: "early stop", text: "The consumer may stop early.", kept: earlyStop},
	{name: "range again", text: "The sequence may be ranged over again, which is a new scan.", kept: scanAgain},
	{name: "use while scanning", text: "While it yields, a store holds no lock and no connection: the consumer may call any method of it.", kept: useWhileScanning},
	{name: "concurrent appends", text: "All methods are safe for concurrent use. " + noOpText, kept: concurrent},
	{name: "concurrent revisions", text: "All methods are safe for concurrent use. " + winnerText, kept: concurrentRevisions},
	{name: "second handle", text: othersText, with: secondHandle, needs: needsSecond},
	{name: "second handle, concurrently", text: othersText + " " + noOpText, with: secondConcurrently, needs: needsSecond},
	{name: "reopened", text: durableText, with: reopened, needs: needsReopen},
	{name: "prune", text: pruneText, with: prune, needs: needsPruner},
	{name: "prune whole histories", text: togetherText, with: pruneHistories, needs: needsPruner},
	{name: "prune and append", text: "A label that comes again after it was removed is a new one.", with: pruneAndAppend, needs: needsPruner},
	{name: "prune while scanning", text: "A Scan that is under way yields each of the removed labels or not.", with: pruneWhileScanning, needs: needsPruner},
	{name: "prune, cancelled", text: cancelText, with: pruneCancelled, needs: needsPruner},
	{name: "prune, second handle", text: pruneText + " " + othersText, with: pruneSecond, needs: needsPruner | needsSecond},
	{name: "prune, concurrent appends", text: pruneText, with: pruneConcurrently, needs: needsPruner | needsSecond},
	{name: "prune, reopened", text: pruneText + " " + durableText, with: pruneReopened, needs: needsPruner | needsReopen},
}

func empty(ctx context.Context, s labels.Store) error {
	if err := s.Append(ctx); err != nil {
		return fmt.Errorf("Append of no labels: %w", err)
	}
	return errors.Join(
		wantScan(ctx, s, labels.Query{}),
		wantLookup(ctx, s, nil),
		wantLookup(ctx, s, nil, "p-1", "p-2"),
	)
}

func appended(ctx context.Context, s labels.Store) error {
	first, second, third := class("p-2", "yes", 3), value("p-1", 1.5, 1), class("p-3", "no", 2)
	if err := s.Append(ctx, first, second); err != nil {
		return err
	}
	if err := s.Append(ctx, third); err != nil {
		return err
	}
	return errors.Join(
		wantScan(ctx, s, labels.Query{}, first, second, third),
		wantLookup(ctx, s, []labels.Label{first, second, third}, "p-4"),
	)
}

func idempotent(ctx context.Context, s labels.Store) error {
	first, second := class("p-1", "yes", 1), value("p-2", 2, 1)
	for range 3 {
		if err := s.Append(ctx, first, second); err != nil {
			return err
		}
	}
	if err := appendEach(ctx, s, second, first); err != nil {
		return err
	}
	return wantScan(ctx, s, labels.Query{}, first, second)
}

func sameTruth(ctx context.Context, s labels.Store) error {
	first, later, earlier := class("p-1", "yes", 5), class("p-1", "yes", 9), class("p-1", "yes", 1)
	zero, negative := value("p-2", 0, 5), value("p-2", math.Copysign(0, -1), 5) // not the same truth
	if err := appendEach(ctx, s, first, later, earlier, zero, negative, later, first); err != nil {
		return err
	}
	return errors.Join(
		wantScan(ctx, s, labels.Query{}, first, later, earlier, zero, negative),
		wantLookup(ctx, s, []labels.Label{later, negative}),
	)
}

func batchAgain(ctx context.Context, s labels.Store) error {
	known, confirmed, between := class("p-1", "yes", 0), class("p-1", "yes", 30), class("p-1", "no", 20)
	back, forth := class("p-2", "no", 10), class("p-2", "yes", 10) // the time does not order them
	all := []labels.Label{known, confirmed, between, back, forth}
	for _, batch := range [][]labels.Label{all, all, {between, back}, {known}, all} {
		if err := s.Append(ctx, batch...); err != nil {
			return err
		}
		err := errors.Join(
			wantScan(ctx, s, labels.Query{}, all...),
			wantLookup(ctx, s, []labels.Label{confirmed, forth}),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

func correction(ctx context.Context, s labels.Store) error {
	wrong, other, right, back := class("p-1", "no", 1), class("p-2", "no", 2), class("p-1", "yes", 3), class("p-1", "no", 4)
	if err := appendEach(ctx, s, wrong, other, right, back); err != nil {
		return err
	}
	return errors.Join(
		wantScan(ctx, s, labels.Query{}, wrong, other, right, back),
		wantLookup(ctx, s, []labels.Label{back, other}),
	)
}

func lateRedelivery(ctx context.Context, s labels.Store) error {
	a, b, c := class("p-1", "a", 1), class("p-1", "b", 2), class("p-1", "c", 3)
	if err := appendEach(ctx, s, a, b, c, b, a, c); err != nil {
		return err
	}
	return errors.Join(
		wantScan(ctx, s, labels.Query{}, a, b, c),
		wantLookup(ctx, s, []labels.Label{c}),
	)
}

func lateRevision(ctx context.Context, s labels.Store) error {
	newest, oldest, middle := class("p-1", "a", 9), class("p-1", "b", 1), class("p-1", "c", 5)
	if err := appendEach(ctx, s, newest, oldest, middle, oldest, middle); err != nil {
		return err
	}
	return errors.Join(
		wantScan(ctx, s, labels.Query{}, newest, oldest, middle),
		wantLookup(ctx, s, []labels.Label{newest}),
	)
}

func tie(ctx context.Context, s labels.Store) error {
	a, b := class("p-1", "a", 1), class("p-1", "b", 1)
	c, d := value("p-2", 1, 1), value("p-2", 2, 1)
	if err := appendEach(ctx, s, a, b, a); err != nil { // the last a is a redelivery
		return err
	}
	if err := s.Append(ctx, c, d, c); err != nil {
		return err
	}
	return errors.Join(
		wantScan(ctx, s, labels.Query{}, a, b, c, d),
		wantLookup(ctx, s, []labels.Label{b, d}),
	)
}

func withinCall(ctx context.Context, s labels.Store) error {
	stored := class("p-1", "a", 1)
	if err := s.Append(ctx, stored); err != nil {
		return err
	}
	b, c, other := class("p-1", "b", 2), class("p-1", "c", 3), class("p-2", "a", 1)
	confirmed := class("p-1", "c", 4)
	if err := s.Append(ctx, b, other, stored, c, other, confirmed, b); err != nil {
		return err
	}
	return errors.Join(
		wantScan(ctx, s, labels.Query{}, stored, b, other, c, confirmed),
		wantLookup(ctx, s, []labels.Label{confirmed, other}),
	)
}

func unknownPrediction(ctx context.Context, s labels.Store) error {
	early := class("not-predicted-yet", "yes", 1)
	if err := s.Append(ctx, early); err != nil {
		return err
	}
	return wantLookup(ctx, s, []labels.Label{early})
}

func invalid(ctx context.Context, s labels.Store) error {
	stored := class("p-1", "yes", 1)
	if err := s.Append(ctx, stored); err != nil {
		return err
	}
	for _, bad := range []labels.Label{
		class("", "yes", 2),
		class("has space", "yes", 2),
		{PredictionID: "p-2", Class: "yes"},
		{PredictionID: "p-2", Class: "yes", Value: 1, Time: at(2)},
		{PredictionID: "p-2", Class: "yes", Value: math.Copysign(0, -1), Time: at(2)},
		class("p-2", "\xff", 2),
		class("p-2", "a\x00b", 2),
		value("p-2", math.NaN(), 2),
		value("p-2", math.Inf(1), 2),
		{PredictionID: "p-2", Class: "yes", Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		err := s.Append(ctx, class("p-1", "no", 3), bad, class("p-3", "yes", 3))
		var labelErr *labels.LabelError
		if !errors.As(err, &labelErr) || !errors.Is(err, labels.ErrInvalidLabel) {
			return fmt.Errorf("Append(%+v): error %v, want a *LabelError", bad, err)
		}
		if labelErr.PredictionID != bad.PredictionID {
			return fmt.Errorf("Append(%+v): error names prediction %q", bad, labelErr.PredictionID)
		}
	}
	return errors.Join(
		wantScan(ctx, s, labels.Query{}, stored),
		wantLookup(ctx, s, []labels.Label{stored}, "p-2", "p-3"),
	)
}

func bounds(ctx context.Context, s labels.Store) error {
	a, b, c := class("p-1", "a", 30), class("p-2", "b", 10), class("p-1", "c", 20)
	if err := s.Append(ctx, a, b, c); err != nil {
		return err
	}
	moment := time.Microsecond
	elsewhere := time.FixedZone("elsewhere", 5*3600)
	return errors.Join(
		wantScan(ctx, s, labels.Query{From: at(20)}, a, c),
		wantScan(ctx, s, labels.Query{From: at(20).Add(moment)}, a),
		wantScan(ctx, s, labels.Query{From: at(20).Add(time.Nanosecond)}, a),
		wantScan(ctx, s, labels.Query{To: at(20).Add(time.Nanosecond)}, b, c),
		wantScan(ctx, s, labels.Query{To: at(20)}, b),
		wantScan(ctx, s, labels.Query{To: at(20).Add(moment)}, b, c),
		wantScan(ctx, s, labels.Query{From: at(10), To: at(30)}, b, c),
		wantScan(ctx, s, labels.Query{From: at(10).In(elsewhere), To: at(30).In(elsewhere)}, b, c),
		wantScan(ctx, s, labels.Query{From: at(11), To: at(11)}),
		wantScan(ctx, s, labels.Query{From: at(30), To: at(10)}),
		wantScan(ctx, s, labels.Query{From: at(15), PredictionID: "p-1", To: at(30)}, c),
	)
}

func history(ctx context.Context, s labels.Store) error {
	a, other, b, c := class("p-1", "a", 3), class("p-11", "a", 1), class("p-1", "b", 1), class("p-1", "c", 5)
	if err := appendEach(ctx, s, a, other, b, c); err != nil {
		return err
	}
	return errors.Join(
		wantScan(ctx, s, labels.Query{PredictionID: "p-1"}, a, b, c),
		wantScan(ctx, s, labels.Query{PredictionID: "p-11"}, other),
		wantScan(ctx, s, labels.Query{PredictionID: "p"}),
	)
}

func values(ctx context.Context, s labels.Store) error {
	var ls []labels.Label
	for i, x := range []float64{
		0, math.Copysign(0, -1), 1, -1, 0.1, 1.0 / 3, 1e21, -1e-7, 1<<53 + 2,
		math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64,
		math.Float64frombits(0x000f_ffff_ffff_ffff), // the largest subnormal
	} {
		ls = append(ls, value("p-"+strconv.Itoa(i), x, i))
	}
	return stored(ctx, s, ls)
}

func classes(ctx context.Context, s labels.Store) error {
	var ls []labels.Label
	for i, c := range []string{
		"yes", "0", "1.0", "true", "null", "NaN", " ", " padded ", "\t", ",", `"`, `""`, `a "quoted" word`, "a,b",
		"two\nlines", "two\r\nlines", "\n", "\r", "trailing\n", "trailing\r", `back\slash`, `\n`, "=1+1", "#1", "'",
		"größer", "日本語", "🙂", "e\u0301", "\ufeff", "\u2028", "\x01",
	} {
		ls = append(ls, class("p-"+strconv.Itoa(i), c, i))
	}
	return stored(ctx, s, ls)
}

func times(ctx context.Context, s labels.Store) error {
	var ls []labels.Label
	for i, t := range []time.Time{
		time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC),
		time.Date(1969, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		time.Unix(0, 0),
		time.Date(2025, 6, 1, 12, 0, 0, 123_456_789, time.UTC),
		time.Date(2025, 6, 1, 12, 0, 0, 120_000_000, time.FixedZone("elsewhere", -9*3600-1800)),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
	} {
		ls = append(ls, labels.Label{PredictionID: "p-" + strconv.Itoa(i), Class: "yes", Time: t})
	}
	if err := stored(ctx, s, ls); err != nil {
		return err
	}
	// The same instant within the microsecond is the same label.
	again := ls[3]
	again.Time = again.Time.Add(100 * time.Nanosecond)
	if err := s.Append(ctx, again); err != nil {
		return err
	}
	return wantScan(ctx, s, labels.Query{PredictionID: "p-3"}, ls[3])
}

func ids(ctx context.Context, s labels.Store) error {
	long := make([]byte, 128)
	for i := range long {
		long[i] = '~'
	}
	var ls []labels.Label
	for _, id := range []string{
		"0", "00", "0197a2b4-7c3e-7d7e-b5a1-0123456789ab", "=cmd", "#", `\`, "`;--%_*?", "{}[]()<>|&$!", "A", "a", string(long),
	} {
		ls = append(ls, class(id, "yes", 1))
	}
	return stored(ctx, s, ls)
}

// stored appends the labels and checks that they come back.
func stored(ctx context.Context, s labels.Store, ls []labels.Label) error {
	if err := s.Append(ctx, ls...); err != nil {
		return err
	}
	return errors.Join(
		wantScan(ctx, s, labels.Query{}, ls...),
		wantLookup(ctx, s, ls),
	)
}

func many(ctx context.Context, s labels.Store) error {
	const n = 3000
	ls, unlabelled := make([]labels.Label, n), make([]string, n)
	for i := range n {
		ls[i] = class("p-"+strconv.Itoa(i), strconv.Itoa(i%7), i%60)
		unlabelled[i] = "q-" + strconv.Itoa(i)
	}
	if err := stored(ctx, s, ls); err != nil {
		return err
	}
	got, err := s.Lookup(ctx, "p-1", "p-1", "p-1")
	if err != nil {
		return err
	}
	if len(got) != 1 || !got["p-1"].Equal(ls[1]) {
		return fmt.Errorf(`Lookup("p-1", three times) finds %+v, want %+v`, got, ls[1])
	}
	return wantLookup(ctx, s, ls, unlabelled...)
}

func cancelledAppend(ctx context.Context, s labels.Store) error {
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	return errors.Join(
		wantCancelled("Append", s.Append(cancelled, class("p-1", "yes", 1))),
		wantScan(ctx, s, labels.Query{}),
		wantLookup(ctx, s, nil, "p-1"),
	)
}

func cancelledLookup(ctx context.Context, s labels.Store) error {
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, lookup := s.Lookup(cancelled, "p-1")
	_, asOf := s.LookupAsOf(cancelled, at(1), "p-1")
	return errors.Join(wantCancelled("Lookup", lookup), wantCancelled("LookupAsOf", asOf))
}

func cancelledScan(ctx context.Context, s labels.Store) error {
	cancelled, cancel := context.WithCancel(ctx)
	defer cancel()
	ls := make([]labels.Label, 3000)
	for i := range ls {
		ls[i] = class("p-"+strconv.Itoa(i), "yes", 1)
	}
	if err := s.Append(ctx, ls...); err != nil {
		return err
	}
	var last error
	ended := false
	for l, err := range s.Scan(cancelled, labels.Query{}) {
		cancel()
		if ended {
			return errors.New("Scan goes on after its first error")
		}
		if ended = err != nil; ended && l != (labels.Label{}) {
			return fmt.Errorf("Scan yields %+v with the error %w", l, err)
		}
		last = err
	}
	if err := wantCancelled("Scan", last); err != nil {
		return err
	}
	_, err := scan(cancelled, s, labels.Query{})
	return wantCancelled("Scan", err)
}

func earlyStop(ctx context.Context, s labels.Store) error {
	first, second := class("p-1", "yes", 1), class("p-2", "yes", 1)
	if err := s.Append(ctx, first, second); err != nil {
		return err
	}
	for range 100 { // more than a store has connections or files to leak
		for l, err := range s.Scan(ctx, labels.Query{}) {
			if err != nil || !l.Equal(first) {
				return fmt.Errorf("Scan yields %+v, %v first, want %+v", l, err, first)
			}
			break
		}
	}
	third := class("p-3", "yes", 1)
	if err := s.Append(ctx, third); err != nil {
		return err
	}
	return wantScan(ctx, s, labels.Query{}, first, second, third)
}

func scanAgain(ctx context.Context, s labels.Store) error {
	first, second := class("p-1", "yes", 1), class("p-2", "yes", 1)
	sequence := s.Scan(ctx, labels.Query{})
	for _, l := range []labels.Label{first, second} {
		if err := s.Append(ctx, l); err != nil {
			return err
		}
		n := 0
		for _, err := range sequence {
			if err != nil {
				return err
			}
			n++
		}
		if want := map[string]int{"p-1": 1, "p-2": 2}[l.PredictionID]; n != want {
			return fmt.Errorf("ranged over again, the sequence yields %d labels, want %d", n, want)
		}
	}
	return nil
}

// workers is how many goroutines use a store at once.
const workers = 8

// together runs work in each of the workers and joins their errors.
func together(work func(worker int) error) error {
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { errs[w] = work(w) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func concurrent(ctx context.Context, s labels.Store) error {
	const n, batch = 120, 10
	ls := make([]labels.Label, n)
	for i := range ls {
		ls[i] = class("p-"+strconv.Itoa(i), "yes", i%60)
	}
	// Every worker appends the same labels, starting elsewhere, and reads its own writes.
	err := together(func(worker int) error {
		for i := range n / batch {
			start := (i + worker) * batch % n
			part := ls[start : start+batch]
			if err := s.Append(ctx, part...); err != nil {
				return err
			}
			if err := wantLookup(ctx, s, part); err != nil {
				return err
			}
		}
		_, err := scan(ctx, s, labels.Query{})
		return err
	})
	if err != nil {
		return err
	}
	got, err := scan(ctx, s, labels.Query{})
	if err != nil {
		return err
	}
	if len(got) != n {
		return fmt.Errorf("Scan yields %d labels, want %d", len(got), n)
	}
	return wantLookup(ctx, s, ls)
}

func concurrentRevisions(ctx context.Context, s labels.Store) error {
	err := together(func(worker int) error {
		for i := range 10 {
			seconds := (i*7%10)*workers + worker // every revision has a time and a truth of its own
			if err := s.Append(ctx, value("p-1", float64(seconds), seconds)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	got, err := scan(ctx, s, labels.Query{PredictionID: "p-1"})
	if err != nil {
		return err
	}
	if len(got) != 10*workers {
		return fmt.Errorf("Scan yields %d revisions, want %d", len(got), 10*workers)
	}
	last := 10*workers - 1
	return wantLookup(ctx, s, []labels.Label{value("p-1", float64(last), last)})
}
