package drift

import (
	"fmt"
	"math"
	"sort"
)

// maxFisher bounds the observations of the exact p-value: beyond, the logarithms of
// factorials are too coarse, and the normal limit is better than they are.
const maxFisher = 1_000_000_000

// FisherExact is Fisher's exact test, two-sided, on a table of two counts for each sample:
// how often something was so, and how often not. It is valid at any count, also at 0.
//
// Statistic is the difference of the two rates, current less reference; EffectSize is its
// absolute value. PValue is the probability, with the sums of the table given, of all
// tables that are at most as likely as this one (up to a relative 1e-7, for rounding); for
// more than 10⁹ observations it is that of the normal limit. A negative count or a sample
// without observations is an [*InputError].
func FisherExact(reference, current [2]int) (Result, error) {
	n, err := fisherSum("reference", reference)
	if err != nil {
		return Result{}, err
	}
	m, err := fisherSum("current", current)
	if err != nil {
		return Result{}, err
	}
	difference := shareDifference(float64(current[0]), float64(m), float64(reference[0]), float64(n))
	return Result{
		Statistic:  difference,
		PValue:     fisherPValue(current[0], m, reference[0]+current[0], n+m),
		EffectSize: math.Abs(difference),
		NReference: n,
		NCurrent:   m,
	}, nil
}

func fisherSum(name string, counts [2]int) (int, error) {
	for i, c := range counts {
		if c < 0 || c > maxRows {
			return 0, &InputError{Sample: name, Index: i, What: fmt.Sprintf("count is %d, want 0 to %d", c, maxRows)}
		}
	}
	if counts[0]+counts[1] == 0 {
		return 0, &InputError{Sample: name, Index: -1, What: "has no observations, want at least one"}
	}
	return counts[0] + counts[1], nil
}

// hypergeometric is the distribution of the number of marked items among drawn ones, out
// of total items of which marked are marked.
type hypergeometric struct{ drawn, marked, total int }

func (h hypergeometric) lowest() int  { return max(0, h.drawn+h.marked-h.total) }
func (h hypergeometric) highest() int { return min(h.drawn, h.marked) }

func (h hypergeometric) logProbability(x int) float64 {
	return logChoose(h.marked, x) + logChoose(h.total-h.marked, h.drawn-x) - logChoose(h.total, h.drawn)
}

func logChoose(n, k int) float64 {
	return logGamma(n+1) - logGamma(k+1) - logGamma(n-k+1)
}

func logGamma(n int) float64 {
	v, _ := math.Lgamma(float64(n))
	return v
}

// tail sums the probabilities from x outwards: downwards if step is -1, upwards if it is
// 1. The terms fall at least geometrically there, so few are needed.
func (h hypergeometric) tail(x, step int) float64 {
	if x < h.lowest() || x > h.highest() {
		return 0
	}
	term := math.Exp(h.logProbability(x))
	sum := term
	for x != h.lowest() && step < 0 || x != h.highest() && step > 0 {
		if step < 0 {
			term *= float64(x) / float64(h.marked-x+1) * (float64(h.total-h.marked-h.drawn+x) / float64(h.drawn-x+1))
		} else {
			term *= float64(h.marked-x) / float64(x+1) * (float64(h.drawn-x) / float64(h.total-h.marked-h.drawn+x+1))
		}
		x += step
		sum += term
		if term < 1e-18*sum {
			break
		}
	}
	return sum
}

// fisherPValue sums the probabilities of all outcomes at most as likely as x. The
// distribution has one peak, so these are the tail on x's side and, found by bisection,
// one on the other.
func fisherPValue(x, drawn, marked, total int) float64 {
	h := hypergeometric{drawn: drawn, marked: marked, total: total}
	lowest, highest := h.lowest(), h.highest()
	if lowest == highest {
		return 1
	}
	if total > maxFisher {
		return h.normalPValue(x)
	}
	limit := h.logProbability(x) + 1e-7
	mode := int(float64(drawn+1) / float64(total+2) * float64(marked+1))
	mode = min(max(mode, lowest), highest)
	if x == mode || h.logProbability(mode) <= limit {
		return 1
	}
	if x < mode {
		above := mode + sort.Search(highest-mode+1, func(k int) bool { return h.logProbability(mode+k) <= limit })
		return min(h.tail(x, -1)+h.tail(above, 1), 1)
	}
	below := lowest + sort.Search(mode-lowest, func(k int) bool { return h.logProbability(lowest+k) > limit }) - 1
	return min(h.tail(x, 1)+h.tail(below, -1), 1)
}

// normalPValue is the limit of the two-sided p-value: the squared deviation of x from its
// mean in terms of its variance is chi-square with one degree of freedom.
func (h hypergeometric) normalPValue(x int) float64 {
	n, share, rate := float64(h.total), float64(h.marked)/float64(h.total), float64(h.drawn)/float64(h.total)
	d := float64(x) - float64(h.marked)*rate
	return chiSquareSurvival(d/(share*(1-share))*d/(n*rate*(1-rate)), 1)
}
