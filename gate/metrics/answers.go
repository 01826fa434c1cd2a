package metrics

import (
	"errors"
	"fmt"
	"math"

	"github.com/selfheal-ml/selfheal/gate/internal/wire"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// MaxClasses is the largest number of classes of a target that a metric of classes accepts.
const MaxClasses = 1000

// Classes returns the number of classes of a target: 2 for the zero Target, 0 for a
// regression.
func Classes(target predictlog.Target) int {
	if target.Task == predictlog.Binary && len(target.Classes) == 0 {
		return 2
	}
	return len(target.Classes)
}

// Answers hold one model's answer, or the truth, for each row.
type Answers struct {
	// Class is each row's index into the target's classes, nil for a regression.
	Class []int `json:"class,omitempty"`
	// Probability[k][i] is the probability of class k for row i, in [0, 1]. The probabilities
	// of a row sum up to 1 within [SumTolerance]. It is nil for truths and models without it.
	Probability [][]float64 `json:"probability,omitempty"`
	// Value is the finite value of each row. It is nil for a classification.
	Value []float64 `json:"value,omitempty"`
}

// UnmarshalJSON reads answers from JSON. An unknown member, a repeated member and a null in a
// column are errors, and an error leaves a unchanged.
func (a *Answers) UnmarshalJSON(data []byte) error {
	type plain Answers // without this method
	var read plain
	if err := wire.Unmarshal(data, &read); err != nil {
		return err
	}
	*a = Answers(read)
	return nil
}

// N returns the number of rows answered.
func (a Answers) N() int { return len(a.Class) + len(a.Value) }

// Validate returns every reason why a does not answer n rows of the target. It names the first
// bad row of each column.
func (a Answers) Validate(target predictlog.Target, n int) error {
	if target.Task == predictlog.Regression {
		return errors.Join(
			columnOf("Value", a.Value, n, isFinite, "a finite number"),
			checkAbsent("Class", len(a.Class), "a regression answers values"),
			checkAbsent("Probability", len(a.Probability), "a regression answers values"),
		)
	}
	classes := Classes(target)
	errs := []error{
		columnOf("Class", a.Class, n, func(k int) bool { return k >= 0 && k < classes }, fmt.Sprintf("0 to %d", classes-1)),
		checkAbsent("Value", len(a.Value), "a classifier answers classes"),
	}
	if a.Probability != nil && len(a.Probability) != classes {
		errs = append(errs, fmt.Errorf("probabilities of %d classes, want %d", len(a.Probability), classes))
	}
	for k, p := range a.Probability {
		errs = append(errs, columnOf(fmt.Sprintf("Probability[%d]", k), p, n, isProbability, "0 to 1"))
	}
	if err := errors.Join(errs...); err != nil || a.Probability == nil {
		return err
	}
	return checkSums(a.Probability, n)
}

func checkSums(probability [][]float64, n int) error {
	var sums [1024]float64 // one sum for each row of a block
	for first := 0; first < n; first += len(sums) {
		part := sums[:min(len(sums), n-first)]
		clear(part)
		for _, p := range probability {
			for i, v := range p[first : first+len(part)] {
				part[i] += v
			}
		}
		for i, sum := range part {
			if !(math.Abs(sum-1) <= SumTolerance) {
				return fmt.Errorf("the probabilities of row %d sum up to %v, want 1", first+i, sum)
			}
		}
	}
	return nil
}

func checkAbsent(name string, n int, why string) error {
	if n > 0 {
		return fmt.Errorf("%s has %d values, want none: %s", name, n, why)
	}
	return nil
}

// Pick returns the answers to the given rows, in the order given.
func (a Answers) Pick(rows []int) Answers {
	picked := Answers{Class: Pick(a.Class, rows), Value: Pick(a.Value, rows)}
	for _, p := range a.Probability {
		picked.Probability = append(picked.Probability, Pick(p, rows))
	}
	return picked
}

// Pick returns the given rows of a column, nil if the column is empty.
func Pick[T any](column []T, rows []int) []T {
	if len(column) == 0 {
		return nil
	}
	picked := make([]T, len(rows))
	for i, row := range rows {
		picked[i] = column[row]
	}
	return picked
}
