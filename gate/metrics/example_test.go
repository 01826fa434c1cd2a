package metrics_test

import (
	"errors"
	"fmt"

	"github.com/selfheal-ml/selfheal/gate/metrics"
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
