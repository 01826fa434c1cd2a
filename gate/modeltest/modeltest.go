// Package modeltest checks that a [gate.Model] keeps its promises. A host runs it on its
// own models:
//
//	func TestModel(t *testing.T) {
//		modeltest.Run(t, func(t *testing.T) gate.Model { return load(t) }, rows, target)
//	}
package modeltest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/internal/answer"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// Tolerance is the largest accepted difference between two answers to the same row. It is
// absolute for probabilities, and relative to the larger of 1 and the value for values. A
// matrix library may sum in another order if rows share a call.
const Tolerance = 1e-9

// Run checks every promise of [gate.Model] in its own subtest, each on a new model, and quotes
// a broken promise. There must be at least two rows, best with different answers, and the
// model must answer all of them. Target says what the model answers; the zero Target is binary
// with the classes "0" and "1".
func Run(t *testing.T, open func(t *testing.T) gate.Model, rows []predictlog.Row, target predictlog.Target) {
	t.Helper()
	if len(rows) < 2 {
		t.Fatalf("modeltest: %d rows, want 2 or more", len(rows))
	}
	if target.Task == predictlog.Binary && len(target.Classes) == 0 {
		target.Classes = []string{"0", "1"}
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := c.run(t.Context(), open(t), rows, target); err != nil {
				t.Errorf("%v\nviolated promise: %s", err, c.promise)
			}
		})
	}
}

type testCase struct {
	name, promise string
	check         func(ctx context.Context, x trial) error
}

// trial is a model with its answers.
type trial struct {
	gate.Model
	rows    []predictlog.Row
	target  predictlog.Target
	outputs []predictlog.Output // of one call with all rows
}

var cases = []testCase{
	{"Outputs", "Predict returns one output for each row, of the target's kind, with probabilities that sum up to 1.", checkOutputs},
	{"Order", "The outputs are in the order of the rows.", checkOrder},
	{"Batches", "The outputs depend on the rows alone, not on which rows share a call.", checkBatches},
	{"Empty", "A call with no rows returns no outputs and no error.", checkEmpty},
	{"Unmodified", "Predict does not modify the rows.", checkUnmodified},
	{"Concurrent", "Predict may be called by several goroutines at once.", checkConcurrent},
	{"Cancelled", "With a cancelled ctx, Predict returns an error or the right outputs.", checkCancelled},
}

func (c testCase) run(ctx context.Context, m gate.Model, rows []predictlog.Row, target predictlog.Target) error {
	outputs, err := predict(ctx, m, rows)
	if err != nil {
		return err
	}
	return c.check(ctx, trial{m, rows, target, outputs})
}

func checkOutputs(_ context.Context, x trial) error {
	for i, o := range x.outputs {
		if what := answer.Problem(o, x.target); what != "" {
			return fmt.Errorf("row %d: %s", i, what)
		}
		if (o.Probabilities == nil) != (x.outputs[0].Probabilities == nil) {
			return fmt.Errorf("row %d: probabilities for some rows only, want all or none", i)
		}
	}
	return nil
}

func checkOrder(ctx context.Context, x trial) error {
	backwards := clone(x.rows)
	slices.Reverse(backwards)
	reversed, err := predict(ctx, x, backwards)
	if err != nil {
		return err
	}
	slices.Reverse(reversed)
	return same(x.outputs, reversed)
}

func checkBatches(ctx context.Context, x trial) error {
	var alone []predictlog.Output
	for batch := range slices.Chunk(x.rows, 1) {
		one, err := predict(ctx, x, batch)
		if err != nil {
			return err
		}
		alone = append(alone, one...)
	}
	return same(x.outputs, alone)
}

func checkEmpty(ctx context.Context, x trial) error {
	_, err := predict(ctx, x, nil)
	return err
}

func checkUnmodified(ctx context.Context, x trial) error {
	given := clone(x.rows)
	if _, err := x.Predict(ctx, given); err != nil {
		return err
	}
	for i := range x.rows {
		if !given[i].Equal(x.rows[i]) {
			return fmt.Errorf("row %d was %v and is %v after the call", i, x.rows[i], given[i])
		}
	}
	return nil
}

// checkConcurrent finds most under the race detector.
func checkConcurrent(ctx context.Context, x trial) error {
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			again, err := predict(ctx, x, x.rows)
			if err == nil {
				err = same(x.outputs, again)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func checkCancelled(ctx context.Context, x trial) error {
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	late, err := x.Predict(cancelled, clone(x.rows))
	if err != nil {
		return nil
	}
	return same(x.outputs, late)
}

// predict asks for copies of the rows and checks the number of outputs.
func predict(ctx context.Context, m gate.Model, rows []predictlog.Row) ([]predictlog.Output, error) {
	outputs, err := m.Predict(ctx, clone(rows))
	if err != nil {
		return nil, fmt.Errorf("%d rows: %w", len(rows), err)
	}
	if len(outputs) != len(rows) {
		return nil, fmt.Errorf("%d outputs for %d rows", len(outputs), len(rows))
	}
	return outputs, nil
}

func clone(rows []predictlog.Row) []predictlog.Row {
	copies := make([]predictlog.Row, len(rows))
	for i, r := range rows {
		copies[i] = slices.Clone(r)
	}
	return copies
}

// same returns an error if two answers to the same row differ by more than [Tolerance].
func same(a, b []predictlog.Output) error {
	if len(a) != len(b) {
		return fmt.Errorf("%d and %d outputs for the same rows", len(a), len(b))
	}
	for i := range a {
		if a[i].Class != b[i].Class || !near(a[i].Value, b[i].Value) ||
			!slices.EqualFunc(a[i].Probabilities, b[i].Probabilities, near) {
			return fmt.Errorf("row %d is answered by %+v and by %+v", i, a[i], b[i])
		}
	}
	return nil
}

func near(a, b float64) bool { return math.Abs(a-b) <= Tolerance*max(1, math.Abs(a)) }
