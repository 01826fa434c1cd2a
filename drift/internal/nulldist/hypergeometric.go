package nulldist

import (
	"math"
	"math/bits"
	"sort"

	"gonum.org/v1/gonum/integrate/quad"
)

// wide is the standard deviation from which a tail is an integral with its first correction
// (Euler and Maclaurin, for midpoints) instead of a long sum. The relative difference is below
// 1e-7 for p-values above 1e-20.
const wide = 300

// hypergeometric is the distribution of the number of marked items among the drawn items.
type hypergeometric struct{ drawn, marked, total int }

func (h hypergeometric) lowest() int  { return max(0, h.drawn+h.marked-h.total) }
func (h hypergeometric) highest() int { return min(h.drawn, h.marked) }

// logProbability returns the logarithm of the probability of x, also between the integers. With
// the Stirling series written out, the large parts of the factorials add up to the deviance of
// the four cells. All four cells differ from their expected count by the same distance.
func (h hypergeometric) logProbability(x float64) float64 {
	drawn, marked, total := float64(h.drawn), float64(h.marked), float64(h.total)
	left, unmarked := total-drawn, total-marked
	product, expected := x*total, drawn*marked
	distance := (product - expected + (math.FMA(x, total, -product) - math.FMA(drawn, marked, -expected))) / total
	return stirlingRest(drawn) + stirlingRest(left) + stirlingRest(marked) + stirlingRest(unmarked) - stirlingRest(total) -
		cellDeviance(x, expected/total, distance) -
		cellDeviance(drawn-x, drawn/total*unmarked, -distance) -
		cellDeviance(marked-x, marked/total*left, -distance) -
		cellDeviance(unmarked-drawn+x, unmarked/total*left, distance)
}

// stirlingRest is log n! - n log n + n.
func stirlingRest(n float64) float64 {
	const few = 16
	switch {
	case n == 0:
		return 0
	case n < few:
		v, _ := math.Lgamma(n + 1)
		return v - n*math.Log(n) + n
	}
	m := n * n
	return math.Log(2*math.Pi*n)/2 + (1.0/12-(1.0/360-(1.0/1260-1/(1680*m))/m)/m)/n
}

// cellDeviance is x log(x/e) + e - x, plus the rest of the Stirling series, for x = e +
// distance.
func cellDeviance(x, e, distance float64) float64 {
	if x == 0 {
		return e
	}
	rest := stirlingRest(x)
	if math.Abs(distance) >= 0.1*(x+e) {
		return x*math.Log(x/e) - distance + rest
	}
	v := distance / (x + e)
	sum, term := distance*v, 2*x*v
	for k := 3.0; ; k += 2 {
		term *= v * v
		next := sum + term/k
		if next == sum {
			return sum + rest
		}
		sum = next
	}
}

// spread is about the standard deviation.
func (h hypergeometric) spread() float64 {
	total := float64(h.total)
	share, rate := float64(h.marked)/total, float64(h.drawn)/total
	return math.Sqrt(total * share * (1 - share) * rate * (1 - rate))
}

// tail sums the probabilities from x outwards: down if step is -1, up if step is 1. The terms
// fall at least geometrically, so few terms are needed.
func (h hypergeometric) tail(x, step int) float64 {
	if x < h.lowest() || x > h.highest() {
		return 0
	}
	if spread := h.spread(); spread > wide {
		return h.wideTail(float64(x), float64(step), spread)
	}
	term := math.Exp(h.logProbability(float64(x)))
	sum := term
	for x != h.lowest() && step < 0 || x != h.highest() && step > 0 {
		if step < 0 {
			term *= float64(x) / float64(h.marked-x+1) * (float64(h.total-h.marked-h.drawn+x) / float64(h.drawn-x+1))
		} else {
			term *= float64(h.marked-x) / float64(x+1) * (float64(h.drawn-x) / float64(h.total-h.marked-h.drawn+x+1))
		}
		x += step
		sum += term
		if term <= 1e-18*sum { // also if all of it is too small for a number
			break
		}
	}
	return sum
}

// wideTail returns the integral from half a step before x, plus 1/24 of the slope there.
func (h hypergeometric) wideTail(x, step, spread float64) float64 {
	const nodes, negligible = 60, 42 // e^-42 is below 1e-18
	mean := float64(h.drawn) / float64(h.total) * float64(h.marked)
	reach := math.Sqrt(2*negligible) * spread
	if slope := math.Abs(x-mean) / (spread * spread); slope > 0 {
		reach = min(reach, negligible/slope)
	}
	end := float64(h.highest())
	if step < 0 {
		end = float64(h.lowest())
	}
	reach = min(reach, math.Abs(end-x))
	probability := func(d float64) float64 { return math.Exp(h.logProbability(x + step*d)) }
	integral := quad.Fixed(probability, -0.5, reach, nodes, nil, 0)
	slope := probability(-0.5) * (h.logProbability(x) - h.logProbability(x-step))
	return integral + slope/24
}

// Fisher returns the two-sided p-value of Fisher's exact test for x marked items among the
// drawn items: the probability of all outcomes that are at most as likely as x. The
// distribution has one peak. So these outcomes are the tail on the side of x and a tail on the
// other side, which is found by bisection.
func Fisher(x, drawn, marked, total int) float64 {
	h := hypergeometric{drawn: drawn, marked: marked, total: total}
	lowest, highest := h.lowest(), h.highest()
	if lowest == highest {
		return 1
	}
	at := func(x int) float64 { return h.logProbability(float64(x)) }
	limit := at(x) + 1e-7
	high, low := bits.Mul64(uint64(drawn+1), uint64(marked+1))
	quotient, _ := bits.Div64(high, low, uint64(total+2))
	mode := min(max(int(quotient), lowest), highest)
	if x == mode || at(mode) <= limit {
		return 1
	}
	if x < mode {
		above := mode + sort.Search(highest-mode+1, func(k int) bool { return at(mode+k) <= limit })
		return min(h.tail(x, -1)+h.tail(above, 1), 1)
	}
	below := lowest + sort.Search(mode-lowest, func(k int) bool { return at(lowest+k) > limit }) - 1
	return min(h.tail(x, 1)+h.tail(below, -1), 1)
}

// Extreme returns the probability that, in a random order of n and m values, the x most
// extreme values on one side are all among the m. Ties make that less likely.
func Extreme(x, n, m int64) float64 {
	h := hypergeometric{drawn: int(m), marked: int(x), total: int(n + m)}
	return min(math.Exp(h.logProbability(float64(x))), 1)
}
