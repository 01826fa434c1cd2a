package paired

import "math"

// Tango returns the score interval of (wins-losses)/n, the difference of two shares of n rows
// (Tango 1998, "Equivalence test and confidence interval for the difference in proportions for
// the paired-sample design"). Wins are the rows that only the candidate has right, losses the
// rows that only the incumbent has right. The interval lies in [-1, 1], and has a positive
// length even if the models never differ. Impossible counts and a level outside (0, 1) are
// errors.
func Tango(wins, losses, n int, level float64) (Interval, error) {
	const name = "tango"
	if err := checkCounts(name, wins, losses, n); err != nil {
		return Interval{}, err
	}
	if err := checkLevel(name, level); err != nil {
		return Interval{}, err
	}
	z := quantile(0.5 + level/2)
	measured := float64(wins-losses) / float64(n)
	return Interval{
		Lo:    tangoEnd(wins, losses, n, z, -1, measured),
		Hi:    -tangoEnd(losses, wins, n, z, -1, -measured),
		Level: level,
	}, nil
}

// tangoEnd returns the difference below the measured one at which the score is z.
func tangoEnd(wins, losses, n int, z, lo, hi float64) float64 {
	const steps = 60 // halve the interval to the last bit
	for range steps {
		mid := (lo + hi) / 2
		if tangoScore(wins, losses, n, mid) > z {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// TangoNonInferior tests the hypothesis that the candidate's share is lower than the
// incumbent's by margin or more. margin is in [0, 1). The statistic is standard normal if the
// difference is exactly -margin. A margin of 0 tests for superiority; the statistic is then
// the root of McNemar's.
func TangoNonInferior(wins, losses, n int, margin float64) (Result, error) {
	const name = "tango"
	if err := checkCounts(name, wins, losses, n); err != nil {
		return Result{}, err
	}
	if !(margin >= 0 && margin < 1) { // also true for NaN
		return Result{}, malformed(name, "margin is %v, want 0 or more, below 1", margin)
	}
	z := tangoScore(wins, losses, n, -margin)
	return Result{Statistic: z, PValue: cdf(-z)}, nil
}

// tangoScore returns the score statistic for a difference of delta, in the paper's names.
func tangoScore(wins, losses, n int, delta float64) float64 {
	b, c, total := float64(wins), float64(losses), float64(n)
	// q is the maximum likelihood estimate of the probability of a loss, given delta.
	A := 2 * total
	B := -b - c + (2*total-b+c)*delta
	C := -c * delta * (1 - delta)
	q := (math.Sqrt(max(0, B*B-4*A*C)) - B) / (2 * A)
	distance := b - c - total*delta
	if distance == 0 {
		return 0 // also without variance
	}
	return distance / math.Sqrt(max(0, total*(2*q+delta*(1-delta))))
}

func checkCounts(method string, wins, losses, n int) error {
	if wins < 0 || losses < 0 || n < 1 || wins > n-losses {
		return malformed(method, "wins %d and losses %d of %d rows", wins, losses, n)
	}
	return nil
}
