package drift

import (
	"fmt"
	"strings"
)

// plot is the picture of a numeric column: the reference as bars, the current values as a
// line of steps over them. One bin is plotUnit wide; the height is plotHeight.
type plot struct {
	Width, Height int
	Bars, Steps   string // SVG paths
	Slots         []slot
	Ticks         []tick
}

// slot is the whole height of a bin, with its numbers.
type slot struct {
	X     int
	Title string
}

// tick is a label below the picture, at a percentage of its width.
type tick struct{ Left, Label string }

const (
	plotUnit   = 20
	plotHeight = 200
	plotGap    = 2 // on either side of a bar
	plotApart  = 8 // between bins that do not touch
	plotTicks  = 6
)

func newPlot(bins []Bin) *plot {
	p := &plot{Height: plotHeight}
	highest := highestShare(bins)
	y := func(share float64) string { return decimals(plotHeight-(plotHeight-4)*share/highest, 1) }
	var bars, steps strings.Builder
	x := 0
	for i, b := range bins {
		if i == 0 || !adjacent(bins[i-1], b) {
			if i > 0 {
				x += plotApart
			}
			fmt.Fprintf(&steps, "M%d %d", x, plotHeight)
		}
		p.Slots = append(p.Slots, slot{X: x, Title: fmt.Sprintf("%s: reference %s, current %s", b.Label, percentCell(b.Reference), percentCell(b.Current))})
		fmt.Fprintf(&bars, "M%d %dV%sH%dV%dZ", x+plotGap, plotHeight, y(b.Reference), x+plotUnit-plotGap, plotHeight)
		x += plotUnit
		fmt.Fprintf(&steps, "V%sH%d", y(b.Current), x)
		if i == len(bins)-1 || !adjacent(b, bins[i+1]) {
			fmt.Fprintf(&steps, "V%d", plotHeight)
		}
	}
	p.Width, p.Bars, p.Steps = x, bars.String(), steps.String()
	p.tick(bins)
	return p
}

// adjacent reports whether both bins are intervals, and one goes on where the other ends.
func adjacent(a, b Bin) bool {
	return isInterval(a) && isInterval(b) && *a.Hi == *b.Lo
}

func isInterval(b Bin) bool { return b.Lo != nil && b.Hi != nil && *b.Lo < *b.Hi }

// tick labels the lower ends of some intervals, and other bins in their middle.
func (p *plot) tick(bins []Bin) {
	every := (len(bins) + plotTicks - 1) / plotTicks
	next := 0
	for i, b := range bins {
		open := b.Lo == nil || b.Hi == nil
		if i < next && !(open && i > next-every+1) {
			continue
		}
		at, label := float64(p.Slots[i].X)+plotUnit/2, ""
		switch {
		case b.Lo == nil && b.Hi == nil:
			label = "other"
		case b.Lo == nil:
			label = "less"
		case b.Hi == nil:
			label = "more"
		case isInterval(b):
			at, label = float64(p.Slots[i].X), formatValue(*b.Lo)
		default:
			label = formatValue(*b.Lo)
		}
		p.Ticks = append(p.Ticks, tick{Left: decimals(100*at/float64(p.Width), 2), Label: label})
		next = i + every
		if b.Lo == nil && b.Hi != nil {
			next = i + 2 // the first interval may be labelled soon after "less"
		}
	}
}
