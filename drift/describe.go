package drift

// describe summarises one side of a column; unseen is the number of unseen values.
func describe(c *cells, ref, t *tally, unseen int64) Side {
	values := t.values()
	s := Side{
		Rows:         int(values + t.Missing),
		Values:       int(values),
		MissingRate:  rate(t.Missing, values+t.Missing),
		InfiniteRate: rate(t.infinite(), values),
		UnseenRate:   rate(unseen, values),
	}
	if m := &t.Moments; m.N > 0 {
		below, above := c.outOfRange(ref, t)
		s.OutOfRangeRate = rate(below+above, m.N)
		s.Numbers = &Numbers{
			Mean: m.Mean(),
			Std:  m.Std(),
			Min:  m.Min,
			P05:  c.axis.Quantile(t.Cells, &t.Moments, 0.05),
			P25:  c.axis.Quantile(t.Cells, &t.Moments, 0.25),
			P50:  c.axis.Quantile(t.Cells, &t.Moments, 0.50),
			P75:  c.axis.Quantile(t.Cells, &t.Moments, 0.75),
			P95:  c.axis.Quantile(t.Cells, &t.Moments, 0.95),
			Max:  m.Max,
		}
	}
	return s
}

// outOfRange returns the numbers of finite values below and above all of the reference, if it
// has any. The least of all numbers has no cell above it that it could be in.
func (c *cells) outOfRange(ref, t *tally) (below, above int64) {
	if len(c.axis.Edges) == 0 {
		return 0, 0
	}
	if ref.Cells[0] == 0 {
		below = t.Cells[0]
	}
	return below, t.Cells[len(t.Cells)-1]
}

func rate(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// distances returns the further measures of two sides that both have values.
func distances(c *cells, ref, cur *tally) *Distances {
	d := new(Distances)
	if ref.Moments.N > 0 && cur.Moments.N > 0 {
		w := cellWasserstein(c, ref, cur)
		d.Wasserstein1 = &w
	}
	pair := fullTable(c, ref, cur)
	d.PSI, d.JensenShannon = pair.psi(), pair.jensenShannon()
	return d
}

// group adds up neighbouring cells to at most so many groups of about the same reference
// count, and to further ones without any that hold what the reference lacks, where it is no
// chance that it does: see grouping.
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
// Where the values are continuous, chance drew the extremes of the reference, and what lies
// beyond them belongs to the outermost groups: a group of its own would be one chosen for
// being empty. That many rows share the extreme is no chance, so beyond such an atom begins
// another group. Else a constant, or the upper value of a flag, could move anywhere without
// a change of the counts. For the same reason what lies between two atoms is a group, if each
// of them is one: 0 and 1 are not 0.5. Where there are more values than groups, those between
// them are of the group that they lie in, as in a histogram.
type grouping struct {
	n, groups   int64
	r, c        []int64 // of the groups
	seen, whole int64   // reference values, and whole shares of n/groups in them
	open        bool    // the next cell with reference values starts a group
	edge, alone bool    // the last group ends with an atom, and is nothing else
	gap         int64   // current values since the last cell with reference values
}

// add takes in the next cell, which is of a single value or not.
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

// split makes the gap a group.
func (g *grouping) split() {
	g.r, g.c = append(g.r, 0), append(g.c, g.gap)
	g.gap = 0
}

// finish returns the groups. There must have been reference values.
func (g *grouping) finish() (r, c []int64) {
	if g.edge {
		g.split()
	}
	g.c[len(g.c)-1] += g.gap
	return g.r, g.c
}
