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
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// Tolerance is the largest difference between two answers to the same row: of probabilities,
// and of values relative to the larger of 1 and the value. A matrix library sums in another
// order when a row shares its call with other rows.
const Tolerance = 1e-9

// Run checks every promise of [gate.Model] in a subtest of its own, each on a new model, and
// quotes the promise that is broken. The model must answer all of the rows. There must be
// two rows or more, best with different answers. Target says what the model answers; the
// zero Target is binary with the classes "0" and "1".
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
			if err := c.check(t.Context(), open(t), rows, target); err != nil {
				t.Errorf("%v\nviolated promise: %s", err, c.promise)
			}
		})
	}
}

type testCase struct {
	name, promise string
	check         func(ctx context.Context, m gate.Model, rows []predictlog.Row, target predictlog.Target) error
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

func checkOutputs(ctx context.Context, m gate.Model, rows []predictlog.Row, target predictlog.Target) error {
	outputs, err := predict(ctx, m, rows)
	if err != nil {
		return err
	}
	for i, o := range outputs {
		if err := checkOutput(o, target); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
		if (o.Probabilities == nil) != (outputs[0].Probabilities == nil) {
			return fmt.Errorf("row %d: probabilities for some rows only, want all or none", i)
		}
	}
	return nil
}

func checkOutput(o predictlog.Output, target predictlog.Target) error {
	if target.Task == predictlog.Regression {
		if o.Class != "" || o.Probabilities != nil {
			return fmt.Errorf("class %q and %d probabilities, want a value only", o.Class, len(o.Probabilities))
		}
		if math.IsNaN(o.Value) || math.IsInf(o.Value, 0) {
			return fmt.Errorf("value %v, want a finite number", o.Value)
		}
		return nil
	}
	if !slices.Contains(target.Classes, o.Class) {
		return fmt.Errorf("class %q, want one of %q", o.Class, target.Classes)
	}
	if o.Value != 0 {
		return fmt.Errorf("value %v, want a class only", o.Value)
	}
	if o.Probabilities == nil {
		return nil
	}
	if have, want := len(o.Probabilities), len(target.Classes); have != want {
		return fmt.Errorf("%d probabilities, want %d", have, want)
	}
	var sum float64
	for k, p := range o.Probabilities {
		sum += p
		if !(p >= 0 && p <= 1) { // also true of NaN
			return fmt.Errorf("probability of %q is %v, want 0 to 1", target.Classes[k], p)
		}
	}
	if math.Abs(sum-1) > metrics.SumTolerance {
		return fmt.Errorf("probabilities sum up to %v, want 1", sum)
	}
	return nil
}

func checkOrder(ctx context.Context, m gate.Model, rows []predictlog.Row, _ predictlog.Target) error {
	outputs, err := predict(ctx, m, rows)
	if err != nil {
		return err
	}
	backwards := clone(rows)
	slices.Reverse(backwards)
	reversed, err := predict(ctx, m, backwards)
	if err != nil {
		return err
	}
	slices.Reverse(reversed)
	return same(outputs, reversed)
}

func checkBatches(ctx context.Context, m gate.Model, rows []predictlog.Row, _ predictlog.Target) error {
	together, err := predict(ctx, m, rows)
	if err != nil {
		return err
	}
	var alone []predictlog.Output
	for i := range rows {
		one, err := predict(ctx, m, rows[i:i+1])
		if err != nil {
			return err
		}
		alone = append(alone, one...)
	}
	return same(together, alone)
}

func checkEmpty(ctx context.Context, m gate.Model, _ []predictlog.Row, _ predictlog.Target) error {
	_, err := predict(ctx, m, nil)
	return err
}

func checkUnmodified(ctx context.Context, m gate.Model, rows []predictlog.Row, _ predictlog.Target) error {
	given := clone(rows)
	if _, err := m.Predict(ctx, given); err != nil {
		return err
	}
	for i := range rows {
		if !given[i].Equal(rows[i]) {
			return fmt.Errorf("row %d was %v and is %v after the call", i, rows[i], given[i])
		}
	}
	return nil
}

// checkConcurrent means most under the race detector.
func checkConcurrent(ctx context.Context, m gate.Model, rows []predictlog.Row, _ predictlog.Target) error {
	want, err := predict(ctx, m, rows)
	if err != nil {
		return err
	}
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			outputs, err := predict(ctx, m, rows)
			if err == nil {
				err = same(want, outputs)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func checkCancelled(ctx context.Context, m gate.Model, rows []predictlog.Row, _ predictlog.Target) error {
	want, err := predict(ctx, m, rows)
	if err != nil {
		return err
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	outputs, err := m.Predict(cancelled, clone(rows))
	if err != nil {
		return nil
	}
	return same(want, outputs)
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

// same returns an error if two lists of answers to the same rows differ by more than
// [Tolerance].
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

func near(a, b float64) bool {
	return math.Abs(a-b) <= Tolerance*max(1, math.Abs(a))
}
