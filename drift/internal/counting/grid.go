package counting

import (
	"errors"
	"fmt"
	"math"
)

// Grid divides the numbers into cells that are found by arithmetic, without a search. Cell 0
// is below the grid, cells 1 to Size are inside, and cell Size+1 is above. A grid only narrows
// the search for the edges around a number.
//
// The grid measures the distance of a number from Centre, times Rate, so the unit of the
// numbers makes no difference. The cells of a linear grid have the width 1. The cells of a
// logarithmic grid widen in proportion to the distance, so one grid resolves both the bulk of
// a distribution and heavy tails. The bits of a positive float64, read as an integer, serve as
// a piecewise linear approximation of the logarithm.
type Grid struct {
	Size   int     `json:"size"`
	Centre float64 `json:"centre"` // of a linear grid, the lower end
	Rate   float64 `json:"rate"`   // above 0
	// Shift is 0 for a linear grid. Otherwise a cell has 2^Shift keys, and cell i holds the
	// keys from (Base+i) << Shift.
	Shift uint  `json:"shift,omitempty"`
	Base  int64 `json:"base,omitempty"`
	// Tails is the number of sides on which the cells widen. With one tail, the numbers below
	// Centre are below the grid. With two tails, cells within a distance of 1 are about equal.
	Tails int `json:"tails,omitempty"`
}

const (
	maxGrid = 1 << 20 // the largest Size
	// maxBase is above any Base. Differences from a Base do not overflow.
	maxBase = 1 << 62
)

// tooFar is above the number of cells of any grid and does not overflow.
const tooFar = 1 << 62

func (g *Grid) linear() bool { return g.Shift == 0 }

// aside keeps quantiles away from the ends of cells. At the end of a cell, the rounding of a
// unit would move a quantile into the next cell. aside is no binary fraction.
const aside = 1 + 1.0/73

func newLinearGrid(lo, hi float64, size int) Grid {
	return Grid{Size: size, Centre: lo, Rate: float64(size) / aside / (hi - lo)}
}

// newLogGrid returns a grid from lo to hi that widens beyond a distance of scale. It has at
// most size cells, and at least size/2 if there are that many numbers.
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

// check returns an error if locate does not work on the grid.
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

// one is the key of the distance 1. A grid with two tails adds 1 to a distance first.
const one = 0x3ff << 52

// key maps numbers to integers in the same order. Equal numbers have equal keys; -0 equals 0.
func (g *Grid) key(x float64) int64 {
	t := float64((x - g.Centre) * g.Rate)
	if g.Tails == 1 {
		return max(int64(math.Float64bits(t)), 0)
	}
	k := int64(math.Float64bits(math.Abs(t)+1)) - one
	sign := int64(math.Float64bits(t)) >> 63
	return (k ^ sign) - sign
}

// locate writes the cells of finite values, at most blockSize. A larger value has no lower cell.
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
		// A t below the range of int64 converts to a negative integer too.
		cells[i] = uint32(min(max(int64(t), 0), last))
	}
}

// locateLog is locate for a logarithmic grid. It repeats key, which is too long to be inlined.
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

// index returns the cell of x as locate does. x may be infinite but not NaN.
func (g *Grid) index(x float64) int {
	if !g.linear() {
		return int(min(max(g.key(x)>>(g.Shift&63)-g.Base, 0), int64(g.Size)+1))
	}
	t := min(float64((x-g.Centre)*g.Rate)+1, tooFar)
	return int(min(max(int64(t), 0), int64(g.Size)+1))
}

// fitGrid returns the grid of at most size cells that divides the values most evenly, and the
// share of the values in its fullest cell. The values must be sorted and finite, and at least
// one. The outermost k-th part of the values at either end may be outside the grid.
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
	// If no grid is fine enough, the linear grid is faster.
	if first := grids[0]; fullest > coarse/float64(k) && first.linear() {
		return first, first.fullest(sorted, k)
	}
	return best, fullest
}

// fullest returns about the share of the sorted values in the fullest of the cells 1 to Size.
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
