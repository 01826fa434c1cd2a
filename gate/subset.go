package gate

import "fmt"

// Subset returns the evidence of some of the rows, in the order given, as a criterion
// needs it that judges a part of them: their IDs, times, truth, answers and segments. The
// criteria of this package judge it as they do any evidence.
//
// What is not known of single rows stays as it is: Coverage counts all the predictions
// and labels of the period, and the latencies are over all rows. Of the TrainingRows as
// many are taken to be among the rows as can be. RowSet and Hash are those of the rows
// themselves.
//
// A row that does not exist or is named twice is an error, as is evidence that is not
// valid. The evidence is not modified and shares nothing with the result that a caller
// might modify by accident, but its target.
func (e *Evidence) Subset(rows []int) (Evidence, error) {
	known := e.memo()
	if known == nil {
		if err := e.Validate(); err != nil {
			return Evidence{}, err
		}
	} else if known.stored {
		return Evidence{}, fmt.Errorf("%w: a subset of them", ErrNeedsRows)
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
	s.facts = nil
	s.IDs, s.Times = pick(e.IDs, rows), pick(e.Times, rows)
	s.Truth, s.Shadow = e.Truth.pick(rows), e.Shadow.pick(rows)
	if e.Production != nil {
		production := e.Production.pick(rows)
		s.Production = &production
	}
	if e.Segments != nil {
		s.Segments = make(map[string][]string, len(e.Segments))
		for column, values := range e.Segments {
			s.Segments[column] = pick(values, rows)
		}
	}
	s.TrainingRows = min(e.TrainingRows, len(rows))
	return s, nil
}
