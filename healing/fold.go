package healing

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// Tally counts the records of a stretch of time. Tallies of one version add up exactly, in
// any order.
type Tally struct {
	// Rows counts the records, Violations the records that broke a rule of the schema,
	// Unanswered the records without an answer.
	Rows, Violations, Unanswered int
	// Inputs counts the rows in the layout of the version's reference. Nil without a
	// reference.
	Inputs *drift.Profile
	// Answers counts the answers in the layout of the version's reference of answers, in the
	// columns [AnswerClass] and [AnswerScore] as far as the target has them. Nil without such
	// a reference.
	Answers *drift.Profile
	// Metrics counts the answers in a layout that knows every class of the target. Pass.Proxy
	// is computed from Metrics. Nil without a version.
	Metrics *drift.Profile
}

// Profiler is implemented by a [predictlog.Store] that computes a tally where its records
// are, such as a database. The monitor then reads no records.
type Profiler interface {
	// Tally adds the records that q matches to t, with the same result as the monitor that
	// reads them. Every record counts in Rows, and its row, with the columns of the schema,
	// in Inputs. Every answered record, see [predictlog.Record.Answered], counts in Answers
	// and Metrics, and every other one in Unanswered. In Answers and Metrics, a class that
	// the target does not have is missing. If scored is false, which it is for a regression
	// without a reference, every score in Metrics is missing. Nil profiles are not asked for.
	// What is added depends on the records alone, so replicas come to the same bytes. After
	// an error, the monitor forgets t.
	Tally(ctx context.Context, q predictlog.Query, t *Tally, scored bool) error
}

// add adds the records of o. A profile that t lacks is left out.
func (t *Tally) add(o *Tally) error {
	t.Rows += o.Rows
	t.Violations += o.Violations
	t.Unanswered += o.Unanswered
	var errs []error
	for _, p := range [...]struct{ sum, part *drift.Profile }{{t.Inputs, o.Inputs}, {t.Answers, o.Answers}, {t.Metrics, o.Metrics}} {
		if p.sum != nil {
			errs = append(errs, p.sum.Merge(p.part))
		}
	}
	return errors.Join(errs...)
}

// folder counts records in one tally for each bucket.
type folder struct {
	schema   *predictlog.Schema
	target   predictlog.Target
	unscored bool // see metrics
	first    int64
	width    time.Duration
	tallies  []Tally // of the buckets from first on

	counts []int   // of the rows of a batch, by bucket
	order  []int32 // of the rows of a batch, so that those of a bucket are together
	sorted predictlog.Batch
	class  []int32
	score  []float64
}

// read counts what q matches.
func (f *folder) read(ctx context.Context, store predictlog.Store, q predictlog.Query) error {
	for batch, err := range predictlog.ScanColumns(ctx, store, q) {
		if err != nil {
			return err
		}
		if err := f.add(batch); err != nil {
			return err
		}
	}
	return nil
}

// add counts a batch, every record in the bucket of its time.
func (f *folder) add(b *predictlog.Batch) error {
	if b.Len == 0 {
		return nil
	}
	if err := f.check(b); err != nil {
		return err
	}
	if len(f.tallies) == 1 {
		return f.count(&f.tallies[0], b)
	}
	f.counts = append(f.counts[:0], make([]int, len(f.tallies)+1)...)
	ordered, last := true, 0
	for _, t := range b.Times {
		k, err := f.bucket(t)
		if err != nil {
			return err
		}
		f.counts[k+1]++
		ordered, last = ordered && k >= last, k
	}
	for k := range f.tallies {
		f.counts[k+1] += f.counts[k]
	}
	if !ordered {
		b = f.sort(b)
	}
	// Sorting has moved each count on to where its bucket ends.
	from := 0
	for k := range f.tallies {
		to := f.counts[k+1]
		if !ordered {
			to = f.counts[k]
		}
		if to > from {
			part := slice(b, from, to)
			if err := f.count(&f.tallies[k], &part); err != nil {
				return err
			}
		}
		from = to
	}
	return nil
}

// bucket returns the position in tallies of the bucket that contains a time in microseconds
// since 1970.
func (f *folder) bucket(t int64) (int, error) {
	k := floorDiv(t, f.width.Microseconds()) - f.first
	if k < 0 || k >= int64(len(f.tallies)) {
		return 0, fmt.Errorf("the store yields a record of %v, which was not asked for", time.UnixMicro(t).UTC())
	}
	return int(k), nil
}

// check returns an error if the batch cannot be counted.
func (f *folder) check(b *predictlog.Batch) error {
	n := f.schema.Len()
	ok := len(b.Numbers) == n && len(b.Codes) == n && len(b.Levels) == n &&
		len(b.Answered) == b.Len && len(b.Violates) == b.Len && len(b.Times) == b.Len &&
		(f.target.Task == predictlog.Regression || len(b.Class) == b.Len) &&
		(f.target.Task == predictlog.Multiclass || len(b.Score) == b.Len)
	for i := 0; ok && i < n; i++ {
		if f.schema.Column(i).Kind == predictlog.Numeric {
			ok = len(b.Numbers[i]) == b.Len
		} else {
			ok = len(b.Codes[i]) == b.Len
		}
	}
	if !ok {
		return fmt.Errorf("the store yields a batch of %d records with columns that are missing or of other lengths", b.Len)
	}
	return nil
}

// sort returns the batch with the records of each bucket together, in memory that is used
// again. sort adds to each of f.counts the number of records in that bucket.
func (f *folder) sort(b *predictlog.Batch) *predictlog.Batch {
	f.order = resize(f.order, b.Len)
	for i, t := range b.Times {
		k := floorDiv(t, f.width.Microseconds()) - f.first
		f.order[f.counts[k]] = int32(i)
		f.counts[k]++
	}
	s := &f.sorted
	s.Len, s.Levels = b.Len, b.Levels
	s.Numbers, s.Codes = resize(s.Numbers, len(b.Numbers)), resize(s.Codes, len(b.Codes))
	for i := range b.Numbers {
		s.Numbers[i], s.Codes[i] = gather(s.Numbers[i], b.Numbers[i], f.order), gather(s.Codes[i], b.Codes[i], f.order)
	}
	s.Violates = gather(s.Violates, b.Violates, f.order)
	s.Answered = gather(s.Answered, b.Answered, f.order)
	s.Class = gather(s.Class, b.Class, f.order)
	s.Score = gather(s.Score, b.Score, f.order)
	return s
}

// gather returns the values in the given order, in the memory of into. Without values the
// result is empty.
func gather[T any](into, values []T, order []int32) []T {
	into = resize(into, len(values))
	if len(values) > 0 {
		for to, from := range order {
			into[to] = values[from]
		}
	}
	return into
}

// resize returns a slice of n elements with any content.
func resize[T any](s []T, n int) []T { return slices.Grow(s[:0], n)[:n] }

// slice returns the records of b from one position to another, without their times. It
// shares memory with b.
func slice(b *predictlog.Batch, from, to int) predictlog.Batch {
	s := predictlog.Batch{Len: to - from, Levels: b.Levels, Numbers: make([][]float64, len(b.Numbers)), Codes: make([][]int32, len(b.Codes))}
	for i := range b.Numbers {
		s.Numbers[i], s.Codes[i] = cut(b.Numbers[i], from, to), cut(b.Codes[i], from, to)
	}
	s.Violates, s.Answered = cut(b.Violates, from, to), cut(b.Answered, from, to)
	s.Class, s.Score = cut(b.Class, from, to), cut(b.Score, from, to)
	return s
}

func cut[T any](s []T, from, to int) []T {
	if len(s) == 0 {
		return nil
	}
	return s[from:to]
}

// count adds a batch of one bucket.
func (f *folder) count(t *Tally, b *predictlog.Batch) error {
	t.Rows += b.Len
	for _, broken := range b.Violates {
		if broken {
			t.Violations++
		}
	}
	if t.Inputs != nil {
		columns := make([]drift.Column, f.schema.Len())
		for i := range columns {
			if c := f.schema.Column(i); c.Kind == predictlog.Numeric {
				columns[i] = drift.Numeric(c.Name, b.Numbers[i])
			} else {
				columns[i] = drift.CategoricalCodes(c.Name, b.Codes[i], b.Levels[i])
			}
		}
		if err := t.Inputs.Add(columns); err != nil {
			return err
		}
	}
	return f.countAnswers(t, b)
}

func (f *folder) countAnswers(t *Tally, b *predictlog.Batch) error {
	class, score, answered := b.Class, b.Score, b.Len
	if slices.Contains(b.Answered, false) {
		class, score = keep(f.class, b.Class, b.Answered), keep(f.score, b.Score, b.Answered)
		f.class, f.score = class, score
		answered = 0
		for _, is := range b.Answered {
			if is {
				answered++
			}
		}
	}
	t.Unanswered += b.Len - answered
	if t.Answers != nil {
		if err := t.Answers.Add(columnsOfAnswers(f.target, class, score)); err != nil {
			return err
		}
	}
	if t.Metrics == nil {
		return nil
	}
	if f.unscored {
		f.score = resize(f.score, answered)
		for i := range f.score {
			f.score[i] = math.NaN()
		}
		score = f.score
	}
	return t.Metrics.Add(columnsOfAnswers(f.target, class, score))
}

// keep returns the values that are marked, in the memory of into.
func keep[T any](into, values []T, marked []bool) []T {
	into = into[:0]
	for i, x := range values {
		if marked[i] {
			into = append(into, x)
		}
	}
	return into
}

// floorDiv divides and rounds down, also below 0; b is above 0.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
