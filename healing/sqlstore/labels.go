package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// Labels implements [labels.Store] and [labels.Pruner], for the labels of all models. Get
// one by [DB.Labels].
type Labels struct{ db *DB }

var (
	_ labels.Store  = (*Labels)(nil)
	_ labels.Pruner = (*Labels)(nil)
)

// Labels returns the truth about the predictions of all models.
func (db *DB) Labels() *Labels { return &Labels{db: db} }

const (
	// lookupIDs is the number of predictions that one query looks up.
	lookupIDs = 1000
	// labelRows is the number of labels that one query of a scan reads.
	labelRows = 2000
)

// Append implements [labels.Store]. Appends wait for each other, so the order of labels is
// the order in which they became visible.
func (s *Labels) Append(ctx context.Context, ls ...labels.Label) error {
	for _, l := range ls {
		if err := l.Check(); err != nil {
			return err
		}
	}
	if len(ls) == 0 {
		return ctx.Err()
	}
	err := s.db.update(ctx, func(ctx context.Context, c conn) error {
		var last int64
		err := c.QueryRowContext(ctx, s.db.text(`UPDATE {label_count} SET n = n + $1 RETURNING n`), len(ls)).Scan(&last)
		if err != nil {
			return err
		}
		// A reader that read while this append waited for others did not see these labels.
		now, fresh := time.Now(), slices.Clone(ls)
		for i := range fresh {
			fresh[i] = fresh[i].Stored(now)
		}
		first := last - int64(len(fresh)) + 1
		if s.db.dialect == postgres {
			return s.insertArrays(ctx, c, first, fresh)
		}
		return s.insertRows(ctx, c, first, fresh)
	})
	if err != nil {
		return fmt.Errorf("sqlstore: append labels: %w", err)
	}
	return nil
}

// valueBits returns the stored form of the value of a label.
func valueBits(l labels.Label) int64 { return int64(math.Float64bits(l.Value)) }

// insertRows inserts labels, numbered upwards from n, one by one.
func (s *Labels) insertRows(ctx context.Context, c conn, n int64, ls []labels.Label) error {
	insert, err := c.PrepareContext(ctx, s.db.text(`INSERT INTO {label} (n, prediction_id, at, arrived, class, value)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (prediction_id, at, class, value) DO NOTHING`))
	if err != nil {
		return err
	}
	defer insert.Close() // there is nothing to learn from its error
	for i, l := range ls {
		if _, err := insert.ExecContext(ctx, n+int64(i), l.PredictionID, micros(l.Time), micros(l.Arrived), l.Class, valueBits(l)); err != nil {
			return err
		}
	}
	return nil
}

// insertArrays inserts labels, numbered upwards from n, many at a time.
func (s *Labels) insertArrays(ctx context.Context, c conn, n int64, ls []labels.Label) error {
	for batch := range slices.Chunk(ls, batchRows) {
		var (
			ns, ats, arrived, values intArray
			ids, classes             textArray
		)
		for _, l := range batch {
			ns.add(n)
			ids.add(l.PredictionID)
			ats.add(micros(l.Time))
			arrived.add(micros(l.Arrived))
			classes.add(l.Class)
			values.add(valueBits(l))
			n++
		}
		_, err := s.db.exec(ctx, c, `INSERT INTO {label} (n, prediction_id, at, arrived, class, value)
			SELECT n, prediction_id, at, arrived, class, value
			FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[])
				AS e(n, prediction_id, at, arrived, class, value)
			ORDER BY n
			ON CONFLICT (prediction_id, at, class, value) DO NOTHING`,
			ns.String(), ids.String(), ats.String(), arrived.String(), classes.String(), values.String())
		if err != nil {
			return err
		}
	}
	return nil
}

// Lookup implements [labels.Store].
func (s *Labels) Lookup(ctx context.Context, predictionIDs ...string) (map[string]labels.Label, error) {
	return s.LookupAsOf(ctx, time.Time{}, predictionIDs...)
}

// LookupAsOf implements [labels.Store]. It asks for 1000 predictions at a time. A zero
// moment is no bound.
func (s *Labels) LookupAsOf(ctx context.Context, arrivedBy time.Time, predictionIDs ...string) (map[string]labels.Label, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	found := make(map[string]labels.Label, len(predictionIDs))
	for ids := range slices.Chunk(predictionIDs, lookupIDs) {
		if err := s.lookup(ctx, arrivedBefore(arrivedBy), ids, found); err != nil {
			return nil, fmt.Errorf("sqlstore: look up labels: %w", err)
		}
	}
	return found, nil
}

// arrivedBefore returns the first stored time that is after arrivedBy.
func arrivedBefore(arrivedBy time.Time) int64 {
	if arrivedBy.IsZero() {
		return maxMicros
	}
	return ceilMicros(arrivedBy.Add(1))
}

// winner returns the end of a query for the winning label of a prediction, among the labels
// that arrived before a parameter.
func winner(id, before string) string {
	return ` WHERE prediction_id = ` + id + ` AND arrived < ` + before + ` ORDER BY at DESC, n DESC LIMIT 1`
}

// lookup adds the winners of some predictions to found.
func (s *Labels) lookup(ctx context.Context, before int64, ids []string, found map[string]labels.Label) error {
	query := `SELECT ids.i, l.at, l.arrived, l.class, l.value
		FROM unnest($2::text[]) WITH ORDINALITY AS ids(id, i)
		CROSS JOIN LATERAL (SELECT at, arrived, class, value FROM {label}` + winner(`ids.id COLLATE "C"`, "$1") + `) AS l`
	var known textArray
	if s.db.dialect == sqlite {
		query = `SELECT ids.key + 1, l.at, l.arrived, l.class, l.value FROM json_each($2) AS ids
			JOIN {label} AS l ON l.n = (SELECT n FROM {label}` + winner("ids.value", "$1") + `)`
	}
	valid := make([]string, 0, len(ids))
	for _, id := range ids {
		if predictlog.CheckID(id) == nil { // no other has a label
			valid = append(valid, id)
			known.add(id)
		}
	}
	list := known.String()
	if s.db.dialect == sqlite {
		// IDs are ASCII, so that JSON quotes them alike.
		text, err := json.Marshal(valid)
		if err != nil {
			return err
		}
		list = string(text)
	}
	return s.db.view(ctx, func(ctx context.Context, c conn) error {
		return s.db.query(ctx, c, func(rows *sql.Rows) error {
			var (
				i int
				l storedLabel
			)
			if err := rows.Scan(&i, &l.at, &l.arrived, &l.class, &l.value); err != nil {
				return err
			}
			found[valid[i-1]] = l.label(valid[i-1])
			return nil
		}, query, before, list)
	})
}

// storedLabel is the stored form of a label.
type storedLabel struct {
	at, arrived, value int64
	class              string
}

func (l storedLabel) label(predictionID string) labels.Label {
	return labels.Label{
		PredictionID: predictionID,
		Class:        l.class,
		Value:        math.Float64frombits(uint64(l.value)),
		Time:         timeOf(l.at),
		Arrived:      timeOf(l.arrived),
	}
}

// Scan implements [labels.Store].
func (s *Labels) Scan(ctx context.Context, q labels.Query) iter.Seq2[labels.Label, error] {
	return func(yield func(labels.Label, error) bool) {
		for after := int64(0); ; {
			page, last, err := s.page(ctx, q, after)
			if err != nil {
				yield(labels.Label{}, fmt.Errorf("sqlstore: scan labels: %w", err))
				return
			}
			for _, l := range page {
				if err := ctx.Err(); err != nil {
					yield(labels.Label{}, fmt.Errorf("sqlstore: scan labels: %w", err))
					return
				}
				if !yield(l, nil) {
					return
				}
			}
			if len(page) == 0 {
				return
			}
			after = last
		}
	}
}

// page reads some labels with a number above after, and returns the last number.
func (s *Labels) page(ctx context.Context, q labels.Query, after int64) (page []labels.Label, last int64, err error) {
	from, to := bounds(q.From, q.To)
	query := `SELECT n, prediction_id, at, arrived, class, value FROM {label}
		WHERE n > $1 AND at >= $2 AND at < $3 AND arrived < $4`
	args := []any{after, from, to, arrivedBefore(q.ArrivedBy), labelRows}
	if q.PredictionID != "" {
		if predictlog.CheckID(q.PredictionID) != nil {
			return nil, 0, ctx.Err()
		}
		query += ` AND prediction_id = $6`
		args = append(args, q.PredictionID)
	}
	err = s.db.view(ctx, func(ctx context.Context, c conn) error {
		page = nil
		return s.db.query(ctx, c, func(rows *sql.Rows) error {
			var (
				id string
				l  storedLabel
			)
			err := rows.Scan(&last, &id, &l.at, &l.arrived, &l.class, &l.value)
			page = append(page, l.label(id))
			return err
		}, query+` ORDER BY n LIMIT $5`, args...)
	})
	return page, last, err
}

// Prune implements [labels.Pruner]: it removes the labels of all predictions whose last label
// arrived before the moment. Prune goes through the labels once, some thousands in each
// transaction, during which nobody appends.
func (s *Labels) Prune(ctx context.Context, arrivedBefore time.Time) error {
	for after := int64(0); ; {
		last, err := s.prune(ctx, after, ceilMicros(arrivedBefore))
		if err != nil {
			return fmt.Errorf("sqlstore: prune labels: %w", err)
		}
		if last == after {
			return nil
		}
		after = last
	}
}

// prune removes labels of the predictions that have one of the next labels after a number,
// and returns the last number that it looked at.
func (s *Labels) prune(ctx context.Context, after, before int64) (last int64, err error) {
	err = s.db.update(ctx, func(ctx context.Context, c conn) error {
		// This locks as an Append does, so that no label is appended in between.
		if _, err := s.db.exec(ctx, c, `UPDATE {label_count} SET n = n`); err != nil {
			return err
		}
		err := c.QueryRowContext(ctx, s.db.text(`SELECT coalesce(max(n), $1) FROM (
			SELECT n FROM {label} WHERE n > $1 ORDER BY n LIMIT $2) AS page`), after, pruneRows).Scan(&last)
		if err != nil || last == after {
			return err
		}
		_, err = s.db.exec(ctx, c, `DELETE FROM {label} WHERE prediction_id IN (
				SELECT prediction_id FROM {label} WHERE n > $1 AND n <= $2
			) AND prediction_id NOT IN (
				SELECT b.prediction_id FROM {label} AS a JOIN {label} AS b ON b.prediction_id = a.prediction_id
				WHERE a.n > $1 AND a.n <= $2 AND b.arrived >= $3
			)`, after, last, before)
		return err
	})
	return last, err
}
