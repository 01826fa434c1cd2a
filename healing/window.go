package healing

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/proxy"
)

// foldAtOnce bounds the buckets that one scan of the store counts, and so the memory of the
// scan.
const foldAtOnce = 72

// span is the window of a pass: the buckets from first to last, up to now.
type span struct {
	first, last int64
	now         time.Time
}

func (m *Monitor) span(now time.Time) span {
	now = now.UTC().Truncate(time.Microsecond)
	return span{
		first: m.number(now.Add(-m.cfg.Window)),
		last:  m.number(now.Add(-time.Microsecond)),
		now:   now,
	}
}

// whole reports whether all buckets of a group are in the span and over.
func (m *Monitor) whole(group int64, s span) bool {
	first, last := group*groupSize, group*groupSize+groupSize-1
	return s.first <= first && last <= s.last && !m.start(last+1).After(s.now)
}

// looks returns when the records of a bucket are read after its end: at the end, and three
// times for late records. After the last time the bucket does not change.
func (m *Monitor) looks(number int64) (at [4]time.Time) {
	end := m.start(number + 1)
	group := m.start((groupOf(number) + 1) * groupSize)
	for i, wait := range [...]time.Duration{0, m.cfg.Lateness / 36, m.cfg.Lateness / 6, m.cfg.Lateness} {
		at[i] = end.Add(wait)
		if wait >= groupSize*m.cfg.Bucket { // the buckets of a group together, which is one scan
			at[i] = group.Add(wait)
		}
	}
	return at
}

// due reports whether the records of a bucket are to be read.
func (m *Monitor) due(k *kept, number int64, now time.Time) bool {
	if k == nil || m.start(number+1).After(now) || k.looked.After(now) { // a look from the future: a clock was wrong
		return true
	}
	looks := m.looks(number)
	return slices.ContainsFunc(looks[:], func(at time.Time) bool { return !at.After(now) && k.looked.Before(at) })
}

// update brings all buckets of the span into memory: those that are kept, and, counted anew,
// those that are not kept or due for another look. update keeps what it counted and returns
// what of the telemetry was damaged.
func (m *Monitor) update(ctx context.Context, v *view, s span) (damaged []string, err error) {
	m.forget(v, s)
	loaded, folded := map[int64]bool{}, map[int64]bool{}
	// There are two rounds because a changed bucket voids the sum of its group, for which the
	// other buckets of the group must then be read.
	for range 2 {
		lacking := s.runs(1<<62, func(n int64) bool { return m.lacking(v, n, loaded) })
		for _, r := range lacking {
			bad, err := m.load(ctx, v, r)
			if err != nil {
				return nil, err
			}
			damaged = append(damaged, bad...)
			r.mark(loaded)
		}
		due := s.runs(foldAtOnce, func(n int64) bool {
			k := v.buckets[n].parts[m.cfg.Replica]
			return k == nil || !folded[n] && m.due(k, n, s.now) // nil again if the telemetry lost it at once
		})
		for _, r := range due {
			if err := m.fold(ctx, v, r, s.now); err != nil {
				return nil, err
			}
			r.mark(folded)
		}
	}
	return damaged, nil
}

// forget drops buckets and groups outside of the span, so that memory does not grow.
func (m *Monitor) forget(v *view, s span) {
	for n := range v.buckets {
		if n < s.first || n > s.last {
			delete(v.buckets, n)
		}
	}
	for g := range v.groups {
		if !m.whole(g, s) {
			delete(v.groups, g)
		}
	}
}

// lacking reports whether a bucket must be read from the telemetry.
func (m *Monitor) lacking(v *view, number int64, loaded map[int64]bool) bool {
	b := v.buckets[number]
	if b == nil || v.stripped(number) {
		return true
	}
	return m.cfg.Replica != "" && !loaded[number] // other replicas may have looked again
}

// stripped reports whether a bucket has neither profiles nor a sum of its group.
func (v *view) stripped(number int64) bool {
	b := v.buckets[number]
	return b != nil && b.slim && v.groups[groupOf(number)] == nil
}

// run is a range of buckets.
type run struct{ first, last int64 }

func (r run) mark(marked map[int64]bool) {
	for n := r.first; n <= r.last; n++ {
		marked[n] = true
	}
}

// runs returns the wanted buckets of the span as runs of at most most buckets.
func (s span) runs(most int64, wanted func(number int64) bool) []run {
	var runs []run
	for n := s.first; n <= s.last; n++ {
		if !wanted(n) {
			continue
		}
		if i := len(runs) - 1; i >= 0 && runs[i].last == n-1 && n-runs[i].first < most {
			runs[i].last = n
			continue
		}
		runs = append(runs, run{n, n})
	}
	return runs
}

// load reads the buckets of a run from the telemetry. A bucket that is not kept is empty in
// memory afterwards.
func (m *Monitor) load(ctx context.Context, v *view, r run) (damaged []string, err error) {
	read := map[int64]*bucket{}
	for n := r.first; n <= r.last; n++ {
		read[n] = &bucket{parts: map[string]*kept{}}
	}
	q := PointQuery{Series: v.series, From: m.start(r.first), To: m.start(r.last + 1)}
	for point, err := range m.parts.Telemetry.Scan(ctx, q) {
		number := m.number(point.Time)
		if k := v.known(number, point); k != nil && err == nil && read[number] != nil {
			read[number].parts[point.Part], read[number].slim = k, v.buckets[number].slim
			continue
		}
		k, err := m.read(v, point, err)
		if errors.Is(err, ErrDamaged) {
			damaged = append(damaged, err.Error())
			continue
		}
		if err != nil {
			return nil, err
		}
		if b := read[number]; k != nil && b != nil {
			b.parts[point.Part] = k
		}
	}
	for n, b := range read {
		m.take(v, n, b)
	}
	return damaged, nil
}

// known returns the part of a bucket in memory if the stored part is the same, else nil.
func (v *view) known(number int64, point Point) *kept {
	b := v.buckets[number]
	if b == nil || v.stripped(number) {
		return nil
	}
	if k := b.parts[point.Part]; k != nil && k.stored == stampOf(point.Data) {
		return k
	}
	return nil
}

// read decodes a point of the view's series. A point that is not the monitor's is nil.
func (m *Monitor) read(v *view, point Point, err error) (*kept, error) {
	if err != nil {
		return nil, err
	}
	if (point.Part == "") != (m.cfg.Replica == "") || !m.start(m.number(point.Time)).Equal(point.Time) {
		return nil, nil
	}
	k, err := v.decode(point.Data)
	if errors.Is(err, errOther) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("series %s, time %s, part %q: %w", point.Series, point.Time.Format(time.RFC3339Nano), point.Part, err)
	}
	return k, nil
}

// take puts a bucket that was read into the view.
func (m *Monitor) take(v *view, number int64, read *bucket) {
	b, group := v.buckets[number], groupOf(number)
	if b != nil && !b.slim && b.parts[m.cfg.Replica] != nil {
		own, stored := b.parts[m.cfg.Replica], read.parts[m.cfg.Replica]
		if stored == nil || !stored.looked.After(own.looked) {
			read.parts[m.cfg.Replica] = own // the counts of this process are as good
		}
	}
	if v.groups[group] != nil {
		if b != nil && b.same(read) {
			for part, k := range read.parts {
				b.parts[part].looked, b.parts[part].stored = k.looked, k.stored
			}
			return
		}
		delete(v.groups, group)
	}
	v.buckets[number] = read
}

// same reports whether both buckets count the same.
func (b *bucket) same(other *bucket) bool {
	if len(b.parts) != len(other.parts) {
		return false
	}
	for part, k := range b.parts {
		if o := other.parts[part]; o == nil || o.content != k.content {
			return false
		}
	}
	return true
}

// fold counts the records of the buckets of a run, and keeps them.
func (m *Monitor) fold(ctx context.Context, v *view, r run, now time.Time) error {
	tallies, err := m.count(ctx, v, r, now)
	if err != nil {
		return err
	}
	counted, points := make([]*kept, len(tallies)), make([]Point, len(tallies))
	for i := range tallies {
		number := r.first + int64(i)
		k := &kept{until: earlier(m.start(number+1), now), looked: now, Tally: tallies[i]}
		data, err := m.codec.encode(k)
		if err != nil {
			return err
		}
		counted[i] = k
		points[i] = Point{Series: v.series, Time: m.start(number), Part: m.cfg.Replica, Data: data}
	}
	if err := m.parts.Telemetry.Put(ctx, points...); err != nil {
		return err
	}
	for i, k := range counted {
		number := r.first + int64(i)
		b := v.buckets[number]
		if own := b.parts[m.cfg.Replica]; b.slim && own != nil && own.content == k.content {
			own.looked, own.stored = k.looked, k.stored
			continue
		}
		b.parts[m.cfg.Replica] = k
		delete(v.groups, groupOf(number)) // if the bucket is slim, it will be read whole
	}
	return nil
}

// count returns the tallies of the buckets of a run.
func (m *Monitor) count(ctx context.Context, v *view, r run, now time.Time) ([]Tally, error) {
	tallies := make([]Tally, r.last-r.first+1)
	for i := range tallies {
		tallies[i] = v.empty()
	}
	q := m.about.query(v.version)
	if profiler, ok := m.parts.Predictions.(Profiler); ok {
		for i := range tallies {
			number := r.first + int64(i)
			q.From, q.To = m.start(number), earlier(m.start(number+1), now)
			if err := profiler.Tally(ctx, q, &tallies[i], !v.metrics.unscored); err != nil {
				return nil, err
			}
		}
		return tallies, nil
	}
	q.From, q.To = m.start(r.first), earlier(m.start(r.last+1), now)
	schema := m.parts.Predictions.Schema()
	f := folder{
		schema:   schema,
		target:   schema.Target(),
		unscored: v.metrics.unscored,
		first:    r.first,
		width:    m.cfg.Bucket,
		tallies:  tallies,
	}
	return tallies, f.read(ctx, m.parts.Predictions, q)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// sum returns the sum of all buckets of the span, which are in memory. sum stores the sums of
// whole groups in place of the profiles of their buckets.
func (m *Monitor) sum(v *view, s span) (Tally, error) {
	total := v.empty()
	for g := groupOf(s.first); g <= groupOf(s.last); g++ {
		whole := m.whole(g, s)
		if group := v.groups[g]; whole && group != nil {
			if err := total.add(group); err != nil {
				return total, err
			}
			continue
		}
		group := v.empty()
		for n := max(g*groupSize, s.first); n <= min(g*groupSize+groupSize-1, s.last); n++ {
			for _, k := range v.buckets[n].parts {
				if err := group.add(&k.Tally); err != nil {
					return total, err
				}
			}
		}
		if err := total.add(&group); err != nil {
			return total, err
		}
		if whole {
			v.groups[g] = &group
			for n := g * groupSize; n < (g+1)*groupSize; n++ {
				v.buckets[n].slimDown()
			}
		}
	}
	return total, nil
}

// answered returns the answers of all buckets of the span.
func (m *Monitor) answered(v *view, s span) ([]proxy.Bucket, error) {
	buckets := make([]proxy.Bucket, 0, s.last-s.first+1)
	for n := s.first; n <= s.last; n++ {
		parts := slices.Collect(maps.Values(v.buckets[n].parts))
		parts = slices.DeleteFunc(parts, func(k *kept) bool { return k.Metrics.Rows() == 0 })
		if len(parts) == 0 && n < s.last { // the last one says where the window ends
			continue
		}
		var profile *drift.Profile
		if len(parts) == 1 {
			profile = parts[0].Metrics
		} else {
			profile = v.metrics.reference.NewProfile()
			for _, k := range parts {
				if err := profile.Merge(k.Metrics); err != nil {
					return nil, err
				}
			}
		}
		buckets = append(buckets, proxy.Bucket{From: m.start(n), To: earlier(m.start(n+1), s.now), Profile: profile})
	}
	return buckets, nil
}
