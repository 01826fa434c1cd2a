package labels

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// Dataset is a set of examples in order of time, on which a model is trained or models are
// compared.
type Dataset struct {
	Schema *predictlog.Schema
	// Examples are sorted by time and, within an instant, by prediction ID.
	Examples []Example
}

// Collect is [CollectAsOf] as of now.
func Collect(ctx context.Context, predictions predictlog.Store, labels Store, q predictlog.Query) (Dataset, error) {
	return CollectAsOf(ctx, predictions, labels, q, time.Time{})
}

// CollectAsOf gathers the examples of [JoinAsOf] into a Dataset, in memory; a [Sampler] holds
// a part of them. With the moment at which a model was trained, CollectAsOf returns the data
// of that training, down to the [Dataset.Fingerprint]. This holds as long as both stores keep
// those data and no prediction that q matches was stored later: the time when a prediction
// was stored is not known.
func CollectAsOf(ctx context.Context, predictions predictlog.Store, labels Store, q predictlog.Query, arrivedBy time.Time) (Dataset, error) {
	d := Dataset{Schema: predictions.Schema()}
	for e, err := range JoinAsOf(ctx, predictions, labels, q, arrivedBy) {
		if err != nil {
			return Dataset{}, err
		}
		d.Examples = append(d.Examples, e)
	}
	d.sort()
	return d, nil
}

// Labelled returns the examples that have a label, without misfits, in the same order.
func (d Dataset) Labelled() Dataset {
	labelled := make([]Example, 0, len(d.Examples))
	for _, e := range d.Examples {
		if e.Labelled {
			labelled = append(labelled, e)
		}
	}
	return Dataset{Schema: d.Schema, Examples: labelled}
}

// Between returns the examples with from <= time < to; a zero bound is no bound. It
// shares memory with d.
func (d Dataset) Between(from, to time.Time) Dataset {
	begin, end := d.search(from), len(d.Examples)
	if !to.IsZero() {
		end = max(begin, d.search(to))
	}
	return Dataset{Schema: d.Schema, Examples: d.Examples[begin:end:end]}
}

// search returns the position of the first example at t or later.
func (d Dataset) search(t time.Time) int {
	i, _ := slices.BinarySearchFunc(d.Examples, t, func(e Example, t time.Time) int {
		return e.Record.Time.Compare(t)
	})
	return i
}

// Coverage returns how much of the dataset is labelled and how many labels are misfits.
func (d Dataset) Coverage() Coverage {
	c, _ := Cover(func(yield func(Example, error) bool) { // no errors in memory
		for _, e := range d.Examples {
			if !yield(e, nil) {
				return
			}
		}
	})
	return c
}

// Fingerprint returns the SHA-256, in hexadecimal, over the schema and over each example in
// order: the ID, the time in microseconds, the row and the truth. The answer of the model and
// the times of the label are not included. Two datasets with the same fingerprint train the
// same model.
func (d Dataset) Fingerprint() string {
	h := sha256.New()
	var line []byte
	if d.Schema != nil {
		line = append(line, d.Schema.Fingerprint()...)
	}
	line = append(line, '\n')
	h.Write(line)
	for _, e := range d.Examples {
		line = appendExample(line[:0], e)
		h.Write(line)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// appendExample appends what [Dataset.Fingerprint] covers. Text is quoted, so different
// examples never look the same.
func appendExample(line []byte, e Example) []byte {
	line = strconv.AppendQuote(line, e.Record.ID)
	line = append(line, ' ')
	line = strconv.AppendInt(line, e.Record.Time.UnixMicro(), 10)
	for _, v := range e.Record.Row {
		line = append(line, ' ')
		line = strconv.AppendUint(line, uint64(v.Kind()), 10)
		line = strconv.AppendQuote(line, v.String())
	}
	if e.Labelled {
		line = append(line, " = "...)
		line = strconv.AppendQuote(line, e.Label.Class)
		line = strconv.AppendFloat(line, e.Label.Value, 'g', -1, 64)
	}
	return append(line, '\n')
}
