package paired

import (
	"iter"
	"slices"

	"github.com/selfheal-ml/selfheal/gate/internal/multinomial"
)

// sample is the cells of a bootstrap and the draws from them, which are the same whatever
// the statistic.
type sample struct {
	counts []float64 // as they are
	shares []float64 // of the cells that are drawn from
	rows   float64
	draws  int
	seed   uint64

	kept []float64 // the counts of one draw after another, nil if they are too many
}

// maxKept is how many counts are kept, in 8 MiB. More counts are drawn again for each use.
const maxKept = 1 << 20

// draw makes the draws, where they can be kept.
func (s *sample) draw() {
	if len(s.shares)*s.draws > maxKept {
		return
	}
	kept := make([]float64, 0, len(s.shares)*s.draws)
	for counts := range s.all() {
		kept = append(kept, counts...)
	}
	s.kept = kept
}

// all yields the counts of each draw, which must neither be modified nor be kept.
func (s *sample) all() iter.Seq[[]float64] {
	if s.kept != nil {
		return slices.Chunk(s.kept, len(s.shares))
	}
	return func(yield func([]float64) bool) {
		sampler := multinomial.New(int(s.rows), s.shares, s.seed)
		counts := make([]float64, len(s.shares))
		for range s.draws {
			if sampler.Draw(counts); !yield(counts) {
				return
			}
		}
	}
}
