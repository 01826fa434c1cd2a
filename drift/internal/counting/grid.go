package counting

import (
	"errors"
	"fmt"
	"math"
)

// Grid divides the numbers into cells of which a number's own is found by arithmetic,
// without a search: cell 0 for what is below, cells 1 to Size, and cell Size+1 for what is
// above. It only says where to look; what belongs together is said by edges, or by a table
// of the cells.
//
// A number is measured as its distance from Centre, times Rate, so that the unit it is given
// in makes no difference. The cells of a linear grid are one wide. Those of another kind
// widen in proportion to the distance, so that one grid resolves the bulk of a distribution
// and its tails, be they as heavy as they may. It uses that the bits of a positive float64,
// read as an integer, are a piecewise linear approximation of its logarithm.
type Grid struct {
	Size   int     `json:"size"`
	Centre float64 `json:"centre"` // of a linear grid, the lower end
	Rate   float64 `json:"rate"`   // above 0
	// Shift is 0 for a linear grid. Else it is the logarithm of the number of keys in a
	// cell; cell i holds the keys from (Base+i) << Shift.
	Shift uint  `json:"shift,omitempty"`
	Base  int64 `json:"base,omitempty"`
	// Tails is the number of sides on which the cells widen. If it is 1, what is below
	// Centre is below the grid; if it is 2, the cells within a distance of 1 are about as
	// wide as each other.
	Tails int `json:"tails,omitempty"`
}

const (
	maxGrid = 1 << 20 // the largest Size
	// maxBase is above any Base, as keys are shifted once at least: differences from it do not
	// overflow.
	maxBase = 1 << 62
)

// tooFar is a number of cells that is above any grid and below any overflow.
const tooFar = 1 << 62

func (g *Grid) linear() bool { return g.Shift == 0 }

// aside keeps quantiles off the ends of cells, where the rounding of one unit or another
// would move them across. It is no binary fraction.
const aside = 1 + 1.0/73

func newLinearGrid(lo, hi float64, size int) Grid {
	return Grid{Size: size, Centre: lo, Rate: float64(size) / aside / (hi - lo)}
}

// newLogGrid returns a grid of at most size cells from lo to hi, and at least half as many
// if there are so many numbers. Cells widen from a distance of scale on; if there is one
// tail, that is from lo on.
func newLogGrid(tails int, centre, scale, lo, hi float64, size int) Grid {
	g := Grid{Centre: centre, Rate: 1 / scale, Shift: 1, Tails: tails}
	low, high := g.key(lo), g.key(hi)
	for high>>g.Shift-low>>g.Shift >= int64(size) {
		g.Shift++
	}
	g.Base = low>>g.Shift - 1
	g.Size = int(high>>g.Shift - low>>g.Shift + 1)
	return g
}

// check returns an error if locate could go wrong on the grid.
func (g *Grid) check() error {
	switch {
	case g.Size < 1 || g.Size > maxGrid:
		return fmt.Errorf("a grid of %d cells, want 1 to %d", g.Size, maxGrid)
	case math.IsNaN(g.Centre) || math.IsInf(g.Centre, 0):
		return errors.New("a grid without a centre")
	case !(g.Rate > 0) || math.IsInf(g.Rate, 0):
		return fmt.Errorf("a grid with the rate %v, want above 0 and finite", g.Rate)
	case g.Base <= -maxBase || g.Base >= maxBase:
		return fmt.Errorf("a grid from %d on, want less than %d", g.Base, int64(maxBase))
	case g.linear() && (g.Base != 0 || g.Tails != 0),
		!g.linear() && (g.Shift > 63 || g.Tails != 1 && g.Tails != 2):
		return errors.New("a grid that is neither linear nor logarithmic")
	}
	return nil
}

// one is the key of a distance of 1, of which a grid with two tails takes the logarithm at
// its centre.
const one = 0x3ff << 52

// key maps numbers to integers in the same order. Equal numbers, 0 and -0 among them, have
// equal keys.
func (g *Grid) key(x float64) int64 {
	t := float64((x - g.Centre) * g.Rate)
	if g.Tails == 1 {
		return max(int64(math.Float64bits(t)), 0)
	}
	k := int64(math.Float64bits(math.Abs(t)+1)) - one
	sign := int64(math.Float64bits(t)) >> 63
	return (k ^ sign) - sign
}

// locate writes the cell of each value, of which there are at most blockSize and which are
// finite. A larger value has no lower cell.
func (g *Grid) locate(cells *[blockSize]uint32, values []float64) {
	values = values[:min(len(values), blockSize)]
	if !g.linear() {
		g.locateLog(cells, values)
		return
	}
	lo, rate, last := g.Centre, g.Rate, int64(g.Size)+1
	for i, x := range values {
		t := float64((x-lo)*rate) + 1
		if t > tooFar {
			t = tooFar
		}
		// The integer of what overflows below is negative too.
		cells[i] = uint32(min(max(int64(t), 0), last))
	}
}

// locateLog has key written out, which is too long to be inlined.
func (g *Grid) locateLog(cells *[blockSize]uint32, values []float64) {
	values = values[:min(len(values), blockSize)]
	centre, rate := g.Centre, g.Rate
	shift, base, last := g.Shift&63, g.Base, int64(g.Size)+1
	if g.Tails == 1 {
		for i, x := range values {
			k := max(int64(math.Float64bits((x-centre)*rate)), 0)
			cells[i] = uint32(min(max(k>>shift-base, 0), last))
		}
		return
	}
	for i, x := range values {
		t := float64((x - centre) * rate)
		k := int64(math.Float64bits(math.Abs(t)+1)) - one
		sign := int64(math.Float64bits(t)) >> 63
		cells[i] = uint32(min(max(((k^sign)-sign)>>shift-base, 0), last))
	}
}

// index returns the cell of x, which is not NaN, as locate does.
func (g *Grid) index(x float64) int {
	if !g.linear() {
		return int(min(max(g.key(x)>>(g.Shift&63)-g.Base, 0), int64(g.Size)+1))
	}
	t := min(float64((x-g.Centre)*g.Rate)+1, tooFar)
	return int(min(max(int64(t), 0), int64(g.Size)+1))
}

// fitGrid returns the grid of at most size cells on which the fullest cell holds the
// fewest of the values, which must be sorted, finite and at least one, and the share of
// them in that cell. The outermost k-th part of the values on either side may be outside.
func fitGrid(sorted []float64, k, size int) (best Grid, fullest float64) {
	tail := int(float64(len(sorted)-1) / float64(k))
	lo, hi := sorted[tail], sorted[len(sorted)-1-tail]
	q := func(share float64) float64 { return sorted[int(share*float64(len(sorted)-1))] }
	median := q(0.5)
	grids := make([]Grid, 0, 5)
	if linear := newLinearGrid(lo, hi, size); linear.check() == nil {
		grids = append(grids, linear)
	}
	for _, c := range [...]struct {
		tails         int
		centre, scale float64
	}{
		{2, median, q(0.75)/2 - q(0.25)/2},       // two tails
		{1, lo - aside*(median-lo), median - lo}, // an upper tail
		{1, lo - aside*(q(0.1)-lo), q(0.1) - lo}, // over orders of magnitude
		{2, hi, aside * (hi - median)},           // a lower tail
	} {
		if rate := 1 / c.scale; rate > 0 && !math.IsInf(rate, 0) && !math.IsInf(c.centre, 0) {
			grids = append(grids, newLogGrid(c.tails, c.centre, c.scale, lo, hi, size))
		}
	}
	if len(grids) == 0 { // nearly all values are the same
		const least, most = 1e-307, 1e307 // whose inverses are finite
		grids = append(grids, newLogGrid(2, median, min(max(math.Abs(median), least), most), lo, hi, size))
	}
	fullest = math.Inf(1)
	for _, g := range grids {
		share := g.fullest(sorted, k)
		// A linear grid is twice as fast, so it may be coarser.
		if share < fullest && !(best.linear() && fullest < 4/float64(k)) {
			best, fullest = g, share
		}
	}
	return best, fullest
}

// fullest returns the share of the values that the fullest of the cells 1 to Size holds,
// judged by some quantiles, of which there are several for each k-th part.
func (g *Grid) fullest(sorted []float64, k int) float64 {
	step := max(len(sorted)/(8*k), 1)
	var most, run, looked, last int
	var cells [blockSize]uint32
	var block [blockSize]float64
	for i := 0; i < len(sorted); {
		n := 0
		for ; n < blockSize && i < len(sorted); n, i = n+1, i+step {
			block[n] = sorted[i]
		}
		g.locate(&cells, block[:n])
		looked += n
		for _, c := range cells[:n] {
			if int(c) != last {
				run, last = 0, int(c)
			}
			run++
			if last > 0 && last <= g.Size {
				most = max(most, run)
			}
		}
	}
	return float64(most) / float64(looked)
}
