package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/healing"
)

// telemetry implements [healing.Telemetry].
type telemetry struct{ db *DB }

// Telemetry returns the telemetry of all models. A SHA-256 beside each point finds damage.
func (db *DB) Telemetry() healing.Telemetry { return &telemetry{db: db} }

// sumOf returns the SHA-256 of all of a point.
func sumOf(p healing.Point) []byte {
	head := binary.BigEndian.AppendUint64(nil, uint64(micros(p.Time)))
	head = append(append(head, p.Series...), 0)
	head = append(append(head, p.Part...), 0)
	h := sha256.New()
	h.Write(head)
	h.Write(p.Data)
	return h.Sum(nil)
}

func comparePoints(p, q healing.Point) int {
	return cmp.Or(strings.Compare(p.Series, q.Series), cmp.Compare(micros(p.Time), micros(q.Time)), strings.Compare(p.Part, q.Part))
}

// Put implements [healing.Telemetry]. Among points of one call with the same Series, Time and
// Part the last one counts.
func (t *telemetry) Put(ctx context.Context, points ...healing.Point) error {
	if err := t.put(ctx, points); err != nil {
		return fmt.Errorf("sqlstore: put telemetry: %w", err)
	}
	return nil
}

func (t *telemetry) put(ctx context.Context, points []healing.Point) error {
	for i, p := range points {
		if err := p.Validate(); err != nil {
			return fmt.Errorf("point %d: %w", i, err)
		}
	}
	if len(points) == 0 {
		return ctx.Err()
	}
	// All writers lock the rows in one order, otherwise they would wait for each other.
	sorted := slices.Clone(points)
	slices.Reverse(sorted)
	slices.SortStableFunc(sorted, comparePoints)
	sorted = slices.CompactFunc(sorted, func(p, q healing.Point) bool { return comparePoints(p, q) == 0 })
	return t.db.update(ctx, func(ctx context.Context, c conn) error {
		for _, p := range sorted {
			data := p.Data
			if data == nil {
				data = []byte{} // nil would be NULL
			}
			_, err := t.db.exec(ctx, c, `INSERT INTO {point} (series, at, part, data, sum) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (series, at, part) DO UPDATE SET data = excluded.data, sum = excluded.sum`,
				p.Series, micros(p.Time), p.Part, data, sumOf(p))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Scan implements [healing.Telemetry]. A query with Last holds its points in memory.
func (t *telemetry) Scan(ctx context.Context, q healing.PointQuery) iter.Seq2[healing.Point, error] {
	return func(yield func(healing.Point, error) bool) {
		scan := t.forward
		if q.Last > 0 {
			scan = t.last
		}
		for p, err := range scan(ctx, q) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(healing.Point{}, fmt.Errorf("sqlstore: scan telemetry: %w", err))
				return
			}
			if !p.whole {
				err = fmt.Errorf("sqlstore: %w: series %q, %s, part %q", healing.ErrDamaged, p.Series, p.Time.Format(time.RFC3339Nano), p.Part)
				p.Data = nil
			}
			if !yield(p.Point, err) {
				return
			}
		}
	}
}

type storedPoint struct {
	healing.Point
	whole bool // the sum matches
}

// forward yields the points that q matches without its Last.
func (t *telemetry) forward(ctx context.Context, q healing.PointQuery) iter.Seq2[storedPoint, error] {
	return func(yield func(storedPoint, error) bool) {
		from, end := bounds(q.From, q.To)
		place := healing.Point{Series: q.Series, Time: timeOf(from)}
		for where := `(at, part) >= ($2, $3) AND at < $4`; ; where = `(at, part) > ($2, $3) AND at < $4` {
			page, err := t.page(ctx, where, `at, part`, place, end, pageRows)
			if err != nil {
				yield(storedPoint{}, err)
				return
			}
			if len(page) == 0 {
				return
			}
			for _, p := range page {
				if !yield(p, nil) {
					return
				}
			}
			place = page[len(page)-1].Point
		}
	}
}

// last yields the latest points that q matches: q.Last undamaged ones, and the damaged ones
// among them.
func (t *telemetry) last(ctx context.Context, q healing.PointQuery) iter.Seq2[storedPoint, error] {
	return func(yield func(storedPoint, error) bool) {
		var (
			from, end = bounds(q.From, q.To)
			place     = healing.Point{Series: q.Series, Time: timeOf(end)}
			found     []storedPoint // the latest first
		)
		for left := q.Last; left > 0; {
			page, err := t.page(ctx, `(at, part) < ($2, $3) AND at >= $4`, `at DESC, part DESC`, place, from, min(left, pageRows))
			if err != nil {
				yield(storedPoint{}, err)
				return
			}
			if len(page) == 0 {
				break
			}
			for _, p := range page {
				if p.whole {
					left--
				}
			}
			found = append(found, page...)
			place = page[len(page)-1].Point
		}
		for _, p := range slices.Backward(found) {
			if !yield(p, nil) {
				return
			}
		}
	}
}

// page reads some points of a series, none if there are none. A condition with a place and a
// bound selects them, in an order.
func (t *telemetry) page(ctx context.Context, where, order string, place healing.Point, bound int64, limit int) (page []storedPoint, err error) {
	if err := checkName("series", place.Series); err != nil {
		return nil, err
	}
	query := `SELECT at, part, data, sum FROM (
			SELECT at, part, data, sum, sum(length(data)) OVER (ORDER BY ` + order + `) - length(data) AS before
			FROM (SELECT at, part, data, sum FROM {point}
				WHERE series = $1 AND ` + where + ` ORDER BY ` + order + ` LIMIT $5) AS page
		) AS page WHERE before < $6 ORDER BY ` + order
	err = t.db.view(ctx, func(ctx context.Context, c conn) error {
		page = nil
		return t.db.query(ctx, c, func(rows *sql.Rows) error {
			var (
				p   = storedPoint{Point: healing.Point{Series: place.Series}}
				at  int64
				sum []byte
			)
			err := rows.Scan(&at, &p.Part, &p.Data, &sum)
			p.Time = timeOf(at)
			p.whole = bytes.Equal(sum, sumOf(p.Point))
			page = append(page, p)
			return err
		}, query, place.Series, micros(place.Time), place.Part, bound, limit, pageBytes)
	})
	return page, err
}

// Prune implements [healing.Telemetry]: all points before the time are removed.
func (t *telemetry) Prune(ctx context.Context, before time.Time) error {
	for series, err := range t.db.keys(ctx, "{point}", "series") {
		if err == nil {
			err = t.db.prune(ctx, `DELETE FROM {point} WHERE series = $1 AND (at, part)`,
				`SELECT at, part FROM {point} WHERE series = $1 AND at < $2 ORDER BY at, part`, pruneRows,
				series, ceilMicros(before))
		}
		if err != nil {
			return fmt.Errorf("sqlstore: prune telemetry: %w", err)
		}
	}
	return nil
}
