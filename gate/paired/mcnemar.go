package paired

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// McNemarResult holds McNemar's test in its usual forms. The null hypothesis is that wins and
// losses are equally likely.
type McNemarResult struct {
	// ChiSquare is (wins-losses)²/(wins+losses). Corrected is
	// (|wins-losses|-1)²/(wins+losses), with Edwards's correction for continuity. Both
	// p-values are two-sided, from the chi-square distribution with one degree of freedom.
	ChiSquare, Corrected Result
	// Exact is the two-sided p-value of the binomial distribution. A test by Exact never
	// exceeds its level.
	Exact float64
	// MidP counts half the probability of the observed table (Fagerland, Lydersen & Laake
	// 2013). A test by MidP may slightly exceed its level.
	MidP float64
	// Better is the one-sided exact p-value: small if the candidate is better.
	Better float64
}

// McNemar compares two shares from the rows on which the models differ (McNemar 1947). Wins
// are the rows that only the candidate has right, losses the rows that only the incumbent has
// right. Without wins and losses all statistics are 0 and all p-values 1. Negative counts are
// an error.
func McNemar(wins, losses int) (McNemarResult, error) {
	const name = "mcnemar"
	if wins < 0 || losses < 0 || wins > math.MaxInt-losses {
		return McNemarResult{}, malformed(name, "wins %d and losses %d, want 0 or more", wins, losses)
	}
	differ := float64(wins) + float64(losses)
	if differ == 0 {
		return McNemarResult{ChiSquare: Result{0, 1}, Corrected: Result{0, 1}, Exact: 1, MidP: 1, Better: 1}, nil
	}
	distance := math.Abs(float64(wins) - float64(losses))
	chiSquare := func(distance float64) Result {
		z := distance / math.Sqrt(differ)
		return Result{Statistic: z * z, PValue: twoSided(z)}
	}
	tail := coinTail(max(wins, losses), wins+losses)
	return McNemarResult{
		ChiSquare: chiSquare(distance),
		Corrected: chiSquare(max(0, distance-1)),
		Exact:     min(1, 2*tail),
		MidP:      min(1, 2*tail-coin(wins, wins+losses)),
		Better:    coinTail(wins, wins+losses),
	}, nil
}

// From manyTosses on, the normal distribution is more exact than logarithms of factorials.
const manyTosses = 1 << 27

// coin returns the probability of k heads in n tosses.
func coin(k, n int) float64 {
	if n >= manyTosses {
		return distuv.UnitNormal.Prob(heads(k, n)) * 2 / math.Sqrt(float64(n))
	}
	lg := func(x int) float64 { v, _ := math.Lgamma(float64(x) + 1); return v }
	return math.Exp(lg(n) - lg(k) - lg(n-k) - float64(n)*math.Ln2)
}

// heads returns by how many standard deviations k heads are more than half of n.
func heads(k, n int) float64 {
	return (float64(k) - float64(n)/2) * 2 / math.Sqrt(float64(n))
}

// coinTail returns the probability of k heads or more in n tosses.
func coinTail(k, n int) float64 {
	if n >= manyTosses {
		return cdf(-heads(k, n) + 1/math.Sqrt(float64(n))) // from half a toss below k
	}
	if 2*k <= n {
		return 1 - coinTail(n-k+1, n) // the sum below needs falling terms
	}
	var sum float64
	for p := coin(k, n); k <= n && p > sum*1e-17; k++ {
		sum += p
		p *= float64(n-k) / float64(k+1)
	}
	return min(sum, 1)
}
