package reportpage

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/text"
)

// plot is the picture of a numeric column: bars for the reference and a stepped line for the
// current values. One bin is plotUnit wide.
type plot struct {
	Width       int
	Bars, Steps string // SVG paths
	Grid        string // an SVG path, of the lines that Shares label
	Slots       []slot
	Ticks       []tick
	Shares      []tick
}

// slot covers the whole height of a bin and shows its numbers.
type slot struct {
	X     int
	Title string
}

// tick is a label on an axis, at a percentage of the length from the left or from below. At
// either end of the lower axis a label is moved inwards.
type tick struct{ At, Label, Side string }

const (
	plotUnit   = 20
	plotHeight = 200
	plotTop    = 4  // above the highest bar
	plotGap    = 2  // on either side of a bar
	plotApart  = 12 // between bins that do not touch
	plotTicks  = 7  // at most on the lower axis, of intervals
	plotShares = 4  // at most on the other axis

	// The share of the width that a label takes on a small screen, in percent.
	labelMargin = 3
	labelLetter = 2.2
)

func newPlot(bins []drift.Bin) *plot {
	p := new(plot)
	highest := highestShare(bins)
	y := func(share float64) string { return text.Decimals(plotHeight-(plotHeight-plotTop)*share/highest, 1) }
	var bars, steps, grid strings.Builder
	x := 0
	written := writtenEnds(bins)
	for i, b := range bins {
		if i == 0 || !adjacent(bins[i-1], b) {
			if i > 0 {
				fmt.Fprintf(&steps, "V%d", plotHeight)
				x += plotApart
			}
			fmt.Fprintf(&steps, "M%d %d", x, plotHeight)
		}
		p.Slots = append(p.Slots, slot{X: x, Title: slotTitle(b, written)})
		fmt.Fprintf(&bars, "M%d %dV%sH%dV%dZ", x+plotGap, plotHeight, y(b.Reference), x+plotUnit-plotGap, plotHeight)
		x += plotUnit
		fmt.Fprintf(&steps, "V%sH%d", y(b.Current), x)
	}
	fmt.Fprintf(&steps, "V%d", plotHeight)
	step := roundStep(highest, plotShares)
	for i := 1; float64(i)*step <= highest; i++ {
		share := float64(i) * step
		fmt.Fprintf(&grid, "M0 %sH%d", y(share), x)
		p.Shares = append(p.Shares, tick{At: text.Decimals((100-100.0*plotTop/plotHeight)*share/highest, 2), Label: text.Number(100*share) + "\u00a0%"})
	}
	p.Width, p.Bars, p.Steps, p.Grid = x, bars.String(), steps.String(), grid.String()
	p.tick(bins, written)
	return p
}

// writtenEnds returns the text of each end of a bin. Different ends look different.
func writtenEnds(bins []drift.Bin) map[float64]string {
	written := make(map[float64]string)
	for _, b := range bins {
		for _, end := range []*float64{b.Lo, b.Hi} {
			if end != nil {
				written[*end] = ""
			}
		}
	}
	ends := slices.Sorted(maps.Keys(written))
	for i, text := range text.Quantities(ends...) {
		written[ends[i]] = text
	}
	return written
}

func slotTitle(b drift.Bin, written map[float64]string) string {
	name := b.Label
	switch {
	case isValue(b):
		name = written[*b.Hi]
	case b.Lo != nil && b.Hi != nil:
		name = written[*b.Lo] + " to " + written[*b.Hi]
	case b.Hi != nil:
		name = "below " + written[*b.Hi]
	case b.Lo != nil:
		name = "above " + written[*b.Lo]
	}
	reference, current := text.CellPercentsApart(b.Reference, b.Current)
	return fmt.Sprintf("%s: reference %s, current %s", name, reference, current)
}

// roundStep returns the smallest step, 1, 2 or 5 times a power of ten, that fits at most the
// given number of times into a positive length.
func roundStep(length float64, most int) float64 {
	least := length / float64(most)
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, digit := range []float64{1, 2, 5} {
		if digit*power >= least {
			return digit * power
		}
	}
	return 10 * power
}

// adjacent reports whether both bins are intervals and the first ends where the second begins.
func adjacent(a, b drift.Bin) bool {
	return isInterval(a) && isInterval(b) && *a.Hi == *b.Lo
}

func isInterval(b drift.Bin) bool { return b.Lo != nil && b.Hi != nil && *b.Lo < *b.Hi }

// tick labels the lower axis. Open bins always have a label. Ends of intervals, or single
// values, have labels as far as a small screen has room.
func (p *plot) tick(bins []drift.Bin, written map[float64]string) {
	var taken [][2]float64 // what labels take of the axis
	add := func(at float64, label string, always bool) {
		at *= 100 / float64(p.Width)
		half := (labelMargin + labelLetter*float64(utf8.RuneCountInString(label))) / 2
		side, from, to := "", at-half, at+half
		switch {
		case from < 0:
			side, at, from, to = "first", 0, 0, 2*half
		case to > 100:
			side, at, from, to = "last", 100, 100-2*half, 100
		}
		for _, other := range taken {
			if from < other[1] && other[0] < to && !always {
				return
			}
		}
		taken = append(taken, [2]float64{from, to})
		p.Ticks = append(p.Ticks, tick{At: text.Decimals(at, 2), Label: label, Side: side})
	}
	middle := func(i int) float64 { return float64(p.Slots[i].X) + plotUnit/2 }
	for i, b := range bins {
		switch {
		case b.Lo == nil && b.Hi != nil:
			add(middle(i), "< "+written[*b.Hi], true)
		case b.Lo != nil && b.Hi == nil:
			add(middle(i), "> "+written[*b.Lo], true)
		}
	}
	step := p.tickStep(bins)
	for i, b := range bins {
		switch {
		case b.Lo == nil && b.Hi == nil:
			add(middle(i), "other", false)
		case isValue(b):
			add(middle(i), written[*b.Lo], false)
		case isInterval(b):
			if isMultiple(*b.Lo, step) {
				add(float64(p.Slots[i].X), written[*b.Lo], false)
			}
			if isMultiple(*b.Hi, step) && (i == len(bins)-1 || !adjacent(b, bins[i+1])) {
				add(float64(p.Slots[i].X)+plotUnit, written[*b.Hi], false)
			}
		}
	}
}

// tickStep returns the round distance between labelled ends, or 0 if the width is not round.
func (p *plot) tickStep(bins []drift.Bin) float64 {
	lo, hi, width := math.Inf(1), math.Inf(-1), 0.0
	for _, b := range bins {
		if isInterval(b) {
			lo, hi, width = min(lo, *b.Lo), max(hi, *b.Hi), *b.Hi-*b.Lo
		}
	}
	if width == 0 || math.IsInf(hi-lo, 0) {
		return 0
	}
	step := roundStep(hi-lo, plotTicks)
	for range 3 {
		if isMultiple(step, width) {
			return step
		}
		step = roundStep(1.5*step, 1)
	}
	return 0
}

// isMultiple reports whether x is a whole number of steps, up to rounding, or step is 0.
func isMultiple(x, step float64) bool {
	return step == 0 || math.Abs(x/step-math.Round(x/step)) < 1e-6
}
