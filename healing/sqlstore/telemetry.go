package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/healing"
)

// telemetry implements [healing.Telemetry].
type telemetry struct{ db *DB }

// Telemetry returns what monitors measured, of all models. Damage to a point is found by a
// SHA-256 that is kept beside it.
func (db *DB) Telemetry() healing.Telemetry { return &telemetry{db: db} }

const maxPointBytes = 16 << 20

// checkPoint returns what is wrong with a point.
func checkPoint(p healing.Point) error {
	err := checkName("series", p.Series)
	if p.Part != "" {
		err = errors.Join(err, checkName("part", p.Part))
	}
	if y := p.Time.UTC().Year(); y < 1 || y > 9999 {
		err = errors.Join(err, fmt.Errorf("time: year %d, want 1 to 9999", y))
	}
	if len(p.Data) > maxPointBytes {
		err = errors.Join(err, fmt.Errorf("data of %d bytes, want at most %d", len(p.Data), maxPointBytes))
	}
	return err
}

// sumOf covers all of a point.
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

// Put implements [healing.Telemetry]. Of points of one call with the same Series, Time and
// Part the last one counts.
func (t *telemetry) Put(ctx context.Context, points ...healing.Point) error {
	if err := t.put(ctx, points); err != nil {
		return fmt.Errorf("sqlstore: put telemetry: %w", err)
	}
	return nil
}

func (t *telemetry) put(ctx context.Context, points []healing.Point) error {
	for i, p := range points {
		if err := checkPoint(p); err != nil {
			return fmt.Errorf("point %d: %w", i, err)
		}
	}
	if len(points) == 0 {
		return ctx.Err()
	}
	// All writers take the rows in one order, or they would wait for each other.
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

// Scan implements [healing.Telemetry].
func (t *telemetry) Scan(ctx context.Context, q healing.PointQuery) iter.Seq2[healing.Point, error] {
	return func(yield func(healing.Point, error) bool) {
		fail := func(err error) { yield(healing.Point{}, fmt.Errorf("sqlstore: scan telemetry: %w", err)) }
		from, end := bounds(q.From, q.To)
		last, err := t.start(ctx, q, from, end)
		if err != nil {
			fail(err)
			return
		}
		for inclusive := true; ; inclusive = false {
			page, err := t.page(ctx, last, end, inclusive)
			if err != nil {
				fail(err)
				return
			}
			if len(page) == 0 {
				return
			}
			for _, p := range page {
				if err := ctx.Err(); err != nil {
					fail(err)
					return
				}
				var err error
				if !p.whole {
					err = fmt.Errorf("sqlstore: %w: series %q, %s, part %q", healing.ErrDamaged, p.Series, p.Time.Format(time.RFC3339Nano), p.Part)
					p.Data = nil
				}
				if !yield(p.Point, err) {
					return
				}
			}
			last = page[len(page)-1].Point
		}
	}
}

// start returns the place at which a scan begins: a point that need not be there, and
// that is the first to be yielded if it is.
func (t *telemetry) start(ctx context.Context, q healing.PointQuery, from, end int64) (healing.Point, error) {
	first := healing.Point{Series: q.Series, Time: timeOf(from)}
	if err := checkName("series", q.Series); err != nil {
		return first, err
	}
	if q.Last <= 0 {
		return first, nil
	}
	err := t.db.view(ctx, func(ctx context.Context, c conn) error {
		var at int64
		err := c.QueryRowContext(ctx, t.db.text(`SELECT at, part FROM {point} WHERE series = $1 AND at >= $2 AND at < $3
			ORDER BY at DESC, part DESC LIMIT 1 OFFSET $4`), q.Series, from, end, q.Last-1).Scan(&at, &first.Part)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // there are fewer
		}
		first.Time = timeOf(at)
		return err
	})
	return first, err
}

type storedPoint struct {
	healing.Point
	whole bool // the sum matches
}

// page reads some points from a place on, or after it, none if there are none.
func (t *telemetry) page(ctx context.Context, last healing.Point, end int64, inclusive bool) (page []storedPoint, err error) {
	op := ">"
	if inclusive {
		op = ">="
	}
	query := `SELECT at, part, data, sum FROM (
			SELECT at, part, data, sum, sum(length(data)) OVER (ORDER BY at, part) - length(data) AS before
			FROM (SELECT at, part, data, sum FROM {point}
				WHERE series = $1 AND (at, part) ` + op + ` ($2, $3) AND at < $4 ORDER BY at, part LIMIT $5) AS page
		) AS page WHERE before < $6 ORDER BY at, part`
	err = t.db.view(ctx, func(ctx context.Context, c conn) error {
		page = nil
		return t.db.query(ctx, c, func(rows *sql.Rows) error {
			var (
				p   = storedPoint{Point: healing.Point{Series: last.Series}}
				at  int64
				sum []byte
			)
			err := rows.Scan(&at, &p.Part, &p.Data, &sum)
			p.Time = timeOf(at)
			p.whole = bytes.Equal(sum, sumOf(p.Point))
			page = append(page, p)
			return err
		}, query, last.Series, micros(last.Time), last.Part, end, pageRows, pageBytes)
	})
	return page, err
}

// Prune implements [healing.Telemetry]: all points before the time are removed.
func (t *telemetry) Prune(ctx context.Context, before time.Time) error {
	for series, err := range t.db.keys(ctx, "{point}", "series") {
		if err == nil {
			err = t.db.prune(ctx, `DELETE FROM {point} WHERE series = $1 AND (at, part) IN (
				SELECT at, part FROM {point} WHERE series = $1 AND at < $2 ORDER BY at, part LIMIT $3)`,
				series, ceilMicros(before), pruneRows)
		}
		if err != nil {
			return fmt.Errorf("sqlstore: prune telemetry: %w", err)
		}
	}
	return nil
}
