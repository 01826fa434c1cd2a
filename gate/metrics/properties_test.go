package metrics_test

import (
	"math"
	"slices"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// naiveAUC compares every positive with every negative.
func naiveAUC(truth []bool, score []float64) float64 {
	var won, pairs float64
	for i := range truth {
		for j := range truth {
			if !truth[i] || truth[j] {
				continue
			}
			pairs++
			switch {
			case score[i] > score[j]:
				won++
			case score[i] == score[j]:
				won += 0.5
			}
		}
	}
	return won / pairs
}

func TestProperties(t *testing.T) {
	const n = 40
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250101))
	truth := gen.SliceOfN(n, gen.Bool()).Map(func(b []bool) []bool {
		b[0], b[1] = true, false // both classes occur
		return b
	})
	probability := gen.SliceOfN(n, gen.Float64Range(0, 1))
	// Few distinct scores make many ties.
	tied := gen.SliceOfN(n, gen.IntRange(0, 5)).Map(func(k []int) []float64 {
		s := make([]float64, len(k))
		for i := range k {
			s[i] = float64(k[i])
		}
		return s
	})

	props.Property("AUC is the share of pairs ranked right", prop.ForAll(func(y []bool, s []float64) bool {
		auc, err := metrics.BinaryROCAUC(y, s, nil)
		return err == nil && math.Abs(auc-naiveAUC(y, s)) < tolerance
	}, truth, tied))
	props.Property("AUC of the negated scores is the complement", prop.ForAll(func(y []bool, s []float64) bool {
		negated := make([]float64, len(s))
		for i := range s {
			negated[i] = -s[i]
		}
		a, errA := metrics.BinaryROCAUC(y, s, nil)
		b, errB := metrics.BinaryROCAUC(y, negated, nil)
		return errA == nil && errB == nil && math.Abs(a+b-1) < tolerance
	}, truth, tied))
	props.Property("a weight of 2 is the row twice", prop.ForAll(func(y []bool, p []float64) bool {
		weights := slices.Repeat([]float64{2}, n)
		weights[0], weights[n-1] = 1, 0
		y2, p2 := append(slices.Clone(y[:n-1]), y[1:n-1]...), append(slices.Clone(p[:n-1]), p[1:n-1]...)
		for _, f := range overProbabilities {
			a, errA := f(y, p, weights)
			b, errB := f(y2, p2, nil)
			if errA != nil || errB != nil || math.Abs(a-b) > tolerance {
				return false
			}
		}
		return true
	}, truth, probability))
	props.Property("arguments are left alone and order does not matter", prop.ForAll(func(y []bool, p []float64) bool {
		yBefore, pBefore := slices.Clone(y), slices.Clone(p)
		yReversed, pReversed := slices.Clone(y), slices.Clone(p)
		slices.Reverse(yReversed)
		slices.Reverse(pReversed)
		for _, f := range overProbabilities {
			a, _ := f(y, p, nil)
			b, _ := f(yReversed, pReversed, nil)
			if math.Abs(a-b) > tolerance {
				return false
			}
		}
		return slices.Equal(y, yBefore) && slices.Equal(p, pBefore)
	}, truth, probability))
	props.Property("two classes: the matrix agrees with the counts", prop.ForAll(func(y, predicted []bool) bool {
		c, _ := metrics.NewConfusion(y, predicted, nil)
		m, _ := metrics.NewCounts(classes(y), classes(predicted), 2, nil)
		accuracy, _ := m.Accuracy()
		want, _ := c.Accuracy()
		mcc, errM := m.MCC()
		wantMCC, errC := c.MCC()
		return m[1] == c && accuracy == want && (errM == nil) == (errC == nil) && math.Abs(mcc-wantMCC) < tolerance
	}, truth, gen.SliceOfN(n, gen.Bool())))
	props.Property("two classes: Brier of classes is twice Brier, log loss the same", prop.ForAll(func(y []bool, p []float64) bool {
		other := make([]float64, n)
		for i := range p {
			other[i] = 1 - p[i]
		}
		b, _ := metrics.BinaryBrier(y, p, nil)
		b2, _ := metrics.MulticlassBrier(classes(y), [][]float64{other, p}, nil)
		l, _ := metrics.BinaryLogLoss(y, p, nil)
		l2, _ := metrics.MulticlassLogLoss(classes(y), [][]float64{other, p}, nil)
		return math.Abs(2*b-b2) < tolerance && math.Abs(l-l2) < tolerance
	}, truth, probability))
	props.Property("log loss is the mean of the rows' losses", prop.ForAll(func(y []bool, p []float64) bool {
		// Certainty, right or wrong, is where a product of probabilities is at its limits.
		for i := range p {
			if p[i] < 0.3 {
				p[i] = 0
			} else if p[i] > 0.7 {
				p[i] = 1
			}
		}
		var sum float64
		for i := range p {
			given := 1 - p[i]
			if y[i] {
				given = p[i]
			}
			sum += metrics.NegativeLog(given)
		}
		have, err := metrics.BinaryLogLoss(y, p, nil)
		return err == nil && math.Abs(have-sum/n) < tolerance
	}, truth, probability))
	props.Property("RMSE is at least MAE, and pinball at the median is half of MAE", prop.ForAll(func(y, p []float64) bool {
		mae, _ := metrics.MeanAbsoluteError(y, p, nil)
		rmse, _ := metrics.RootMeanSquaredError(y, p, nil)
		pinball, _ := metrics.Pinball(y, p, 0.5, nil)
		return rmse >= mae-tolerance && math.Abs(2*pinball-mae) < tolerance
	}, probability, probability))
	props.TestingRun(t)
}

func classes(positive []bool) []int {
	k := make([]int, len(positive))
	for i, p := range positive {
		if p {
			k[i] = 1
		}
	}
	return k
}
