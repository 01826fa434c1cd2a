package gate

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/selfheal-ml/selfheal/gate/internal/wire"
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// Answers are what was answered, or what was true, for each row of [Evidence].
type Answers struct {
	// Class is the class of each row, as index into Target.Classes; nil for a
	// regression.
	Class []int `json:"class,omitempty"`
	// Probability[k][i] is the probability of class k for row i, in [0, 1]; nil if the
	// model gives none, and for truths. Those of a row sum up to 1 within
	// [metrics.SumTolerance].
	Probability [][]float64 `json:"probability,omitempty"`
	// Value is the value of each row, finite; nil for a classification.
	Value []float64 `json:"value,omitempty"`

	measured *measured // not nil if probabilities and values are gone
}

// UnmarshalJSON reads answers that were written as JSON. A member that is unknown or
// occurs twice and a null in a column are an error, which leaves a as it was.
func (a *Answers) UnmarshalJSON(data []byte) error {
	type plain Answers // without this method
	var read plain
	if err := wire.Unmarshal(data, &read); err != nil {
		return err
	}
	*a = Answers(read)
	return nil
}

// hasProbabilities reports whether the model gave probabilities.
func (a Answers) hasProbabilities() bool {
	return a.Probability != nil || a.measured != nil && a.measured.probabilities
}

// n returns the number of rows answered.
func (a Answers) n() int { return len(a.Class) + len(a.Value) }

// validate returns every way in which a does not answer n rows of such a target. Of
// each column the first bad row is named.
func (a Answers) validate(target predictlog.Target, n int) error {
	if target.Task == predictlog.Regression {
		return errors.Join(
			checkColumn("Value", a.Value, n, notFinite, "a finite number"),
			checkAbsent("Class", len(a.Class), "a regression answers values"),
			checkAbsent("Probability", len(a.Probability), "a regression answers values"),
		)
	}
	classes := classCount(target)
	errs := []error{
		checkColumn("Class", a.Class, n, notBelow(classes), fmt.Sprintf("0 to %d", classes-1)),
		checkAbsent("Value", len(a.Value), "a classifier answers classes"),
	}
	if a.Probability != nil && len(a.Probability) != classes {
		errs = append(errs, fmt.Errorf("probabilities of %d classes, want %d", len(a.Probability), classes))
	}
	for k, p := range a.Probability {
		errs = append(errs, checkColumn(fmt.Sprintf("Probability[%d]", k), p, n, notProbability, "0 to 1"))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return checkSums(a.Probability, n)
}

// checkSums returns an error if the probabilities of a row do not sum up to 1.
func checkSums(probability [][]float64, n int) error {
	if probability == nil {
		return nil
	}
	var sums [1024]float64 // of as many rows at a time
	for first := 0; first < n; first += len(sums) {
		part := sums[:min(len(sums), n-first)]
		clear(part)
		for _, p := range probability {
			for i, v := range p[first : first+len(part)] {
				part[i] += v
			}
		}
		for i, sum := range part {
			if !sumsUp(sum) {
				return fmt.Errorf("the probabilities of row %d sum up to %v, want 1", first+i, sum)
			}
		}
	}
	return nil
}

func sumsUp(sum float64) bool { return math.Abs(sum-1) <= metrics.SumTolerance }

// checkColumn returns an error if the column has not n values, or a malformed one, of
// which malformed returns the first row, else -1.
func checkColumn[T any](name string, column []T, n int, malformed func([]T) int, want string) error {
	if len(column) != n {
		return fmt.Errorf("%s has %d values, want %d", name, len(column), n)
	}
	if i := malformed(column); i >= 0 {
		return fmt.Errorf("%s[%d] is %v, want %s", name, i, column[i], want)
	}
	return nil
}

func notFinite(values []float64) int {
	return slices.IndexFunc(values, func(v float64) bool { return !isFinite(v) })
}

func notProbability(values []float64) int {
	for i, v := range values {
		if !(v >= 0 && v <= 1) { // also true of NaN
			return i
		}
	}
	return -1
}

func notBelow(n int) func([]int) int {
	return func(values []int) int {
		for i, v := range values {
			if v < 0 || v >= n {
				return i
			}
		}
		return -1
	}
}

func checkAbsent(name string, n int, why string) error {
	if n > 0 {
		return fmt.Errorf("%s has %d values, want none: %s", name, n, why)
	}
	return nil
}

// pick returns the answers to the given rows only.
func (a Answers) pick(rows []int) Answers {
	picked := Answers{Class: pick(a.Class, rows), Value: pick(a.Value, rows)}
	for _, p := range a.Probability {
		picked.Probability = append(picked.Probability, pick(p, rows))
	}
	return picked
}

// pick returns the given rows of a column, nil if there is no such column.
func pick[T any](column []T, rows []int) []T {
	if len(column) == 0 {
		return nil
	}
	picked := make([]T, len(rows))
	for i, row := range rows {
		picked[i] = column[row]
	}
	return picked
}

// classCount returns the number of classes, 2 for the zero Target.
func classCount(target predictlog.Target) int {
	if target.Task == predictlog.Binary && len(target.Classes) == 0 {
		return 2
	}
	return len(target.Classes)
}
