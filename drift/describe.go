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

// outOfRange returns the numbers of finite values below and above all values of the reference.
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

// distances returns the further distances between two sides that both have values.
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
