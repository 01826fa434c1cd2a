package gate

import (
	"fmt"

	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// Subset returns the evidence of the given rows, in the given order.
//
// Coverage and the latencies stay those of all rows. TrainingRows is at most the number of the
// given rows. The result shares only the target with the evidence.
//
// A row that does not exist, a repeated row, and a column that does not have one value for
// each row are errors. Nothing else is validated.
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
	s.IDs, s.Times = metrics.Pick(e.IDs, rows), metrics.Pick(e.Times, rows)
	s.Truth, s.Shadow = e.Truth.Pick(rows), e.Shadow.Pick(rows)
	if e.Production != nil {
		production := e.Production.Pick(rows)
		s.Production = &production
	}
	if e.Segments != nil {
		s.Segments = make(map[string][]string, len(e.Segments))
		for column, values := range e.Segments {
			s.Segments[column] = metrics.Pick(values, rows)
		}
	}
	s.TrainingRows = min(e.TrainingRows, len(rows))
	return s, nil
}

func (e *Evidence) checkColumns() error {
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
	for _, have := range lengths {
		if have != e.N() {
			return fmt.Errorf("%w: a column of %d values, want %d", ErrInvalidEvidence, have, e.N())
		}
	}
	return nil
}
