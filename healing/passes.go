package healing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// keepPasses is how many passes are kept at hand: two days of one every 5 minutes.
const keepPasses = 600

// passes holds the latest passes of all processes that this process knows, in order of time.
// Loop.mu guards it.
type passes struct {
	list []Pass
	// read is the time of the latest known pass when the telemetry was last read. Later
	// passes of other processes are not known.
	read time.Time
	// damage says which stored passes cannot be read, "" if all can.
	damage string
}

// add adds a pass, in the place of a pass in the same slot.
func (p *passes) add(pass Pass, slot func(time.Time) time.Time) {
	i, found := slices.BinarySearchFunc(p.list, slot(pass.Time), func(q Pass, t time.Time) int { return slot(q.Time).Compare(t) })
	if found {
		p.list[i] = pass
		return
	}
	p.list = keepLast(slices.Insert(p.list, i, pass), keepPasses)
}

// cut drops the passes after a time: the clock that wrote them was wrong.
func (p *passes) cut(after time.Time) {
	p.list = slices.DeleteFunc(p.list, func(q Pass) bool { return q.Time.After(after) })
}

// in reports whether there is a pass in the slot.
func (p *passes) in(start time.Time, slot func(time.Time) time.Time) bool {
	_, found := slices.BinarySearchFunc(p.list, start, func(q Pass, t time.Time) int { return slot(q.Time).Compare(t) })
	return found
}

// last returns the latest pass, the zero Pass if there is none.
func (p *passes) last() Pass {
	if n := len(p.list); n > 0 {
		return p.list[n-1]
	}
	return Pass{}
}

// drifted counts the latest passes in a row, after a time, that reported drift, and returns
// the last of these. Skipped passes do not count and do not end the row.
func (p *passes) drifted(after time.Time) (n int, last Pass) {
	for _, pass := range slices.Backward(p.list) {
		switch {
		case !pass.Time.After(after):
			return n, last
		case pass.Drifted():
			if n++; n == 1 {
				last = pass
			}
		case pass.Skipped == "":
			return n, last
		}
	}
	return n, last
}

// slot returns the beginning of the monitoring interval that contains a time. At most one
// pass of a slot is kept, whichever process made it.
func (l *Loop) slot(t time.Time) time.Time { return t.UTC().Truncate(l.cfg.Monitor.Every) }

// readPasses reads the passes that this process does not know, up to a time, or all if the
// time is zero. Later passes are dropped: a clock was wrong.
func (l *Loop) readPasses(ctx context.Context, to time.Time) error {
	now := to
	l.mu.Lock()
	latest := l.passes.last().Time
	if !to.IsZero() {
		l.passes.cut(to)
		to = to.Add(1) // a query ends before its To
	}
	from := l.slot(earlier(l.passes.read, l.passes.last().Time))
	l.mu.Unlock()
	if !now.IsZero() && latest.After(now) {
		l.cfg.Logger.WarnContext(ctx, "the latest pass is from the future: a clock is wrong", "latest", latest, "now", now)
	}
	found, damaged, err := latestPasses(ctx, l.telemetry, PointQuery{Series: passSeries(l.parts.subject()), From: from, To: to, Last: keepPasses})
	if err != nil {
		return fmt.Errorf("healing: telemetry: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if damaged != nil {
		l.passes.damage = damaged.Error()
	}
	for _, p := range found {
		l.passes.add(p, l.slot)
	}
	l.passes.read = l.passes.last().Time
	return nil
}

// Pass does a monitor pass at the time now, due or not, records it and returns it.
func (l *Loop) Pass(ctx context.Context, now time.Time) (Pass, error) {
	l.working.Lock()
	defer l.working.Unlock()
	return l.pass(ctx, now)
}

// passIfDue does a pass unless there is one in the slot of now. A process that cannot read
// the passes of others decides by its own.
func (l *Loop) passIfDue(ctx context.Context, now time.Time) error {
	errRead := l.readPasses(ctx, now)
	l.mu.Lock()
	done := l.passes.in(l.slot(now), l.slot)
	l.mu.Unlock()
	if done {
		return errRead
	}
	_, err := l.pass(ctx, now)
	return errors.Join(errRead, err)
}

func (l *Loop) pass(ctx context.Context, now time.Time) (Pass, error) {
	p, err := l.monitor.Pass(ctx, now)
	if err != nil {
		return Pass{}, err
	}
	err = putPass(ctx, l.telemetry, l.parts.subject(), l.slot(now), p)
	if err != nil {
		err = fmt.Errorf("healing: telemetry: %w", err)
	}
	err = errors.Join(err, l.observe(ctx, l.slot(now), p))
	l.telling <- struct{}{} // also if ctx is over: the pass is done
	defer l.telling.unlock()
	l.mu.Lock()
	l.passes.add(p, l.slot)
	if p.Report != nil {
		l.lastReport, l.lastAnswer = p.Report, p.AnswersReport
	}
	l.mu.Unlock()
	l.cfg.Logger.InfoContext(ctx, "monitor pass", "version", p.Version, "samples", p.Samples, "verdict", p.Verdict())
	if l.cfg.Hooks.Pass != nil {
		l.cfg.Hooks.Pass(p)
	}
	return p, err
}

// passSeries is the series of the passes of a model.
func passSeries(about subject) string { return about.series("passes") }

// putPass stores a pass as the pass of a slot.
func putPass(ctx context.Context, t Telemetry, about subject, slot time.Time, p Pass) error {
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return t.Put(ctx, Point{Series: passSeries(about), Time: slot, Data: data})
}

// latestPasses returns the passes that q selects, in order, and an error about the passes
// that cannot be read.
func latestPasses(ctx context.Context, t Telemetry, q PointQuery) (found []Pass, damaged, err error) {
	for point, err := range t.Scan(ctx, q) {
		var p Pass
		switch {
		case errors.Is(err, ErrDamaged):
			damaged = errors.Join(damaged, err)
			continue
		case err != nil:
			return nil, nil, err
		}
		if err := json.Unmarshal(point.Data, &p); err != nil {
			damaged = errors.Join(damaged, fmt.Errorf("%w: pass of %s: %w", ErrDamaged, point.Time.Format(time.RFC3339), err))
			continue
		}
		found = append(found, p)
	}
	return found, damaged, nil
}
