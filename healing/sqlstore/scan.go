package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// A page of records has at most firstPage rows and, once their size is known, about
// scanBytes.
const (
	firstPage, minPage, maxPage = 256, 16, 4096
	scanBytes                   = 1 << 20
)

// joined is a record with its label, if one was found.
type joined struct {
	predictlog.Record
	label    storedLabel
	labelled bool
}

// scan reads records page by page. A page is read to its end before it is used, so no
// connection is held meanwhile.
type scan struct {
	p     *Predictions
	query string
	args  []any // after those that every page sets
	read  func(*sql.Rows, *sql.RawBytes, *joined) error
	limit int
	page  []joined // of the last call of next
}

// Scan implements [predictlog.Store].
func (p *Predictions) Scan(ctx context.Context, q predictlog.Query) iter.Seq2[predictlog.Record, error] {
	return func(yield func(predictlog.Record, error) bool) {
		s := scan{p: p, query: recordPage, limit: firstPage}
		s.read = func(rows *sql.Rows, body *sql.RawBytes, _ *joined) error { return rows.Scan(body) }
		for r, err := range s.all(ctx, q) {
			if err != nil {
				yield(predictlog.Record{}, fmt.Errorf("sqlstore: scan predictions: %w", err))
				return
			}
			if !yield(r.Record, nil) {
				return
			}
		}
	}
}

// recordPage reads the records of a model after a place, in the order of their times and IDs.
// Joins use its column names too.
const recordPage = `SELECT body FROM {prediction}
	WHERE model = $1 AND (at, id) > ($2, $3) AND at < $4 AND ($5 = '' OR version = $5)
	ORDER BY at, id LIMIT $6`

// JoinLabels implements [labels.Joiner], for the labels of the same [DB]. One query reads
// a page of records and their labels.
func (p *Predictions) JoinLabels(store labels.Store, q predictlog.Query, arrivedBy time.Time) (func(context.Context) iter.Seq2[labels.Example, error], bool) {
	beside, ok := store.(*Labels)
	if !ok || beside.db.sql != p.db.sql || beside.db.prefix != p.db.prefix {
		return nil, false
	}
	return func(ctx context.Context) iter.Seq2[labels.Example, error] {
		return func(yield func(labels.Example, error) bool) {
			s := scan{p: p, query: p.db.joinPage(), args: []any{arrivedBefore(arrivedBy)}, limit: firstPage}
			s.read = readJoined
			for r, err := range s.all(ctx, q) {
				if err != nil {
					yield(labels.Example{}, fmt.Errorf("sqlstore: join: %w", err))
					return
				}
				e := labels.Example{Record: r.Record, Labelled: r.labelled}
				if r.labelled {
					e.Label = r.label.label(r.ID)
				}
				if !yield(e, nil) {
					return
				}
			}
		}
	}, true
}

// joinPage returns a query that reads the same as recordPage, each record with its winning
// label.
func (db *DB) joinPage() string {
	page := strings.Replace(recordPage, "SELECT body", "SELECT at, id, body", 1)
	if db.dialect == sqlite {
		return `SELECT p.body, l.at, l.arrived, l.class, l.value FROM (` + page + `) AS p
			LEFT JOIN {label} AS l ON l.n = (SELECT n FROM {label}` + winner("p.id", "$7") + `)
			ORDER BY p.at, p.id`
	}
	return `SELECT p.body, l.at, l.arrived, l.class, l.value FROM (` + page + `) AS p
		LEFT JOIN LATERAL (SELECT at, arrived, class, value FROM {label}` + winner("p.id", "$7") + `) AS l ON true
		ORDER BY p.at, p.id`
}

func readJoined(rows *sql.Rows, body *sql.RawBytes, r *joined) error {
	var (
		at, arrived, value sql.NullInt64
		class              sql.NullString
	)
	err := rows.Scan(body, &at, &arrived, &class, &value)
	r.labelled = at.Valid
	r.label = storedLabel{at: at.Int64, arrived: arrived.Int64, value: value.Int64, class: class.String}
	return err
}

// all yields the records that q matches.
func (s *scan) all(ctx context.Context, q predictlog.Query) iter.Seq2[*joined, error] {
	return func(yield func(*joined, error) bool) {
		if !isText(q.Model) || !isText(q.Version) { // no record has such
			if err := ctx.Err(); err != nil {
				yield(nil, err)
			}
			return
		}
		for model, err := range s.p.models(ctx, q.Model) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !s.model(ctx, q, model, yield) {
				return
			}
		}
	}
}

// cursor is a place in the order of a model's records.
type cursor struct {
	at int64
	id string
}

func cursorAt(r *joined) cursor { return cursor{micros(r.Time), r.ID} }

func (c cursor) compare(d cursor) int {
	return cmp.Or(cmp.Compare(c.at, d.at), strings.Compare(c.id, d.id))
}

// model yields the records of a model that q matches, and reports whether to go on.
func (s *scan) model(ctx context.Context, q predictlog.Query, model string, yield func(*joined, error) bool) bool {
	from, end := bounds(q.From, q.To)
	after := cursor{at: from} // no ID is empty
	for {
		limit := s.limit
		if err := s.next(ctx, model, after, end, q.Version); err != nil {
			yield(nil, err)
			return false
		}
		for i := range s.page {
			r := &s.page[i]
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return false
			}
			if q.Matches(r.Record) && !yield(r, nil) {
				return false
			}
		}
		if len(s.page) < limit {
			return true
		}
		// The place is taken from the body. If the columns say otherwise, something changed
		// them, and a scan might go round in a circle.
		last := cursorAt(&s.page[limit-1])
		if last.compare(after) <= 0 {
			yield(nil, fmt.Errorf("%w: record %q is not where it was stored", predictlog.ErrDamagedRecord, last.id))
			return false
		}
		after = last
	}
}

// next reads the page after a place.
func (s *scan) next(ctx context.Context, model string, after cursor, end int64, version string) error {
	err := s.try(ctx, model, after, end, version)
	if !errors.Is(err, predictlog.ErrUnknownSchema) {
		return err
	}
	// Another process appended records of a newer schema.
	if err := s.p.learn(ctx); err != nil {
		return err
	}
	return s.try(ctx, model, after, end, version)
}

func (s *scan) try(ctx context.Context, model string, after cursor, end int64, version string) error {
	var (
		db     = s.p.db
		codec  = s.p.codec.Load()
		body   sql.RawBytes
		length int
	)
	err := db.view(ctx, func(ctx context.Context, c conn) error {
		s.page, length = s.page[:0], 0
		return db.query(ctx, c, func(rows *sql.Rows) error {
			var r joined
			if err := s.read(rows, &body, &r); err != nil {
				return err
			}
			record, err := codec.Decode(body)
			if err != nil {
				return fmt.Errorf("record number %d after %q: %w", len(s.page)+1, after.id, err)
			}
			r.Record = record
			length += len(body)
			s.page = append(s.page, r)
			return nil
		}, s.query, append([]any{model, after.at, after.id, end, version, s.limit}, s.args...)...)
	})
	if err == nil && len(s.page) == s.limit {
		s.limit = min(max(minPage, scanBytes/(length/len(s.page)+1)), maxPage)
	}
	return err
}
