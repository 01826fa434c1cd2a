package drift

import (
	"errors"
	"fmt"
	"math"
)

// grid divides the numbers into cells of which a number's own is found by arithmetic,
// without a search: cell 0 for what is below, cells 1 to Size, and cell Size+1 for what is
// above. It only says where to look; what belongs together is said by edges, or by a table
// of the cells.
//
// A linear grid has cells of one width. The cells of the other kind are about as wide within
// Scale of Centre, and beyond widen in proportion to the distance, so that one grid resolves
// the bulk of a distribution and its tails, be they as heavy as they may. It uses that the
// bits of a positive float64, read as an integer, are a piecewise linear approximation of
// its logarithm.
type grid struct {
	Size   int     `json:"size"`
	Centre float64 `json:"centre"` // the lower end of a linear grid
	// Rate is the number of cells of a linear grid in a unit; 0 marks the other kind.
	Rate float64 `json:"rate,omitempty"`
	// Scale is above 0. Shift is the logarithm of the number of keys in a cell, at least
	// 1; cell i holds the keys from (Base+i) << Shift.
	Scale float64 `json:"scale,omitempty"`
	Shift uint    `json:"shift,omitempty"`
	Base  int64   `json:"base,omitempty"`
}

// maxGrid is the largest Size.
const maxGrid = 1 << 20

func (g *grid) linear() bool { return g.Rate != 0 }

func newLinearGrid(lo, hi float64, size int) grid {
	return grid{Size: size, Centre: lo, Rate: float64(size) / (hi - lo)}
}

// newLogGrid returns a grid of at most size cells from lo to hi, and at least half as many
// if there are so many numbers.
func newLogGrid(centre, scale, lo, hi float64, size int) grid {
	g := grid{Centre: centre, Scale: scale, Shift: 1}
	low, high := g.key(lo), g.key(hi)
	for high>>g.Shift-low>>g.Shift >= int64(size) {
		g.Shift++
	}
	g.Base = low>>g.Shift - 1
	g.Size = int(high>>g.Shift - low>>g.Shift + 1)
	return g
}

// check returns an error if locate could go wrong on the grid.
func (g *grid) check() error {
	positive := func(x float64) bool { return x > 0 && !math.IsInf(x, 0) }
	switch {
	case g.Size < 1 || g.Size > maxGrid:
		return fmt.Errorf("a grid of %d cells, want 1 to %d", g.Size, maxGrid)
	case math.IsNaN(g.Centre) || math.IsInf(g.Centre, 0):
		return errors.New("a grid without a centre")
	case g.linear() && (!positive(g.Rate) || g.Scale != 0 || g.Shift != 0 || g.Base != 0),
		!g.linear() && (!positive(g.Scale) || g.Shift < 1 || g.Shift > 63):
		return errors.New("a grid that is neither linear nor logarithmic")
	}
	return nil
}

// key maps numbers to integers in the same order. Equal numbers, 0 and -0 among them, have
// equal keys.
func (g *grid) key(x float64) int64 {
	z := x - g.Centre
	k := int64(math.Float64bits(math.Abs(z)+g.Scale) - math.Float64bits(g.Scale))
	sign := int64(math.Float64bits(z)) >> 63
	return (k ^ sign) - sign
}

// gridBlock is how many values are located at once: they and their cells stay in the
// nearest cache.
const gridBlock = 512

// locate writes the cell of each value, of which there are at most gridBlock. A larger value
// has no lower cell; infinities are values. The cell of a NaN is any; if locate returns
// true, there is none.
func (g *grid) locate(cells *[gridBlock]uint32, values []float64) (numbers bool) {
	values = values[:min(len(values), gridBlock)]
	if !g.linear() {
		g.locateLog(cells, values)
		return false
	}
	numbers = true
	lo, rate, size := g.Centre, g.Rate, float64(g.Size)
	for i, x := range values {
		t := (x - lo) * rate
		switch {
		case t >= 0 && t < size:
			cells[i] = uint32(int64(t)) + 1
		case t >= size:
			cells[i] = uint32(g.Size) + 1
		default:
			cells[i] = 0
			numbers = numbers && t < 0
		}
	}
	return numbers
}

// locateLog has key written out, which is too long to be inlined.
func (g *grid) locateLog(cells *[gridBlock]uint32, values []float64) {
	centre, scale, origin := g.Centre, g.Scale, math.Float64bits(g.Scale)
	shift, base, last := g.Shift&63, g.Base, int64(g.Size)+1
	for i, x := range values[:min(len(values), gridBlock)] {
		z := x - centre
		k := int64(math.Float64bits(math.Abs(z)+scale) - origin)
		sign := int64(math.Float64bits(z)) >> 63
		cells[i] = uint32(min(max(((k^sign)-sign)>>shift-base, 0), last))
	}
}

// index returns the cell of x, which is not NaN, as locate does.
func (g *grid) index(x float64) int {
	if !g.linear() {
		return int(min(max(g.key(x)>>(g.Shift&63)-g.Base, 0), int64(g.Size)+1))
	}
	switch t := (x - g.Centre) * g.Rate; {
	case t >= float64(g.Size):
		return g.Size + 1
	case t >= 0:
		return int(t) + 1
	default:
		return 0
	}
}

// middle returns about the middle of a cell from 1 to Size.
func (g *grid) middle(cell int) float64 { return g.at(cell, 0.5) }

// at returns about the number at a share of a cell.
func (g *grid) at(cell int, share float64) float64 {
	if g.linear() {
		return g.Centre + (float64(cell-1)+share)/g.Rate
	}
	k := (g.Base+int64(cell))<<g.Shift + int64(share*float64(int64(1)<<(g.Shift&63)-1))
	sign := k >> 63
	z := math.Float64frombits(math.Float64bits(g.Scale)+uint64((k^sign)-sign)) - g.Scale
	if sign < 0 {
		z = -z
	}
	return g.Centre + z
}

// fitGrid returns the grid of at most size cells on which the fullest cell holds the
// fewest of the values, which must be sorted, finite and at least one, and the share of
// them in that cell. The outermost k-th part of the values on either side may be outside.
func fitGrid(sorted []float64, k, size int) (best grid, fullest float64) {
	q := func(share float64) float64 { return sorted[int(share*float64(len(sorted)-1))] }
	lo, hi, median := q(1/float64(k)), q(1-1/float64(k)), q(0.5)
	grids := make([]grid, 0, 5)
	if rate := float64(size) / (hi - lo); rate > 0 && !math.IsInf(rate, 0) {
		grids = append(grids, newLinearGrid(lo, hi, size))
	}
	for _, c := range [...]struct{ centre, scale float64 }{
		{median, q(0.75)/2 - q(0.25)/2}, // two tails
		{lo, median - lo},               // an upper tail
		{lo, q(0.1) - lo},               // over orders of magnitude
		{hi, hi - median},               // a lower tail
	} {
		if c.scale > 0 && !math.IsInf(c.scale, 0) {
			grids = append(grids, newLogGrid(c.centre, c.scale, lo, hi, size))
		}
	}
	if len(grids) == 0 { // nearly all values are the same
		grids = append(grids, newLogGrid(median, max(math.Abs(median), 1), lo, hi, size))
	}
	step := max(len(sorted)/(8*k), 1) // some quantiles stand for all
	fullest = math.Inf(1)
	for _, g := range grids {
		share := g.fullest(sorted, step)
		// A linear grid is twice as fast, so it may be coarser.
		if share < fullest && !(best.linear() && fullest < 4/float64(k)) {
			best, fullest = g, share
		}
	}
	return best, fullest
}

// fullest returns the share of the values that the fullest of the cells 1 to Size holds,
// judged by every step-th value.
func (g *grid) fullest(sorted []float64, step int) float64 {
	var most, run, looked, last int
	var cells [gridBlock]uint32
	var block [gridBlock]float64
	for i := 0; i < len(sorted); {
		n := 0
		for ; n < gridBlock && i < len(sorted); n, i = n+1, i+step {
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
