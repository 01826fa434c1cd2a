package drift

import (
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
	"github.com/selfheal-ml/selfheal/drift/internal/text"
)

// The rates that are compared beside the values. MethodMissing, MethodInfinite and
// MethodUnseen are Fisher's exact test on the rate of missing values among the rows, and of
// infinite and unseen values among those that are not missing.
const (
	MethodMissing  Method = "missing_rate"
	MethodInfinite Method = "infinite_rate"
	// MethodUnseen counts a rise only. Its p-value is no smaller than that of the normal limit
	// for a rate that is itself estimated; see Side.UnseenRate for the rate of the reference.
	MethodUnseen Method = "unseen_rate"
	// MethodOutOfRange compares the rate of finite numbers that are below all of the reference
	// or above all of it. The p-value is twice the smaller of the exact ones of either side:
	// the chance that so many of the extreme numbers of both samples together are current
	// ones. The effect is the rate, less the 2/(n+1) to be expected of n numbers.
	MethodOutOfRange Method = "out_of_range_rate"
)

// rateMethod returns the method of a rate of marked rows, which is said to be of such values.
func rateMethod(name Method, values string, rate func(*Side) float64, sentence string, measure func(*sides, float64) (Test, bool)) method {
	return method{
		MethodInfo: MethodInfo{
			Name: name, Title: strings.ToUpper(values[:1]) + values[1:] + " rate", Rate: rate,
			Effect: "The effect is the difference of the rates, and the interval Newcombe’s (method 10).",
		},
		measure: measure,
		changed: func(s *sides, _ Test) string {
			from, to := text.PercentsApart(rate(&s.reference), rate(&s.current))
			return fmt.Sprintf(sentence, from, to)
		},
		bounded: func(_ *sides, t Test) string {
			points := strings.TrimPrefix(strings.TrimSuffix(text.Percent(t.CI.Hi), " %"), "< ")
			return "the rate of " + values + " values changed by at most " + points + " percentage points"
		},
	}
}

var missingMethod = rateMethod(MethodMissing, "missing", func(s *Side) float64 { return s.MissingRate },
	"Missing values went from %s to %s of the rows",
	func(s *sides, alpha float64) (Test, bool) {
		return testRate([2]int64{s.ref.Missing, s.cur.Missing}, [2]int{s.reference.Rows, s.current.Rows}, alpha)
	})

var infiniteMethod = rateMethod(MethodInfinite, "infinite", func(s *Side) float64 { return s.InfiniteRate },
	"Infinite values went from %s to %s",
	func(s *sides, alpha float64) (Test, bool) {
		return testRate([2]int64{s.ref.infinite(), s.cur.infinite()}, [2]int{s.n, s.m}, alpha)
	})

var unseenMethod = rateMethod(MethodUnseen, "unseen", func(s *Side) float64 { return s.UnseenRate },
	"Values unseen in the reference went from %s to %s",
	func(s *sides, alpha float64) (Test, bool) {
		t, ok := testRate([2]int64{expectedUnseen(s.cells, s.ref), s.cur.Unseen}, [2]int{s.n, s.m}, alpha)
		if ok {
			t.PValue = max(t.PValue, surprise(s, t.Statistic))
		}
		return t, ok
	})

var outOfRangeMethod = method{
	MethodInfo: MethodInfo{
		Name: MethodOutOfRange, Title: "Out of range",
		Effect: "The effect is the rate of numbers beyond those of the reference, less what is to be expected without a change. " +
			"The interval is that of the rate itself, as of a change from 0, and Newcombe’s (method 10).",
		Rate: func(s *Side) float64 { return s.OutOfRangeRate },
	},
	measure: testRange,
	changed: func(_ *sides, t Test) string {
		return text.Percent(t.Observed) + " of the finite values are outside of the reference's range"
	},
	bounded: func(_ *sides, t Test) string {
		return "at most " + text.Percent(t.CI.Hi) + " of the finite values are outside of the reference's range"
	},
}

// testRate tests the rates of marked rows. Where there are none on both sides, or no rows
// on one, there is nothing to test. Whether that is so depends on the sum of the sides
// alone, so the number of tests may depend on it.
func testRate(marked [2]int64, rows [2]int, alpha float64) (Test, bool) {
	if marked[0]+marked[1] == 0 || rows[0] == 0 || rows[1] == 0 {
		return Test{}, false
	}
	r, c := int(marked[0]), int(marked[1])
	t := Test{
		Statistic:  shareDifference(float64(c), float64(rows[1]), float64(r), float64(rows[0])),
		PValue:     nulldist.Fisher(c, rows[1], r+c, rows[0]+rows[1]),
		CI:         rateChangeCI(float64(r), float64(rows[0]), float64(c), float64(rows[1]), alpha),
		NReference: rows[0],
		NCurrent:   rows[1],
	}
	t.EffectSize = math.Abs(t.Statistic)
	t.Observed = t.EffectSize
	return t, true
}

// testRange tests the rate of numbers outside of the reference's range. It does so where
// there are none too: whether there are is not for both sides' sum to say.
func testRange(s *sides, alpha float64) (Test, bool) {
	n, m := s.finite()
	if s.cells.kind != KindNumeric || n == 0 || m == 0 {
		return Test{}, false
	}
	below, above := s.cells.outOfRange(s.ref, s.cur)
	outside := float64(below+above) / float64(m)
	t := Test{
		Statistic:  outside,
		PValue:     min(2*min(nulldist.Extreme(below, n, m), nulldist.Extreme(above, n, m)), 1),
		EffectSize: max(outside-2/float64(n+1), 0),
		Observed:   outside,
		CI:         rateChangeCI(0, float64(n), float64(below+above), float64(m), alpha),
		NReference: int(n),
		NCurrent:   int(m),
	}
	t.CI.Lo = min(t.CI.Lo, t.EffectSize)
	return t, true
}

// expectedUnseen is the number of values of a reference that stand for those to be unseen
// without any change.
func expectedUnseen(c *cells, ref *tally) int64 {
	if c.kind == KindCategorical {
		return ref.once()
	}
	return 0
}

// surprise returns the p-value of the number of unseen values, whose rate is above the
// expected one by so much, from the normal limit. The expected rate is an estimate, with a
// larger variance than that of a count if many levels occur twice (Esty, "A normal limit law
// for a nonparametric estimator of the coverage of a random sample", 1983). Fewer unseen
// values than expected are no surprise.
func surprise(s *sides, above float64) float64 {
	if above <= 0 {
		return 1
	}
	n, m := float64(s.n), float64(s.m)
	var once, twice float64
	for _, count := range s.ref.Cells {
		switch count {
		case 1:
			once++
		case 2:
			twice++
		}
	}
	pooled := (once + float64(s.cur.Unseen)) / (n + m)
	variance := (once*(1-once/n)+2*twice)/(n*n) + pooled*(1-pooled)/m
	return 2 * distuv.UnitNormal.Survival(above/math.Sqrt(variance))
}
