package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// Predictions implements [predictlog.Store], [predictlog.Pruner] and [labels.Joiner], for the
// records of all models. [DB.Predictions] returns it.
//
// An ID is unique among all records, whatever their time and model: a record with a taken ID
// and other content is a [*predictlog.DuplicateError]. A scan that names a model reads only
// the records of that model and yields them in the order of time. A scan without a model goes
// through one model after the other.
type Predictions struct {
	db     *DB
	schema *predictlog.Schema
	// codec knows the schemas that were in the database at the last look.
	codec atomic.Pointer[predictlog.Codec]
}

var (
	_ predictlog.Store  = (*Predictions)(nil)
	_ predictlog.Pruner = (*Predictions)(nil)
	_ labels.Joiner     = (*Predictions)(nil)
)

// Predictions returns the store of predictions. It yields the records of every schema in the
// database, as records of the schema given to [Open].
func (db *DB) Predictions() *Predictions { return db.predictions }

func newPredictions(ctx context.Context, db *DB, schema *predictlog.Schema) (*Predictions, error) {
	body, err := json.Marshal(schema)
	if err != nil {
		return nil, err
	}
	p := &Predictions{db: db, schema: schema}
	// A user who finds the schema needs no right to write.
	var known int
	err = db.view(ctx, func(ctx context.Context, c conn) error {
		return c.QueryRowContext(ctx, db.text(`SELECT count(*) FROM {schema} WHERE fingerprint = $1`), schema.Fingerprint()).Scan(&known)
	})
	if err != nil {
		return nil, err
	}
	if known > 0 {
		return p, p.learn(ctx)
	}
	err = db.update(ctx, func(ctx context.Context, c conn) error {
		_, err := db.exec(ctx, c, `INSERT INTO {schema} (fingerprint, body) VALUES ($1, $2)
			ON CONFLICT (fingerprint) DO NOTHING`, schema.Fingerprint(), body)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, p.learn(ctx)
}

// Schema implements [predictlog.Store].
func (p *Predictions) Schema() *predictlog.Schema { return p.schema }

// learn reads the schemas in the database.
func (p *Predictions) learn(ctx context.Context) error {
	var bodies [][]byte
	err := p.db.view(ctx, func(ctx context.Context, c conn) error {
		bodies = nil
		return p.db.query(ctx, c, func(rows *sql.Rows) error {
			var body []byte
			err := rows.Scan(&body)
			bodies = append(bodies, body)
			return err
		}, `SELECT body FROM {schema} ORDER BY fingerprint`)
	})
	if err != nil {
		return err
	}
	var others []*predictlog.Schema
	for _, body := range bodies {
		other := new(predictlog.Schema)
		if err := json.Unmarshal(body, other); err != nil {
			return err
		}
		others = append(others, other)
	}
	p.codec.Store(predictlog.NewCodec(p.schema, others...))
	return nil
}

const (
	// batchRows and batchBytes bound what one statement stores, unless a single row is
	// larger.
	batchRows, batchBytes = 4096, 4 << 20
)

// encoded is the stored form of a record.
type encoded struct {
	*predictlog.Record
	body []byte
}

// Append implements [predictlog.Store].
func (p *Predictions) Append(ctx context.Context, records ...predictlog.Record) error {
	rows, err := p.encode(records)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return ctx.Err()
	}
	insert := func() error {
		return p.db.update(ctx, func(ctx context.Context, c conn) error {
			if p.db.dialect == postgres {
				return p.insertArrays(ctx, c, rows)
			}
			return p.insertRows(ctx, c, rows)
		})
	}
	if err = insert(); errors.Is(err, predictlog.ErrUnknownSchema) {
		// The record was compared with a record that another process wrote under a newer
		// schema.
		if err = p.learn(ctx); err == nil {
			err = insert()
		}
	}
	if taken := (*predictlog.DuplicateError)(nil); errors.As(err, &taken) {
		return taken
	}
	if err != nil {
		return fmt.Errorf("sqlstore: append predictions: %w", err)
	}
	return nil
}

// encode returns the records in the order of their IDs, each once. All writers lock the rows
// in one order, otherwise they would wait for each other.
func (p *Predictions) encode(records []predictlog.Record) ([]encoded, error) {
	var (
		codec = p.codec.Load()
		rows  = make([]encoded, len(records))
		ends  = make([]int, len(records))
		all   []byte
		err   error
	)
	for i := range records {
		if all, err = codec.AppendRecord(all, records[i]); err != nil {
			return nil, err
		}
		if i == 0 { // most records are about as long as the first
			all = slices.Grow(all, len(all)*len(records))
		}
		ends[i] = len(all)
	}
	start := 0
	for i, end := range ends {
		rows[i] = encoded{&records[i], all[start:end:end]}
		start = end
	}
	slices.SortStableFunc(rows, func(a, b encoded) int { return strings.Compare(a.ID, b.ID) })
	for i := 1; i < len(rows); i++ {
		if rows[i].ID == rows[i-1].ID && !bytes.Equal(rows[i].body, rows[i-1].body) {
			return nil, &predictlog.DuplicateError{ID: rows[i].ID}
		}
	}
	return slices.CompactFunc(rows, func(a, b encoded) bool { return a.ID == b.ID }), nil
}

// insertRows inserts rows one by one.
func (p *Predictions) insertRows(ctx context.Context, c conn, rows []encoded) error {
	insert, err := c.PrepareContext(ctx, p.db.text(`INSERT INTO {prediction} (id, at, model, version, body)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING`))
	if err != nil {
		return err
	}
	defer insert.Close() // there is nothing to learn from its error
	for _, r := range rows {
		result, err := insert.ExecContext(ctx, r.ID, micros(r.Time), r.Model, r.Version, r.body)
		if err != nil {
			return err
		}
		inserted, err := result.RowsAffected()
		if err != nil {
			return err
		}
		if inserted == 0 {
			var stored []byte
			err := c.QueryRowContext(ctx, p.db.text(`SELECT body FROM {prediction} WHERE id = $1`), r.ID).Scan(&stored)
			if err != nil {
				return err
			}
			if err := p.compare(r, stored); err != nil {
				return err
			}
		}
	}
	return nil
}

// insertArrays inserts rows many at a time.
func (p *Predictions) insertArrays(ctx context.Context, c conn, rows []encoded) error {
	for len(rows) > 0 {
		var (
			ids, models, versions textArray
			ats                   intArray
			bodies                slab
			n                     int
		)
		bodies.bytes = make([]byte, 0, min(len(rows)*len(rows[0].body), batchBytes))
		for n < len(rows) && n < batchRows && (n == 0 || len(bodies.bytes)+len(rows[n].body) <= batchBytes) {
			r := rows[n]
			ids.add(r.ID)
			ats.add(micros(r.Time))
			models.add(r.Model)
			versions.add(r.Version)
			bodies.add(r.body)
			n++
		}
		idList := ids.String()
		inserted, err := p.db.exec(ctx, c, `INSERT INTO {prediction} (id, at, model, version, body)
			SELECT id, at, model, version, substring($7::bytea FROM start FOR size)
			FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::int[], $6::int[])
				AS e(id, at, model, version, start, size)
			ON CONFLICT (id) DO NOTHING`, idList, ats.String(), models.String(), versions.String(),
			bodies.start.String(), bodies.count.String(), bodies.bytes)
		if err != nil {
			return err
		}
		if inserted < int64(n) {
			if err := p.compareAll(ctx, c, rows[:n], idList); err != nil {
				return err
			}
		}
		rows = rows[n:]
	}
	return nil
}

// compareAll compares rows with the stored rows of their IDs. It must be a separate
// statement: the insert does not see the rows of a transaction that was committed while the
// insert waited for it.
func (p *Predictions) compareAll(ctx context.Context, c conn, rows []encoded, ids string) error {
	stored := make(map[string][]byte, len(rows))
	err := p.db.query(ctx, c, func(rows *sql.Rows) error {
		var (
			id   string
			body []byte
		)
		err := rows.Scan(&id, &body)
		stored[id] = body
		return err
	}, `SELECT id, body FROM {prediction} WHERE id = ANY($1::text[] COLLATE "C")`, ids)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := p.compare(r, stored[r.ID]); err != nil {
			return err
		}
	}
	return nil
}

// compare returns a [*predictlog.DuplicateError] if the stored record is another one.
func (p *Predictions) compare(r encoded, stored []byte) error {
	if stored == nil {
		return errAgain
	}
	if bytes.Equal(r.body, stored) {
		return nil
	}
	// Encodings under two schemas differ even if the records do not.
	other, err := p.codec.Load().Decode(stored)
	if err != nil {
		return fmt.Errorf("record %q: %w", r.ID, err)
	}
	if !other.Equal(*r.Record) {
		return &predictlog.DuplicateError{ID: r.ID}
	}
	return nil
}

// Prune implements [predictlog.Pruner]: all records before the time are removed.
func (p *Predictions) Prune(ctx context.Context, before time.Time) error {
	for model, err := range p.models(ctx, "") {
		if err == nil {
			err = p.db.prune(ctx, `DELETE FROM {prediction} WHERE id`,
				`SELECT id FROM {prediction} WHERE model = $1 AND at < $2 ORDER BY at, id`, pruneRows,
				model, ceilMicros(before))
		}
		if err != nil {
			return fmt.Errorf("sqlstore: prune predictions: %w", err)
		}
	}
	return nil
}

// models yields the model, or, if it is "", the models of all records.
func (p *Predictions) models(ctx context.Context, model string) iter.Seq2[string, error] {
	if model == "" {
		return p.db.keys(ctx, "{prediction}", "model")
	}
	return func(yield func(string, error) bool) { yield(model, nil) }
}
