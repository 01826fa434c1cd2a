package paired

import (
	"iter"
	"slices"

	"github.com/selfheal-ml/selfheal/gate/internal/multinomial"
)

// sample holds the cells of a bootstrap and the draws, which do not depend on the statistic.
type sample struct {
	counts []float64 // as observed
	shares []float64 // with the prior
	rows   float64
	draws  int
	seed   uint64

	kept []float64 // the counts of one draw after another, nil if there are too many
}

// maxKept is the largest number of kept counts (8 MiB). More counts are drawn for each use.
const maxKept = 1 << 20

// draw makes the draws if they can be kept.
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

// all yields the counts of each draw. The caller must neither modify nor keep them.
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
