package drift

import (
	"fmt"
	"math"

	"golang.org/x/exp/constraints"

	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
	"github.com/selfheal-ml/selfheal/drift/internal/samples"
	"github.com/selfheal-ml/selfheal/drift/internal/text"
)

// MethodKS is the Kolmogorov-Smirnov test on the cells of a numeric column. Infinities are
// values. The interval comes from the limit law of the error of D.
//
// In [Profile.Compare] Statistic is the largest distance at the ends of cells. The distance of
// the rows is at least that, so Lo is Statistic. Inside a cell the distance exceeds the
// distance at the ends by at most the larger of the two shares of the cell. Hi adds this share
// where it can matter. If each distinct value has its own cell, Lo and Hi are equal. The
// smaller distance has the larger p-value, so the p-value errs to the side of no drift.
const MethodKS Method = "kolmogorov_smirnov"

var ksMethod = gapMethod{
	statistic: func(above, below float64) float64 { return max(above, below) },
	pValue:    nulldist.KSQuick,
	// The difference of the two empirical processes, plus an independent normal process, is
	// one Brownian bridge scaled to the effective size, whatever the distributions. So the
	// bound on D without change also bounds the error of D under any change.
	detectable: nulldist.KSDetectable,
	noise:      math.Pi * math.Pi / 12, // of the Kolmogorov distribution
	symbol:     "D",
	changed:    ": a distance D of ",
}.method(MethodInfo{
	Name: MethodKS, Title: "Kolmogorov-Smirnov",
	Effect: "D is the largest difference between the shares of values up to any one point, from 0 to 1. " +
		"Its interval is the observed D and, on either side, the limit of the largest error of two empirical distribution functions.",
})

// KolmogorovSmirnov compares two samples of numbers by the two-sided two-sample
// Kolmogorov-Smirnov test. The test sees any difference between continuous distributions: of
// location, spread or shape. Large samples are sorted on two processors.
//
// Statistic and EffectSize are D, the largest distance between the two empirical distribution
// functions. PValue is P(D >= d) for samples from one continuous distribution. PValue is exact
// if the sample sizes n and m are equal, or if 2Dnm + n + m is at most 2·10⁷ (Viehmann,
// "Numerically more stable computation of the p-values for the two-sample Kolmogorov-Smirnov
// test", 2021). Otherwise PValue comes from Kolmogorov's series with Vrbik's correction for
// finite samples ("Small-sample corrections to Kolmogorov-Smirnov test statistic", 2018). The
// series is off by at most about 5 % for p-values above 0.001 and samples of 50 values or
// more. With ties the p-value is too large rather than too small.
//
// SciPy's ks_2samp is exact up to 10,000 values. Beyond that, SciPy uses the distribution for
// one sample of nm/(n+m) values as the limit. The p-values agree where both are exact, except
// below 1e-15 between large samples, where PValue may come from the series.
//
// Infinities are values, and -0 equals 0. A NaN or an empty sample is an [*InputError].
func KolmogorovSmirnov[F constraints.Float](reference, current []F) (Result, error) {
	r, c, fault := samples.Sorted(reference, current)
	if fault != nil {
		return Result{}, (*InputError)(fault)
	}
	n, m := len(r), len(c)
	h := samples.LargestDistance(r, c)
	d := float64(h) / (float64(n) * float64(m))
	return Result{Statistic: d, PValue: nulldist.KS(h, n, m), EffectSize: d, NReference: n, NCurrent: m}, nil
}

// movedValues describes what D and the medians show.
func movedValues(s *sides) string {
	at, r, c := widestGap(s)
	if values := twoValues(s); values != nil {
		from, to := text.PercentsApart(1-r, 1-c)
		return fmt.Sprintf("The value %s went from %s to %s", text.Apart(values...)[1], from, to)
	}
	a, b := s.reference.Numbers, s.current.Numbers
	medians := a != nil && b != nil
	var compared []float64 // all of them to the same place
	if medians {
		compared = []float64{a.P50, b.P50}
		if a.P50 == b.P50 { // then the spread says how many digits matter
			compared = append(compared, a.P05, a.P95)
		}
	}
	var values string
	switch {
	case at < 0:
		values = "of minus infinity"
	case at == len(s.cells.axis.Edges):
		values, r, c = "of plus infinity", 1-r, 1-c
	default:
		compared = append(compared, s.cells.axis.Edges[at])
		values = "up to " + text.Apart(compared...)[len(compared)-1]
	}
	from, to := text.PercentsApart(r, c)
	moved := fmt.Sprintf("Values %s went from %s to %s", values, from, to)
	if medians && a.P50 != b.P50 {
		texts := text.Apart(compared...)
		moved += fmt.Sprintf(", the median from %s to %s", texts[0], texts[1])
	}
	return moved
}

// twoValues returns the values of a column that has exactly two, such as a flag, else nil.
func twoValues(s *sides) []float64 {
	values := s.cells.fewValues(s.ref)
	if len(values) != 2 || s.ref.infinite()+s.cur.infinite() > 0 {
		return nil
	}
	for i, n := range s.cur.Cells {
		if n > 0 && s.ref.Cells[i] == 0 {
			return nil
		}
	}
	return values
}

// widestGap returns the cell at whose end the shares r and c of the values so far differ by D.
// A cell of -1 stands for minus infinity.
func widestGap(s *sides) (at int, r, c float64) {
	cell := -1
	for sumR, sumC := range s.upTo() {
		x, y := float64(sumR)/float64(s.n), float64(sumC)/float64(s.m)
		if cell == -1 || math.Abs(y-x) > math.Abs(c-r) {
			at, r, c = cell, x, y
		}
		cell++
	}
	return at, r, c
}
