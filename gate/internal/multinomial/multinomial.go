// Package multinomial draws from multinomial distributions exactly, and fast enough for
// thousands of bootstrap draws: the cost of a draw grows with the cells, not with the
// number of trials.
package multinomial

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// Sampler draws how many of n trials fall into each cell. It is not safe for concurrent
// use.
type Sampler struct {
	n      int
	order  []int     // the cells that may occur, the likeliest first
	shares []float64 // of each in order, among itself and those after it
	source *rand.PCG
}

// New returns a sampler of n trials over cells of the given probabilities, which need
// not sum up to 1, and must not be negative. If all are 0, every draw is empty.
func New(n int, probabilities []float64, seed uint64) *Sampler {
	s := &Sampler{n: n, source: rand.NewPCG(seed, 0)}
	for cell, p := range probabilities {
		if p > 0 {
			s.order = append(s.order, cell)
		}
	}
	// After the likeliest cells few trials are left for the others, which then cost little.
	slices.SortStableFunc(s.order, func(a, b int) int {
		return cmp.Compare(probabilities[b], probabilities[a])
	})
	s.shares = make([]float64, len(s.order))
	// Adding up from the least likely is the most exact.
	var rest float64
	for i := len(s.order) - 1; i >= 0; i-- {
		p := probabilities[s.order[i]]
		rest += p
		s.shares[i] = p / rest
	}
	return s
}

// Draw fills counts, one for each cell, with the next draw.
func (s *Sampler) Draw(counts []float64) {
	clear(counts)
	left := s.n
	for i, cell := range s.order {
		if left == 0 {
			return
		}
		k := left
		if i < len(s.order)-1 {
			k = binomial(s.source, left, s.shares[i])
		}
		counts[cell] = float64(k)
		left -= k
	}
}
