package drift

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
	"github.com/selfheal-ml/selfheal/drift/internal/samples"
)

// ProfileResult is a [Result] from counts on cells, with what it says about the rows that
// were counted.
type ProfileResult struct {
	Result
	// Lo and Hi bound the statistic that the method finds on the rows themselves. They are
	// equal to Statistic if nothing is lost by counting.
	Lo, Hi float64
}

// MarshalJSON returns what [Result.MarshalJSON] does, with lo and hi.
func (r ProfileResult) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		resultWire
		Lo *float64 `json:"lo"`
		Hi *float64 `json:"hi"`
	}{r.wire(), finiteOrNil(r.Lo), finiteOrNil(r.Hi)})
}

// KolmogorovSmirnov compares the rows counted with the reference by [KolmogorovSmirnov] on
// the cells of a numeric column. Missing values are left out; infinities are values.
//
// Statistic is the largest distance at the ends of cells, so that of the rows is no
// smaller: Lo is Statistic. Inside a cell the distance exceeds that at its ends by no more
// than the larger of the cell's two shares, which is what Hi adds, where it can matter. In
// a column of few distinct values, each with its own cell, Lo and Hi are equal. A PValue
// from the smaller distance is the larger, so it errs to the side of no drift.
//
// An unknown column, one that is not numeric, or a side without values is an [*InputError].
func (p *Profile) KolmogorovSmirnov(column string) (ProfileResult, error) {
	c, ref, cur, err := p.sides(column, true)
	if err != nil {
		return ProfileResult{}, err
	}
	n, m := int(ref.values()), int(cur.values())
	d := cellDistance(ref, cur)
	return ProfileResult{
		Result: Result{Statistic: d, PValue: nulldist.KSQuick(d, n, m), EffectSize: d, NReference: n, NCurrent: m},
		Lo:     d,
		Hi:     max(d, c.largestDistance(ref, cur)),
	}, nil
}

// largestDistance returns the largest D that the rows may have: in each cell all values of
// one side may come before those of the other. A cell of one value has no inside.
func (c *cells) largestDistance(ref, cur *tally) float64 {
	n, m := float64(ref.values()), float64(cur.values())
	most := 0.0
	r, k := float64(ref.NegInf), float64(cur.NegInf)
	for i := range ref.Cells {
		nextR, nextK := r+float64(ref.Cells[i]), k+float64(cur.Cells[i])
		if lo, hi := c.bounds(i, -math.MaxFloat64, math.MaxFloat64); lo != hi {
			most = max(most, shareDifference(nextR, n, k, m), shareDifference(nextK, m, r, n))
		}
		r, k = nextR, nextK
	}
	return most
}

// Wasserstein1 compares the rows counted with the reference by [Wasserstein1] on the cells
// of a numeric column: the values of a cell are spread evenly over it, as far as the
// extremes of both sides reach. Missing and infinite values are left out. EffectSize is as
// in the function Wasserstein1.
//
// Lo and Hi are the least and the most that moving the values inside their cells can make
// of the distance; they are apart by at most the sum, over the cells, of the width times
// both shares. Lo is at least the distance of the two means, which is known nearly exactly.
//
// An unknown column, one that is not numeric, or a side without finite values is an
// [*InputError].
func (p *Profile) Wasserstein1(column string) (ProfileResult, error) {
	c, ref, cur, err := p.sides(column, true)
	if err != nil {
		return ProfileResult{}, err
	}
	for name, side := range map[string]*tally{"reference": ref, "current": cur} {
		if side.Moments.N == 0 {
			return ProfileResult{}, &InputError{Sample: name, Index: -1, What: fmt.Sprintf("has no finite values of %q", column)}
		}
	}
	w := cellWasserstein(c, ref, cur)
	lo, hi := c.wassersteinBounds(ref, cur)
	return ProfileResult{
		Result: Result{
			Statistic:  w,
			PValue:     math.NaN(),
			EffectSize: samples.Relative(w, ref.Moments.Std()),
			NReference: int(ref.Moments.N),
			NCurrent:   int(cur.Moments.N),
		},
		Lo: min(lo, w),
		Hi: max(hi, w),
	}, nil
}

// wassersteinBounds returns the least and the largest distance that the rows may have.
// Inside a cell the difference of the distribution functions stays between that of having
// all values of the one side first, and that of having all of the other first.
func (c *cells) wassersteinBounds(ref, cur *tally) (least, most float64) {
	lo := min(ref.Moments.Min, cur.Moments.Min)
	hi := max(ref.Moments.Max, cur.Moments.Max)
	n, m := float64(ref.Moments.N), float64(cur.Moments.N)
	var r, k float64
	end := lo
	for i := range ref.Cells {
		nextR, nextK := r+float64(ref.Cells[i]), k+float64(cur.Cells[i])
		highest, lowest := nextR/n-k/m, r/n-nextK/m
		from, to := c.bounds(i, lo, hi)
		between := area(math.Abs(r/n-k/m), end, from)
		most += between + area(max(highest, -lowest), from, to)
		least += between + area(max(lowest, -highest, 0), from, to)
		r, k, end = nextR, nextK, to
	}
	means := math.Abs(ref.Moments.Mean() - cur.Moments.Mean())
	// The means are of values rounded to the unit.
	means -= math.Ldexp(2, c.unit.Exponent) + 1e-15*max(math.Abs(lo), math.Abs(hi))
	return max(least, means), min(most, math.MaxFloat64)
}

// PSI compares the rows counted with the reference by [PSI]: of a categorical column on its
// levels and a cell for unseen values; of a numeric one on at most ten groups of cells with
// about the same share of the reference, infinities belonging to the first or the last. Where
// at least five rows of the reference share its smallest or its largest value, what lies
// beyond is a group of its own, and so is what lies between two values that are each a group.
// Missing values are left out. It is exactly that of the rows on these cells, so Lo and Hi
// are Statistic.
//
// An unknown column, or a side without values, is an [*InputError].
func (p *Profile) PSI(column string) (ProfileResult, error) {
	return p.onTable(column, func(t countPair) Result { return t.result(t.psi()) })
}

// JensenShannon compares the rows counted with the reference by [JensenShannon] on the cells
// of [Profile.PSI], with the same errors. It is exactly that of the rows on these cells,
// so Lo and Hi are Statistic; a finer division could only show a larger distance.
func (p *Profile) JensenShannon(column string) (ProfileResult, error) {
	return p.onTable(column, countPair.jensenShannonResult)
}

// ChiSquare compares the rows counted with the reference by [ChiSquare] on the cells of
// [Profile.PSI], with the same errors and warnings. It is exactly that of the rows on these
// cells, so Lo and Hi are Statistic. The cells of a numeric column were chosen by the
// reference alone, which the p-value does not mind.
func (p *Profile) ChiSquare(column string) (ProfileResult, error) {
	return p.onTable(column, countPair.chiSquareResult)
}

// onTable returns what a method on counts finds.
func (p *Profile) onTable(column string, method func(countPair) Result) (ProfileResult, error) {
	c, ref, cur, err := p.sides(column, false)
	if err != nil {
		return ProfileResult{}, err
	}
	pair := levelCounts(ref, cur)
	if c.kind == KindNumeric {
		pair = pairCounts(c.group(ref, cur, tableGroups))
	}
	result := method(pair)
	return ProfileResult{Result: result, Lo: result.Statistic, Hi: result.Statistic}, nil
}

// sides returns both sides of a column, which have values.
func (p *Profile) sides(column string, numeric bool) (c *cells, ref, cur *tally, err error) {
	if p.ref == nil {
		return nil, nil, nil, &InputError{Sample: "profile", Index: -1, What: "is not made by Reference.NewProfile"}
	}
	i, known := p.ref.index[column]
	if !known {
		return nil, nil, nil, &InputError{Sample: fmt.Sprintf("column %q", column), Index: -1,
			What: fmt.Sprintf("is unknown; the reference has %q", p.ref.Names())}
	}
	c, ref, cur = &p.ref.cells[i], &p.ref.tallies[i], &p.tallies[i]
	switch {
	case numeric && c.kind != KindNumeric:
		err = &InputError{Sample: fmt.Sprintf("column %q", column), Index: -1, What: fmt.Sprintf("is %v, want numeric", c.kind)}
	case ref.values() == 0:
		err = &InputError{Sample: "reference", Index: -1, What: fmt.Sprintf("has no values of %q", column)}
	case cur.values() == 0:
		err = &InputError{Sample: "current", Index: -1, What: fmt.Sprintf("has no values of %q", column)}
	}
	return c, ref, cur, err
}
