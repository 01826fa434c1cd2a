package csvlabels

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
)

// Prune implements [labels.Pruner] and removes all that it may. It writes the rest to a file
// of the same name with ".new" added, which then replaces the file. Every other call, of any
// process, waits meanwhile, and then reads the new file. So Prune costs about as much as
// Open, in every process, and for a moment the memory of two indexes; once a day is often
// enough. If there is nothing to remove the file stays. An interrupted Prune leaves the file
// unchanged or pruned.
//
// Prune is an error on an operating system that does not replace open files, such as Windows.
func (s *Store) Prune(ctx context.Context, arrivedBefore time.Time) error {
	err := s.do(ctx, func(t *table) error { return t.prune(ctx, arrivedBefore) })
	if err != nil {
		return fmt.Errorf("csvlabels: prune: %w", err)
	}
	return nil
}

func (t *table) prune(ctx context.Context, arrivedBefore time.Time) (err error) {
	tx, err := t.file.Begin(ctx, t.observe)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	removable, err := t.copyYoung(ctx, tx, io.Discard, arrivedBefore)
	if err != nil || removable == 0 {
		return err
	}
	return tx.Replace(func(w io.Writer) error {
		_, err := t.copyYoung(ctx, tx, w, arrivedBefore)
		return err
	})
}

// copyYoung writes the header and the records that must stay, unchanged, and returns the
// number of the other records.
func (t *table) copyYoung(ctx context.Context, tx *appendfile.Tx, w io.Writer, arrivedBefore time.Time) (others int, err error) {
	d := decoder{path: t.path}
	records := newRecords(io.NewSectionReader(tx, 0, tx.Size()))
	for records.Scan() {
		if err := ctx.Err(); err != nil {
			return others, err
		}
		l, ok, err := d.decode(records.Bytes())
		if err != nil {
			return others, err
		}
		if ok && t.lastArrival(l.PredictionID).Before(arrivedBefore) {
			others++
			continue
		}
		if _, err := w.Write(records.Bytes()); err != nil {
			return others, err
		}
	}
	return others, records.Err()
}
