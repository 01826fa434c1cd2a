package csvlabels

import (
	"context"
	"sync"
	"time"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile/csvrow"
)

// table is one file, until it is replaced, and its index.
type table struct {
	path string
	file *appendfile.File

	mu    sync.RWMutex
	index labels.Index // guarded by mu
	lines int          // guarded by mu; of the file, that the index covers
}

// openTable opens the file and reads it.
func openTable(ctx context.Context, path string, cfg appendfile.Config) (*table, error) {
	file, err := appendfile.Open(path, cfg)
	if err != nil {
		return nil, err
	}
	t := &table{path: path, file: file}
	if err := t.catchUp(ctx); err != nil {
		file.Close() // only read from
		return nil, err
	}
	return t, nil
}

// catchUp reads the records that any process appended.
func (t *table) catchUp(ctx context.Context) error { return t.file.View(ctx, t.observe) }

// observe adds records that any process appended to the index: all or, with an error, none.
func (t *table) observe(records []byte, _ int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := decoder{path: t.path, lines: t.lines}
	var ls []labels.Label
	for len(records) > 0 {
		n, _, _ := csvrow.Len(records)
		l, ok, err := d.decode(records[:n])
		if err != nil {
			return err
		}
		if ok {
			ls = append(ls, l)
		}
		records = records[n:]
	}
	for _, l := range ls {
		t.index.Add(l)
	}
	t.lines = d.lines
	return nil
}

// append adds the labels that are not in the file yet. They arrive when all other processes
// are locked out.
func (t *table) append(ctx context.Context, ls []labels.Label) error {
	return t.file.Update(ctx, t.observe, func(size int64) ([]byte, error) {
		now := time.Now()
		arrived := make([]labels.Label, len(ls))
		for i, l := range ls {
			arrived[i] = l.Stored(now)
		}
		t.mu.RLock()
		defer t.mu.RUnlock()
		return encode(t.index.Fresh(arrived...), size == 0), nil
	})
}

// lookup returns the winning labels in the index.
func (t *table) lookup(arrivedBy time.Time, predictionIDs []string) map[string]labels.Label {
	t.mu.RLock()
	defer t.mu.RUnlock()
	found := make(map[string]labels.Label)
	for _, id := range predictionIDs {
		if l, labelled := t.index.LookupAsOf(arrivedBy, id); labelled {
			found[id] = l
		}
	}
	return found
}

// lastArrival returns the latest arrival of the prediction's labels in the index.
func (t *table) lastArrival(predictionID string) time.Time {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.index.LastArrival(predictionID)
}
