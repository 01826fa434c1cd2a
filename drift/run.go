package drift

// run counts values in their cells and adds them up, at once: each loop over them takes as
// long to read and to check them as to do so.
//
// Its loops call nothing and leave what nearly no value needs to [run.count]: around a call
// the sums would go to memory and back for every value. They write out grid.index, without
// its limits, for they end where a value is outside the grid.
type run struct {
	locator         *locator
	counts          []int64
	centre, inverse float64 // of the unit
	lo, hi          float64 // the range of ordinary values; see [moments.ordinary]

	n    int // the values in the sums
	sums sums
}

func newRun(c *cells, t *tally) run {
	lo, hi := t.Moments.ordinary(c.unit)
	return run{
		locator: &c.locator, counts: t.Cells,
		centre: c.unit.Centre, inverse: c.unit.inverse(),
		lo: lo, hi: hi,
	}
}

func (r *run) ordinary(x float64) bool { return x >= r.lo && x <= r.hi } // NaN is not

// count counts values, at most gridBlock, up to the first that is not ordinary, and returns
// how many.
func (r *run) count(values []float64, located *[gridBlock]uint32) (n int) {
	l := r.locator
	if !l.grid.linear() || len(l.finer) > 0 { // whose arithmetic is too much for one loop
		n = r.add(values)
		l.count(r.counts, values[:n], located)
		r.n += n
		return n
	}
	for {
		if l.aligned {
			n += r.countAligned(values[n:])
		} else {
			n += r.countGuessed(values[n:])
		}
		// What is outside the grid, or not where it was guessed, may have others after it.
		n += r.countNear(values[n:min(n+nearby, len(values))])
		if n == len(values) || !r.ordinary(values[n]) {
			r.n += n
			return n
		}
		x := values[n]
		r.counts[l.find(l.grid.index(x), x)]++
		r.sums = r.sums.with((x - r.centre) * r.inverse)
		n++
	}
}

// add adds up ordinary values, but does not count them.
func (r *run) add(values []float64) (n int) {
	s := r.sums
	lo, hi, centre, inverse := r.lo, r.hi, r.centre, r.inverse
	for n < len(values) {
		x := values[n]
		if !(x >= lo && x <= hi) {
			break
		}
		s = s.with((x - centre) * inverse)
		n++
	}
	r.sums = s
	return n
}

func (r *run) countAligned(values []float64) (n int) {
	s, counts := r.sums, r.counts
	lo, hi, centre, inverse := r.lo, r.hi, r.centre, r.inverse
	guess, origin, rate := r.locator.guess, r.locator.grid.Centre, r.locator.grid.Rate
	for n < len(values) {
		x := values[n]
		if !(x >= lo && x <= hi) {
			break
		}
		at := uint64(int64(float64((x-origin)*rate) + 1))
		if at >= uint64(len(guess)) {
			break
		}
		c := guess[at]
		if c < 0 {
			break
		}
		counts[uint32(c)]++
		s = s.with((x - centre) * inverse)
		n++
	}
	r.sums = s
	return n
}

func (r *run) countGuessed(values []float64) (n int) {
	s, counts := r.sums, r.counts
	lo, hi, centre, inverse := r.lo, r.hi, r.centre, r.inverse
	guess, origin, rate := r.locator.guess, r.locator.grid.Centre, r.locator.grid.Rate
	bounds := r.locator.bounds
	for n < len(values) {
		x := values[n]
		if !(x >= lo && x <= hi) {
			break
		}
		at := uint64(int64(float64((x-origin)*rate) + 1))
		if at >= uint64(len(guess)) {
			break
		}
		c := uint64(uint32(guess[at]))
		if !(x <= bounds[c+1] && bounds[c] < x) {
			break
		}
		counts[c]++
		s = s.with((x - centre) * inverse)
		n++
	}
	r.sums = s
	return n
}

// nearby is how many values are looked for near their cells after one that was not in it.
const nearby = 32

// countNear counts values that are in the cell of the nearest cell of the grid, or next to it.
func (r *run) countNear(values []float64) (n int) {
	s, counts := r.sums, r.counts
	lo, hi, centre, inverse := r.lo, r.hi, r.centre, r.inverse
	guess, origin, rate := r.locator.guess, r.locator.grid.Centre, r.locator.grid.Rate
	bounds := r.locator.bounds
	for n < len(values) {
		x := values[n]
		if !(x >= lo && x <= hi) {
			break
		}
		c := guess[min(max(int64(float64((x-origin)*rate)+1), 0), int64(len(guess)-1))]
		c = max(c, ^c)
		at := uint64(uint32(c) + above(x, bounds[c+1]) + above(x, bounds[c]) - 1)
		if !(x <= bounds[at+1] && bounds[at] < x) {
			break
		}
		counts[at]++
		s = s.with((x - centre) * inverse)
		n++
	}
	r.sums = s
	return n
}
