package paired

import "math"

// Tango returns the score interval of the difference of two shares of n rows, (wins -
// losses)/n, where wins are the rows that only the candidate has right and losses those
// that only the incumbent has right (Tango 1998, "Equivalence test and confidence
// interval for the difference in proportions for the paired-sample design"). It is
// bounded by -1 and 1, and of positive length even if the models never differ. Counts
// that cannot be, and a level outside (0, 1), are an error.
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

// TangoNonInferior tests whether the candidate's share is not lower than the incumbent's
// by the margin or more, in [0, 1): the p-value is of the hypothesis that it is. The
// statistic is standard normal if the difference is just -margin. A margin of 0 tests
// for superiority; its statistic is the root of McNemar's.
func TangoNonInferior(wins, losses, n int, margin float64) (Result, error) {
	const name = "tango"
	if err := checkCounts(name, wins, losses, n); err != nil {
		return Result{}, err
	}
	if !(margin >= 0 && margin < 1) { // also true of NaN
		return Result{}, malformed(name, "margin is %v, want 0 or more, below 1", margin)
	}
	z := tangoScore(wins, losses, n, -margin)
	return Result{Statistic: z, PValue: cdf(-z)}, nil
}

// tangoScore returns the score statistic of the hypothesis that the difference is delta.
// The names are those of the paper.
func tangoScore(wins, losses, n int, delta float64) float64 {
	b, c, total := float64(wins), float64(losses), float64(n)
	// q is the likeliest probability of a loss if the difference is delta.
	A := 2 * total
	B := -b - c + (2*total-b+c)*delta
	C := -c * delta * (1 - delta)
	q := (math.Sqrt(max(0, B*B-4*A*C)) - B) / (2 * A)
	distance := b - c - total*delta
	if distance == 0 {
		return 0 // also where there is no variance
	}
	return distance / math.Sqrt(max(0, total*(2*q+delta*(1-delta))))
}

func checkCounts(method string, wins, losses, n int) error {
	if wins < 0 || losses < 0 || n < 1 || wins > n-losses {
		return malformed(method, "wins %d and losses %d of %d rows", wins, losses, n)
	}
	return nil
}
