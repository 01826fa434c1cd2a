package drift

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// table is a column's counts as a table of two rows, and what the chi-square test makes of
// it.
type table struct {
	pair, merged countPair
	// fair is pair with the unseen values and the levels that may as well have been unseen in
	// one cell.
	fair countPair
	// rare is the share that merging may hide, see countPair.mergeRare.
	rare float64
}

// tableGroups is the largest number of groups that the cells of numbers are added up to.
const tableGroups = 10

// newTable returns the counts on the levels, unseen values being one more, or on groups of
// numbers. Both sides must have values.
//
// The groups hold equally much of the reference, so one that is below the least expected
// count would be so for what is current in it, and merging it would be merging by the
// outcome. There are so few of them that this does not happen.
func newTable(c *cells, ref, cur *tally) table {
	var t table
	if c.kind == KindCategorical {
		t.pair = levelCounts(ref, cur)
	} else {
		n, m := float64(ref.values()), float64(cur.values())
		groups := min(max(n/(n+m)*m/minExpected, 2), tableGroups)
		t.pair = pairCounts(groupCells(ref, cur, int64(groups)))
	}
	// Unseen values are rare levels of the reference that happen to have a count of 0
	// there; on their own they would be a cell chosen for being empty.
	unseen := c.kind == KindCategorical && cur.Unseen > 0
	t.merged, t.rare = t.pair.mergeRare(unseen)
	t.fair = t.pair
	if unseen {
		t.fair = t.pair.poolMissable()
	}
	return t
}

// poolMissable adds to the last cell, of unseen values, the levels of so few rows on both
// sides together that without any change all of them could be current ones. The unseen ones
// on their own are levels chosen for having no row in the reference, and look like a change
// where there is none.
func (p countPair) poolMissable() countPair {
	const chance = 0.05
	most := math.Log(chance) / math.Log(p.m/(p.n+p.m))
	pooled := countPair{n: p.n, m: p.m}
	last := len(p.r) - 1
	r, c := p.r[last], p.c[last]
	for i := range last {
		if p.r[i]+p.c[i] <= most {
			r, c = r+p.r[i], c+p.c[i]
			continue
		}
		pooled.r, pooled.c = append(pooled.r, p.r[i]), append(pooled.c, p.c[i])
	}
	pooled.r, pooled.c = append(pooled.r, r), append(pooled.c, c)
	return pooled
}

// expectedMerging returns the share that countPair.mergeRare is to pool, and the number of
// cells that it is to keep, if so many current values have the reference's shares. The share
// is one that chance seldom exceeds.
func expectedMerging(reference []int64, n, m float64) (rare, kept float64) {
	for _, count := range reference {
		r := float64(count)
		// The current count is about a Poisson variable.
		mean := r / n * m
		least := minExpected * (n + m) / min(n, m)
		pooled := distuv.UnitNormal.CDF((least - r - mean) / math.Sqrt(max(mean, 0.5)))
		rare += pooled * r / n
		kept += 1 - pooled
	}
	return rare + 2*math.Sqrt(rare/m), kept
}

// test returns the statistic and the p-value of the method: those of the G-test, or else of
// the chi-square test.
func (t table) test(name TestName) (statistic, pValue float64) {
	if name != TestG || len(t.merged.r) < 2 {
		return t.merged.chiSquare()
	}
	result, _ := GTest(t.merged.r, t.merged.c) // counts are valid
	return result.Statistic, chiSquareSurvival(result.Statistic/t.williams(), t.degrees())
}

// williams returns the factor by which G is too large on average (Williams, "Improved
// likelihood ratio tests for complete contingency tables", 1976).
func (t table) williams() float64 {
	n, m := t.merged.n, t.merged.m
	total := n + m
	sum := 0.0
	for i := range t.merged.r {
		sum += total / (t.merged.r[i] + t.merged.c[i])
	}
	return 1 + (total/n+total/m-1)*(sum-1)/(6*total*float64(t.degrees()))
}

func (t table) degrees() int { return max(len(t.merged.r)-1, 1) }

// effect returns the method's measure as it is found, an estimate of the true one, and an
// interval of that at the level 1-alpha.
func (t table) effect(name TestName, alpha float64) (observed, effect float64, ci CI) {
	switch name {
	case TestPSI:
		effect, ci = psiDivergence.effect(t.pair, t.fair, alpha)
		return t.pair.psi(), effect, ci
	case TestJensenShannon:
		effect, ci = jensenShannonDivergence.effect(t.pair, t.fair, alpha)
		return t.pair.jensenShannon(), effect, ci
	case TestHellinger:
		result, _ := Hellinger(t.pair.r, t.pair.c) // counts are valid
		effect, ci = hellingerDivergence.effect(t.pair, t.fair, alpha)
		return result.Statistic, effect, ci
	}
	observed = t.pair.totalVariation()
	effect = min(t.fair.crossedVariation(), observed)
	return observed, effect, t.variationCI(observed, effect, alpha)
}

// crossedInflation bounds the variance of a cross-validated difference, in terms of that of
// the difference.
const crossedInflation = 1.85

// variationCI returns an interval of the total variation. Noise moves the observed one
// upwards on average and the cross-validated one downwards, so the upper end is taken from
// the one and the lower from the other, and neither depends on the number of cells. One row
// more or less moves the observed one by at most its weight, which bounds its error
// (McDiarmid, "On the method of bounded differences", 1989).
func (t table) variationCI(observed, effect, alpha float64) CI {
	below := normalQuantile(alpha) * math.Sqrt(crossedInflation/(4*t.effective()))
	above := ksDetectable(alpha, t.effective())
	return CI{Lo: max(effect-below, 0), Hi: min(observed+above, 1), Level: 1 - alpha}
}

func (t table) effective() float64 { return t.pair.n / (t.pair.n + t.pair.m) * t.pair.m }
