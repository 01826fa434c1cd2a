package drift

import (
	"math"
	"slices"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
)

// table holds the counts of a column as a table of two rows, divided for the tests.
type table struct {
	pair countPair
	// kept holds the cells with enough observations for the chi-square distribution. The pool
	// is one of these cells if it has enough observations itself. Otherwise Fisher's exact
	// test compares the pool with the rest.
	kept countPair
	pool countPair
	// hidden is the total variation that pooling may hide.
	hidden float64
	// fair is pair with one cell for all values that the reference could have missed.
	fair countPair
}

// tableGroups is the largest number of groups of numeric cells.
const tableGroups = 10

// newTable returns the counts on the levels and one cell for unseen values, or on groups of
// numbers. Both sides must have values.
//
// The groups hold equal shares of the reference. A group below the least expected count would
// therefore be small because of its current count, and merging it would be merging by the
// outcome. There are so few groups that this does not happen.
func newTable(c *cells, ref, cur *tally) table {
	var t table
	if c.kind == KindCategorical {
		t.pair = levelCounts(ref, cur)
	} else {
		n, m := float64(ref.values()), float64(cur.values())
		groups := min(max(n/(n+m)*m/minExpected, 2), tableGroups)
		t.pair = pairCounts(c.group(ref, cur, int64(groups)))
	}
	// Unseen values are rare levels that have a count of 0 in the reference by chance. A cell
	// of unseen values alone would be a cell chosen for being empty.
	unseen := c.kind == KindCategorical && cur.Unseen > 0
	t.kept, t.pool, t.hidden = t.pair.splitRare(unseen)
	if t.pooled() && t.pool.expected(0) >= minExpected {
		t.kept = t.whole()
		t.pool = countPair{}
	}
	t.fair = t.pair
	if unseen {
		t.fair = t.pair.poolMissable()
	}
	return t
}

// fullTable returns the counts without pooling. Both sides must have values.
func fullTable(c *cells, ref, cur *tally) countPair {
	if c.kind == KindNumeric {
		return pairCounts(c.group(ref, cur, tableGroups))
	}
	return levelCounts(ref, cur)
}

// levelCounts returns the counts of the levels and, as the last cell, of the unseen values.
func levelCounts(ref, cur *tally) countPair {
	return pairCounts(append(slices.Clone(ref.Cells), 0), append(slices.Clone(cur.Cells), cur.Unseen))
}

// pooled reports whether the rare cells are a pool of their own.
func (t *table) pooled() bool { return len(t.pool.r) > 0 }

// whole returns the kept cells, and the pool as one cell if there is a pool.
func (t *table) whole() countPair {
	if !t.pooled() {
		return t.kept
	}
	return countPair{
		r: append(slices.Clone(t.kept.r), t.pool.r[0]), n: t.pair.n,
		c: append(slices.Clone(t.kept.c), t.pool.c[0]), m: t.pair.m,
	}
}

// poolMissable adds rare levels to the last cell, which counts the unseen values. A level is
// rare if, without any change, chance could make all of its rows current. Unseen values have no
// row in the reference by selection, so on their own they look like a change even without one.
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

// expectedSplit returns what countPair.splitRare is expected to do with m current values that
// have the shares of the reference. rare and kept are the expected numbers of cells inside and
// outside the pool. share is the share of values in the pool, plus a margin.
func expectedSplit(reference []int64, n, m float64) (share, rare, kept float64) {
	for _, count := range reference {
		r := float64(count)
		// The current count is about a Poisson variable.
		mean := r / n * m
		least := minExpected * (n + m) / min(n, m)
		pooled := distuv.UnitNormal.CDF((least - r - mean) / math.Sqrt(max(mean, 0.5)))
		share += pooled * r / n
		rare += pooled
		kept += 1 - pooled
	}
	return share + 2*math.Sqrt(share/m), rare, kept
}

// exactBelow is the expected count from which the limit is as good as an exact, long sum.
const exactBelow = 100

// pValue returns the p-value of the table: the smaller of the p-values of the kept cells and
// of the pool, doubled if both are tested.
//
// The limit of X² gives too many false alarms where expected counts are small and unequal: at
// level 1e-5 the rate of false alarms can be 5e-5. G with Williams' correction does not, so
// the larger of the two p-values is used.
func (t *table) pValue() float64 {
	switch {
	case !t.pooled():
		return t.kept.homogeneity()
	case t.bothTests():
		return min(2*min(t.kept.homogeneity(), t.pool.fisher()), 1)
	default:
		return t.pool.fisher()
	}
}

// bothTests reports whether both the kept cells and the pool are tested.
func (t *table) bothTests() bool {
	return t.pooled() && len(t.kept.r) > 1 && t.kept.n > 0 && t.kept.m > 0
}

// homogeneity returns the p-value of equal shares. Both sides must have observations.
func (p countPair) homogeneity() float64 {
	if len(p.r) < 2 {
		return 1
	}
	if p.exact() {
		return p.fisher()
	}
	smaller := min(p.chiSquare(), p.logLikelihoodRatio()/p.williams())
	return nulldist.ChiSquare(smaller, len(p.r)-1)
}

// exact reports whether Fisher's test replaces the limit.
func (p countPair) exact() bool { return len(p.r) == 2 && p.lowestExpected() < exactBelow }

func (p countPair) fisher() float64 {
	return nulldist.Fisher(int(p.c[0]), int(p.m), int(p.r[0]+p.c[0]), int(p.n+p.m))
}

// williams returns the factor by which G is too large on average (Williams, "Improved
// likelihood ratio tests for complete contingency tables", 1976).
func (p countPair) williams() float64 {
	total := p.n + p.m
	sum := 0.0
	for i := range p.r {
		sum += total / (p.r[i] + p.c[i])
	}
	return 1 + (total/p.n+total/p.m-1)*(sum-1)/(6*total*float64(len(p.r)-1))
}

// detectable returns a total variation that is certain to be significant at the level: the sum
// of the total variations that the kept cells, the pool, and the cells within the pool can hide.
func (t *table) detectable(level float64) float64 {
	both := t.bothTests()
	if both {
		level /= 2
	}
	var most float64
	switch {
	case both:
		most = t.kept.detectable(level) + t.pool.fisherDetectable(level)
	case t.pooled():
		most = t.pool.fisherDetectable(level)
	default:
		most = t.kept.detectable(level)
	}
	return min(most+t.hidden, 1)
}

func (p countPair) detectable(level float64) float64 {
	if len(p.r) < 2 || p.exact() {
		return p.fisherDetectable(level)
	}
	return chiSquareDetectable(level, p.n/(p.n+p.m)*p.m/p.williams(), len(p.r)-1)
}

// fisherDetectable returns the smallest difference between the shares of the second of two
// cells that is certain to be significant. With one cell, the second cell is empty in the
// reference. The result is bounded because a share stays within [0, 1]. The reference is kept
// fixed, because a change of the current side alone changes the sum of both sides.
func (p countPair) fisherDetectable(level float64) float64 {
	n, m, r := int(p.n), int(p.m), 0
	if len(p.r) > 1 {
		r = int(p.r[1])
	}
	significant := func(x int) bool { return nulldist.Fisher(x, m, r+x, n+m) <= level }
	rate := float64(r) / p.n
	middle := min(int(math.Round(rate*p.m)), m)
	rise, fall := 1-rate, rate
	if x, ok := outwards(middle, m, significant); ok {
		rise = float64(x)/p.m - rate
	}
	if x, ok := outwards(middle, 0, significant); ok {
		fall = rate - float64(x)/p.m
	}
	return max(rise, fall)
}

// outwards returns the first integer on the way for which holds is true, and stays true.
func outwards(from, to int, holds func(x int) bool) (first int, ok bool) {
	distance, sign := to-from, 1
	if distance < 0 {
		distance, sign = -distance, -1
	}
	reach := 1 // doubled, because far away holds takes long
	for reach < distance && !holds(from+sign*reach) {
		reach *= 2
	}
	reach = min(reach, distance)
	k := sort.Search(reach+1, func(k int) bool { return holds(from + sign*k) })
	return from + sign*k, k <= reach
}

// variation returns the observed total variation, an estimate of the true one, and an interval.
func (t *table) variation(alpha float64) (observed, effect float64, ci CI) {
	observed = t.pair.totalVariation()
	effect = min(t.fair.crossedVariation(), observed)
	return observed, effect, t.variationCI(observed, effect, alpha)
}

// crossedInflation bounds the ratio of the variances of a cross-validated and a plain
// difference.
const crossedInflation = 1.85

// variationCI returns an interval of the total variation. On average, noise raises the
// observed total variation and lowers the cross-validated one. So the upper end comes from the
// observed one and the lower end from the cross-validated one, and neither end depends on the
// number of cells. One row changes the observed total variation by at most the weight of the
// row, which bounds the error (McDiarmid, "On the method of bounded differences", 1989).
func (t *table) variationCI(observed, effect, alpha float64) CI {
	below := normalQuantile(alpha) * math.Sqrt(crossedInflation/(4*t.effective()))
	above := nulldist.KSDetectable(alpha, t.effective())
	return CI{Lo: max(effect-below, 0), Hi: min(observed+above, 1), Level: 1 - alpha}
}

func (t *table) effective() float64 { return t.pair.n / (t.pair.n + t.pair.m) * t.pair.m }

// splitRare returns the cells with an expected count of at least 5, and the other cells as a
// pool. If lastPooled is set, the last cell is in the pool whatever its count. The counts that
// decide are sums of both samples, so a test of either part stays valid. Pooling hides the
// total variation within the pool, which is at most hidden.
func (p countPair) splitRare(lastPooled bool) (kept, pool countPair, hidden float64) {
	var r, c float64
	cells := 0
	for i := range p.r {
		if p.expected(i) < minExpected || lastPooled && i == len(p.r)-1 {
			r += p.r[i]
			c += p.c[i]
			cells++
			continue
		}
		kept.r, kept.c = append(kept.r, p.r[i]), append(kept.c, p.c[i])
	}
	kept.n, kept.m = p.n-r, p.m-c
	if cells == 0 {
		return kept, pool, 0
	}
	pool = countPair{r: []float64{r, kept.n}, c: []float64{c, kept.m}, n: p.n, m: p.m}
	if cells > 1 {
		hidden = min(r/p.n, c/p.m)
	}
	return kept, pool, hidden
}

// chiSquareDetectable returns a total variation t that is significant at level alpha between
// samples with the effective size N = nm/(n+m). By Cauchy and Schwarz, X² is at least 4Nt².
func chiSquareDetectable(alpha, effective float64, degrees int) float64 {
	critical := distuv.ChiSquared{K: float64(degrees)}.Quantile(1 - alpha)
	return min(math.Sqrt(critical/(4*effective)), 1)
}

// group adds up neighbouring cells to at most the given number of groups with about equal
// reference counts, and to further groups that are empty in the reference, see grouping.
func (c *cells) group(ref, cur *tally, groups int64) (r, k []int64) {
	g := grouping{n: ref.values(), groups: groups, open: true}
	g.add(ref.NegInf, cur.NegInf, true)
	for i := range ref.Cells {
		g.add(ref.Cells[i], cur.Cells[i], c.axis.Single(i))
	}
	g.add(ref.PosInf, cur.PosInf, true)
	return g.finish()
}

// grouping divides a row of cells into groups, see cells.group.
//
// An atom is a single value that many rows of the reference share. If the outermost cell is no
// atom, the extreme of the reference is there by chance. Values beyond it belong to the
// outermost group, because a group of their own would be chosen for being empty. If the
// outermost cell is an atom, the values beyond it start another group. Otherwise a constant
// could move without a change of the counts. The values between two neighbouring groups that
// are each one atom are a group too, because 0.5 is neither 0 nor 1. If there are more values
// than groups, a value between atoms belongs to the group around it.
type grouping struct {
	n, groups   int64
	r, c        []int64 // of the groups
	seen, whole int64   // reference values, and whole shares of n/groups in them
	open        bool    // the next cell with reference values starts a group
	edge, alone bool    // the last group ends with an atom, and is nothing else
	gap         int64   // current values since the last cell with reference values
}

// add takes in the next cell. single tells whether the cell holds a single value.
func (g *grouping) add(r, c int64, single bool) {
	if r == 0 {
		g.gap += c
		return
	}
	atom := single && r >= minExpected // a value of fewer rows may be the last by chance
	full := (g.seen+r)*g.groups >= (g.whole+1)*g.n
	alone := atom && g.open && full
	if atom && g.seen == 0 || alone && g.alone {
		g.split()
	}
	if g.open {
		g.r, g.c = append(g.r, 0), append(g.c, 0)
	}
	g.seen += r
	last := len(g.r) - 1
	g.r[last] += r
	g.c[last] += c + g.gap
	g.gap, g.edge, g.alone = 0, atom, alone
	if g.open = full; full {
		g.whole = g.seen * g.groups / g.n
	}
}

// split makes a group of the gap.
func (g *grouping) split() {
	g.r, g.c = append(g.r, 0), append(g.c, g.gap)
	g.gap = 0
}

// finish returns the groups. The reference must have had values.
func (g *grouping) finish() (r, c []int64) {
	if g.edge {
		g.split()
	}
	g.c[len(g.c)-1] += g.gap
	return g.r, g.c
}
