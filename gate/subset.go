package gate

import (
	"fmt"
	"slices"

	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// Subset returns the evidence of some of the rows, in the order given, as a criterion
// needs it that judges a part of them: their IDs, times, truth, answers and segments. The
// criteria of this package judge it as they do any evidence.
//
// What is not known of single rows stays as it is: Coverage counts all the predictions
// and labels of the period, and the latencies are over all rows. Of the TrainingRows as
// many are taken to be among the rows as can be. RowSet and Hash are those of the rows
// themselves.
//
// A row that does not exist or is named twice is an error, and so is a column that has not
// one value for each row. Nothing else of the evidence is validated. The evidence is not modified and shares nothing with the result that a caller
// might modify by accident, but its target.
func (e *Evidence) Subset(rows []int) (Evidence, error) {
	if err := e.checkColumns(); err != nil {
		return Evidence{}, err
	}
	taken := make([]bool, e.N())
	for _, row := range rows {
		switch {
		case row < 0 || row >= len(taken):
			return Evidence{}, fmt.Errorf("gate: subset: row %d, want 0 to %d", row, len(taken)-1)
		case taken[row]:
			return Evidence{}, fmt.Errorf("gate: subset: row %d occurs twice", row)
		}
		taken[row] = true
	}
	s := *e
	s.IDs, s.Times = at(e.IDs, rows), at(e.Times, rows)
	s.Truth, s.Shadow = e.Truth.Pick(rows), e.Shadow.Pick(rows)
	if e.Production != nil {
		production := e.Production.Pick(rows)
		s.Production = &production
	}
	if e.Segments != nil {
		s.Segments = make(map[string][]string, len(e.Segments))
		for column, values := range e.Segments {
			s.Segments[column] = at(values, rows)
		}
	}
	s.TrainingRows = min(e.TrainingRows, len(rows))
	return s, nil
}

// checkColumns returns an error if a column has not one value for each ID.
func (e *Evidence) checkColumns() error {
	n := e.N()
	answers := []metrics.Answers{e.Truth, e.Shadow}
	if e.Production != nil {
		answers = append(answers, *e.Production)
	}
	var lengths []int
	for _, a := range answers {
		lengths = append(lengths, a.N())
		for _, p := range a.Probability {
			lengths = append(lengths, len(p))
		}
	}
	for _, segments := range e.Segments {
		lengths = append(lengths, len(segments))
	}
	if len(e.Times) > 0 {
		lengths = append(lengths, len(e.Times))
	}
	if i := slices.IndexFunc(lengths, func(have int) bool { return have != n }); i >= 0 {
		return fmt.Errorf("%w: a column of %d values, want %d", ErrInvalidEvidence, lengths[i], n)
	}
	return nil
}

// at returns the given rows of a column, nil if there is no such column.
func at[T any](column []T, rows []int) []T {
	if len(column) == 0 {
		return nil
	}
	picked := make([]T, len(rows))
	for i, row := range rows {
		picked[i] = column[row]
	}
	return picked
}
