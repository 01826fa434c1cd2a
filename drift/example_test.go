package drift_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/selfheal-ml/selfheal/drift"
)

func ExampleKolmogorovSmirnov() {
	reference := []float64{1.1, 1.9, 2.3, 2.8, 3.0, 3.4, 4.1, 4.6}
	current := []float64{2.9, 3.8, 4.2, 4.9, 5.3, 5.5, 6.1}
	r, err := drift.KolmogorovSmirnov(reference, current)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("D = %.3f, p = %.4f, n = %d and %d\n", r.Statistic, r.PValue, r.NReference, r.NCurrent)
	// Output: D = 0.607, p = 0.0870, n = 8 and 7
}

func ExampleWasserstein1() {
	r, err := drift.Wasserstein1([]float64{20, 30, 40}, []float64{25, 35, 45})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.0f years\n", r.Statistic)
	// Output: 5 years
}

func ExamplePSI() {
	r, err := drift.PSI([]int{100, 300, 600}, []int{150, 300, 550})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("PSI = %.4f, total variation %.2f\n", r.Statistic, r.EffectSize)
	// Output: PSI = 0.0246, total variation 0.05
}

func ExampleJensenShannon() {
	r, err := drift.JensenShannon([]int{50, 50, 0}, []int{0, 50, 50})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.3f\n", r.Statistic)
	// Output: 0.707
}

func ExampleTotalVariation() {
	r, err := drift.TotalVariation([]int{70, 30}, []int{45, 55})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Statistic)
	// Output: 0.25
}

func ExampleChiSquare() {
	r, err := drift.ChiSquare([]int{50, 30, 20}, []int{40, 40, 40})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("X² = %.2f, p = %.3f\n", r.Statistic, r.PValue)
	// Output: X² = 7.45, p = 0.024
}

func ExampleInputError() {
	_, err := drift.KolmogorovSmirnov([]float64{1, 2}, []float64{3, math.NaN()})
	var input *drift.InputError
	if errors.As(err, &input) {
		fmt.Println(input.Sample, input.Index)
	}
	fmt.Println(err)
	// Output:
	// current 1
	// drift: current: index 1: is NaN, want a number
}

// trainingData and lastHour stand for a host's own tables.
func trainingData() []drift.Column {
	age, region := make([]float64, 1000), make([]string, 1000)
	for i := range age {
		age[i] = float64(20 + i%50)
		region[i] = []string{"north", "south"}[i%2]
	}
	return []drift.Column{drift.Numeric("age", age), drift.Categorical("region", region)}
}

func lastHour() []drift.Column {
	age, region := make([]float64, 400), make([]string, 400)
	for i := range age {
		age[i] = float64(30 + i%50)
		region[i] = []string{"north", "south"}[i%2]
	}
	return []drift.Column{drift.Numeric("age", age), drift.Categorical("region", region)}
}

func ExampleDetector() {
	reference, err := drift.NewReference(trainingData(), drift.ReferenceConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	detector, err := drift.NewDetector(reference, drift.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}

	profile := reference.NewProfile()
	if err := profile.Add(lastHour()); err != nil {
		fmt.Println(err)
		return
	}
	report, err := detector.Detect(profile)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report)
	for _, c := range report.Columns {
		fmt.Printf("%s: %v: %s\n", c.Name, c.Verdict, c.Reason)
	}
	// Output:
	// drifted: 1 of 2 columns (age)
	// age: drifted: Values up to 47 went from 56 % to 36 %, the median from 44 to 54: a distance D of 0.2 (0.193 without noise, floor 0.1, adjusted p = 8.1e-10). 20 % of the finite values are outside of the reference's range (0.198 without noise, floor 0.02, adjusted p < 1e-15).
	// region: stable: No significant change: with 95 % confidence, the total variation is at most 0.0803.
}

// Replicas count on their own; the sum of their profiles is the profile of all rows.
func ExampleProfile_Merge() {
	reference, err := drift.NewReference(trainingData(), drift.ReferenceConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	here, there := reference.NewProfile(), reference.NewProfile()
	if err := errors.Join(here.Add(lastHour()), there.Add(lastHour())); err != nil {
		fmt.Println(err)
		return
	}
	stored, err := json.Marshal(there)
	if err != nil {
		fmt.Println(err)
		return
	}

	received := reference.NewProfile()
	if err := json.Unmarshal(stored, received); err != nil {
		fmt.Println(err)
		return
	}
	if err := here.Merge(received); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(here.Rows())
	// Output: 800
}

func ExampleKullbackLeibler() {
	r, err := drift.KullbackLeibler([]int{100, 300, 600}, []int{150, 300, 550})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.4f nats\n", r.Statistic)
	// Output: 0.0117 nats
}

func ExampleHellinger() {
	r, err := drift.Hellinger([]int{50, 50, 0}, []int{0, 50, 50})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.3f\n", r.Statistic)
	// Output: 0.707
}

func ExampleGTest() {
	r, err := drift.GTest([]int{50, 30, 20}, []int{40, 40, 40})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("G = %.2f, p = %.3f\n", r.Statistic, r.PValue)
	// Output: G = 7.52, p = 0.023
}

func ExampleCheckColumns() {
	columns := []drift.Column{
		drift.Numeric("age", []float64{34, 51}),
		drift.CategoricalCodes("region", []int32{0, -1}, []string{"north", "south"}),
	}
	rows, err := drift.CheckColumns(columns)
	if err != nil {
		fmt.Println(err)
		return
	}
	for row := range rows {
		region, present := columns[1].Level(row)
		fmt.Println(columns[0].Numbers()[row], region, present)
	}
	// Output:
	// 34 north true
	// 51  false
}
