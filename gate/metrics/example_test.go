package metrics_test

import (
	"errors"
	"fmt"

	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/predictlog"
)

func ExampleNewConfusion() {
	truth := []bool{true, true, true, false, false, false}
	predicted := []bool{true, true, false, true, false, false}
	c, err := metrics.NewConfusion(truth, predicted, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	f1, _ := c.F1()
	mcc, _ := c.MCC()
	fmt.Printf("F1 %.3f, MCC %.3f\n", f1, mcc)
	// Output: F1 0.667, MCC 0.333
}

func ExampleNewCounts() {
	truth := []int{0, 0, 1, 1, 2, 2}
	predicted := []int{0, 0, 1, 2, 2, 2}
	m, err := metrics.NewCounts(truth, predicted, 3, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	macro, _ := m.F1(metrics.Macro)
	micro, _ := m.F1(metrics.Micro)
	fmt.Printf("macro %.3f, micro %.3f\n", macro, micro)
	// Output: macro 0.822, micro 0.833
}

func ExampleBinaryROCAUC() {
	auc, err := metrics.BinaryROCAUC([]bool{false, false, true, true}, []float64{0.1, 0.4, 0.35, 0.8}, nil)
	fmt.Println(auc, err)

	_, err = metrics.BinaryROCAUC([]bool{true, true}, []float64{0.1, 0.4}, nil)
	fmt.Println(errors.Is(err, metrics.ErrUndefined), err)
	// Output:
	// 0.75 <nil>
	// true metrics: roc_auc: undefined: rows of both classes are wanted
}

func ExampleBinaryBrier() {
	brier, err := metrics.BinaryBrier([]bool{true, false}, []float64{0.8, 0.4}, nil)
	fmt.Printf("%.2f %v\n", brier, err)
	// Output: 0.10 <nil>
}

func ExampleRootMeanSquaredError() {
	rmse, err := metrics.RootMeanSquaredError([]float64{1, 2, 3}, []float64{1, 2, 6}, nil)
	fmt.Printf("%.3f %v\n", rmse, err)
	// Output: 1.732 <nil>
}

func ExampleMetric_Measure() {
	truth := metrics.Answers{Class: []int{0, 1, 1, 0}}
	answers := metrics.Answers{Class: []int{0, 1, 0, 0}}
	f1, err := metrics.F1.Measure(metrics.NewRows(predictlog.Target{}, truth, answers))
	fmt.Printf("%s %.3f %v\n", metrics.F1.Title(), f1, err)
	_, err = metrics.Brier.Measure(metrics.NewRows(predictlog.Target{}, truth, answers))
	fmt.Println(err)
	// Output:
	// F1 0.667 <nil>
	// metrics: Brier needs probabilities, and the model gives none
}

// A host counts in money: a false alarm costs 5 EUR, a miss 40 EUR.
func ExampleOfCounts() {
	cost, err := metrics.OfCounts(metrics.Info{Name: "cost", LowerIsBetter: true, Unit: "EUR"}, func(c metrics.Counts) (float64, error) {
		return (5*c[1].FP + 40*c[1].FN) / c.Total(), nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	truth := metrics.Answers{Class: []int{0, 1, 1, 0}}
	answers := metrics.Answers{Class: []int{1, 1, 0, 0}}
	v, err := cost.Measure(metrics.NewRows(predictlog.Target{}, truth, answers))
	fmt.Println(v, err)
	// Output: 11.25 <nil>
}

// An answer that is too low costs twice as much as one that is too high, and at most 10.
func ExampleOfRows() {
	cost, err := metrics.OfRows(metrics.Info{Name: "cost", LowerIsBetter: true, Tasks: []predictlog.Task{predictlog.Regression}}, func(r metrics.Row) float64 {
		return min(10, max(r.Value-r.TruthValue, 2*(r.TruthValue-r.Value)))
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	truth := metrics.Answers{Value: []float64{1, 2, 30}}
	answers := metrics.Answers{Value: []float64{2, 1, 3}}
	v, err := cost.Measure(metrics.NewRows(predictlog.Target{Task: predictlog.Regression}, truth, answers))
	fmt.Printf("%.2f %v\n", v, err)
	// Output: 4.33 <nil>
}
