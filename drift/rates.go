package drift

import (
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
	"github.com/selfheal-ml/selfheal/drift/internal/text"
)

// These methods compare rates, in addition to the values. MethodMissing is Fisher's exact test
// on the rate of missing values among the rows. MethodInfinite and MethodUnseen are the same
// test on infinite and unseen values among the values that are not missing.
const (
	MethodMissing  Method = "missing_rate"
	MethodInfinite Method = "infinite_rate"
	// MethodUnseen tests for a rise only. The rate of the reference is an estimate, see
	// Side.UnseenRate. The p-value is at least that of the normal limit for an estimated rate.
	MethodUnseen Method = "unseen_rate"
	// MethodOutOfRange compares the rate of finite numbers outside the range of the reference.
	// The p-value is twice the smaller of the exact p-values of the two ends. At either end,
	// this is the probability that so many of the most extreme numbers of both samples are
	// current. The effect is the rate less 2/(n+1), the expected rate of n reference numbers.
	MethodOutOfRange Method = "out_of_range_rate"
)

// rateMethod returns the method for the rate of marked rows. values names the marked values.
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

// testRate tests the rates of marked rows. Without marked rows, or if a side has no rows,
// there is no test. Only the sum of both sides decides, so p-values stay valid.
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

// testRange tests the rate of numbers outside the range of the reference, even if that rate is
// 0: whether it is 0 does not depend on the sum of both sides alone.
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

// expectedUnseen estimates how many values of the reference are unseen by the rest.
func expectedUnseen(c *cells, ref *tally) int64 {
	if c.kind == KindCategorical {
		return ref.once()
	}
	return 0
}

// surprise returns the p-value, from the normal limit, of a rate of unseen values that exceeds
// the expected rate by the given amount. The expected rate is an estimate. If many levels occur
// twice, the variance of the estimate exceeds that of a count (Esty, "A normal limit law for a
// nonparametric estimator of the coverage of a random sample", 1983). Without excess it is 1.
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
