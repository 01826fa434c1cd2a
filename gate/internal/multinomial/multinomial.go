// Package multinomial draws from multinomial distributions exactly. The cost of a draw grows
// with the cells, not with the number of trials, which allows thousands of bootstrap draws.
package multinomial

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// Sampler draws the number of trials in each cell. It is not safe for concurrent use.
type Sampler struct {
	n      int
	order  []int     // the cells that may occur, the likeliest first
	shares []float64 // the share of each cell among itself and the cells after it
	source *rand.PCG
}

// New returns a sampler of n trials. The probabilities must not be negative, and need not sum
// up to 1. If all are 0, every draw is empty.
func New(n int, probabilities []float64, seed uint64) *Sampler {
	s := &Sampler{n: n, source: rand.NewPCG(seed, 0)}
	for cell, p := range probabilities {
		if p > 0 {
			s.order = append(s.order, cell)
		}
	}
	// After the likeliest cells few trials are left, which are cheap to draw.
	slices.SortStableFunc(s.order, func(a, b int) int {
		return cmp.Compare(probabilities[b], probabilities[a])
	})
	s.shares = make([]float64, len(s.order))
	// Adding up from the least likely cell is the most exact.
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
