package drift

import (
	"errors"
	"sync"
)

// FittedSample is a reference sample made ready for many comparisons: sorted, and counted on
// the cells of a grid, on which a current sample is counted first. It holds a copy of the
// sample. A FittedSample is immutable and safe for concurrent use; the zero FittedSample is
// empty.
type FittedSample struct {
	sorted []float64
	grid   grid
	counts gridCounts
	used   sync.Pool // of *cellCount
}

// NewFittedSample prepares the sample, which needs not be sorted and stays as it is. An
// empty sample or a NaN is an [*InputError].
func NewFittedSample(reference []float64) (*FittedSample, error) {
	sorted, err := sortedSample("reference", reference)
	if err != nil {
		return nil, err
	}
	s := &FittedSample{sorted: sorted, grid: fineGrid(sorted, len(sorted))}
	count := new(cellCount)
	count.add(&s.grid, sorted)
	s.counts = count.counts
	return s, nil
}

// Len returns the number of values of the reference.
func (s *FittedSample) Len() int { return len(s.sorted) }

// KolmogorovSmirnov is the function [KolmogorovSmirnov] with this sample as the reference:
// the same Result, digit for digit, in a fraction of the time. The current sample is not
// sorted but counted, and only where that leaves open whether the largest distance is
// inside a cell of the grid, its values are sorted. An empty current sample or a NaN is an
// [*InputError].
func (s *FittedSample) KolmogorovSmirnov(current []float64) (Result, error) {
	if len(s.sorted) == 0 || len(current) == 0 {
		return Result{}, errors.Join(checkSample("reference", s.sorted), checkSample("current", current))
	}
	h, ok := s.distance(current)
	if !ok {
		return Result{}, checkSample("current", current)
	}
	return ksResult(h, len(s.sorted), len(current)), nil
}

// distance returns nmD, or false if a value is NaN.
func (s *FittedSample) distance(current []float64) (h int64, ok bool) {
	if max(len(s.sorted), len(current)) > maxCounted {
		sorted, err := sortedSample("current", current)
		if err != nil {
			return 0, false
		}
		return ksDistance(s.sorted, sorted), true
	}
	count, _ := s.used.Get().(*cellCount)
	if count == nil {
		count = new(cellCount)
	}
	defer s.used.Put(count)
	defer count.close()
	if count.add(&s.grid, current); !count.numbers {
		return 0, false
	}
	n, m := int64(len(s.sorted)), int64(len(current))
	h = count.compare(&s.counts, n)
	count.gather()
	return count.distance(h, n, m, func(i int) []float64 {
		o := count.opened[i]
		return s.sorted[o.i:][:s.counts.cells[o.cell]]
	}), true
}
