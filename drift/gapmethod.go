package drift

import (
	"math"

	"github.com/selfheal-ml/selfheal/drift/internal/text"
)

// gapMethod holds what differs between methods on the gaps of two distribution functions.
type gapMethod struct {
	statistic func(above, below float64) float64 // of the largest gaps, see sides.gaps
	pValue    func(statistic float64, n, m int) float64
	// detectable returns a statistic that is certain to be significant at the level for this
	// effective size. It also bounds the error of the statistic.
	detectable func(level, effective float64) float64
	// noise is the mean square of the statistic without any change, at an effective size of 1.
	noise   float64
	symbol  string // of the statistic in a sentence
	changed string // introduces the statistic in a sentence
}

func (g gapMethod) method(info MethodInfo) method {
	info.Kinds, info.Floor = []Kind{KindNumeric}, 0.1
	return method{
		MethodInfo: info,
		certain:    true,
		measure: func(s *sides, alpha float64) (Test, bool) {
			d, h := g.statistic(s.gaps()), g.detectable(alpha, s.effective())
			return Test{
				Statistic: d, PValue: g.pValue(d, s.n, s.m),
				Observed: d, EffectSize: math.Sqrt(withoutNoise(d*d, g.noise/s.effective())),
				CI: CI{Lo: max(d-h, 0), Hi: min(d+h, 1), Level: 1 - alpha},
			}, true
		},
		detectable:   func(s *sides, level float64) float64 { return g.detectable(level, s.effective()) },
		detectableAt: func(s *sides, values, level float64) float64 { return g.detectable(level, s.effectiveAt(values)) },
		changed:      func(s *sides, t Test) string { return movedValues(s) + g.changed + text.Number(t.Observed) },
		bounded:      func(_ *sides, t Test) string { return g.symbol + " is at most " + text.Number(t.CI.Hi) },
		compare: func(s *sides) (ProfileResult, error) {
			d := g.statistic(s.gaps())
			return ProfileResult{
				Result: Result{Statistic: d, PValue: g.pValue(d, s.n, s.m), EffectSize: d, NReference: s.n, NCurrent: s.m},
				Lo:     d,
				Hi:     min(max(d, g.statistic(s.largestGaps())), 1),
			}, nil
		},
	}
}

// gaps returns the largest gaps by which the distribution function of current is above and
// below that of the reference, at the edges and on either side of the infinities.
func (s *sides) gaps() (above, below float64) {
	for r, c := range s.upTo() {
		d := shareDifference(float64(c), float64(s.m), float64(r), float64(s.n))
		above, below = max(above, d), max(below, -d)
	}
	return above, below
}

// largestGaps returns the largest gaps that the rows can have. In each cell all values of one
// side can come before the values of the other side. A cell of one value has no inside.
func (s *sides) largestGaps() (above, below float64) {
	n, m := float64(s.n), float64(s.m)
	above, below = s.gaps()
	r, c := float64(s.ref.NegInf), float64(s.cur.NegInf)
	for i := range s.ref.Cells {
		nextR, nextC := r+float64(s.ref.Cells[i]), c+float64(s.cur.Cells[i])
		if !s.cells.axis.Single(i) {
			above = max(above, shareDifference(nextC, m, r, n))
			below = max(below, shareDifference(nextR, n, c, m))
		}
		r, c = nextR, nextC
	}
	return above, below
}
