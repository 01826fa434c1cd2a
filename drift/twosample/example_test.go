package twosample_test

import (
	"fmt"
	"slices"

	"github.com/selfheal-ml/selfheal/drift/twosample"
)

// Waiting times before and after a change, in minutes.
var (
	waitedBefore = []float64{1.1, 1.9, 2.3, 2.8, 3.0, 3.4, 4.1, 4.6}
	waitedAfter  = []float64{2.9, 3.8, 4.2, 4.9, 5.3, 5.5, 6.1}
)

func ExampleCramerVonMises() {
	r, err := twosample.CramerVonMises(waitedBefore, waitedAfter)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("T = %.3f, p = %.4f\n", r.Statistic, r.PValue)
	// Output: T = 0.640, p = 0.0165
}

func ExampleAndersonDarling() {
	r, err := twosample.AndersonDarling(waitedBefore, waitedAfter)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("(A² - 1)/σ = %.2f, p = %.4f\n", r.Statistic, r.PValue)
	// Output: (A² - 1)/σ = 3.45, p = 0.0149
}

// As many answers of each rating as of any other, in both samples, which differ in size: the
// calibrated test says that nothing changed, the old number that everything did.
func ExampleCramerVonMisesSciPy() {
	ratedBefore := slices.Repeat([]float64{1, 2, 3}, 100)
	ratedAfter := slices.Repeat([]float64{1, 2, 3}, 20)
	r, err := twosample.CramerVonMisesSciPy(ratedBefore, ratedAfter)
	if err != nil {
		fmt.Println(err)
		return
	}
	ours, err := twosample.CramerVonMises(ratedBefore, ratedAfter)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("SciPy: T = %.2f, p = %.0e\n", r.Statistic, r.PValue)
	fmt.Printf("here:  T = %.2f, p = %.1g\n", ours.Statistic, ours.PValue)
	// Output:
	// SciPy: T = 10.67, p = 1e-10
	// here:  T = 0.00, p = 1
}

func ExampleAndersonDarlingSciPy() {
	r, err := twosample.AndersonDarlingSciPy(waitedBefore, waitedAfter)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("(A² - 1)/σ = %.2f, p = %.4f\n", r.Statistic, r.PValue)
	// Output: (A² - 1)/σ = 3.45, p = 0.0131
}

func ExampleEppsSingletonSciPy() {
	r, err := twosample.EppsSingletonSciPy(waitedBefore, waitedAfter)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("W = %.2f, p = %.3f\n", r.Statistic, r.PValue)
	// Output: W = 5.53, p = 0.237
}

func ExampleMannWhitney() {
	r, err := twosample.MannWhitney(waitedBefore, waitedAfter)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("U = %.0f of 56, effect %.2f, p = %.4f\n", r.Statistic, r.EffectSize, r.PValue)
	// Output: U = 49 of 56, effect 0.75, p = 0.0140
}

func ExampleWelchT() {
	r, err := twosample.WelchT(waitedBefore, waitedAfter)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("t = %.2f, p = %.4f\n", r.Statistic, r.PValue)
	// Output: t = 3.05, p = 0.0095
}

func ExampleStudentT() {
	r, err := twosample.StudentT(waitedBefore, waitedAfter)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("t = %.2f, p = %.4f\n", r.Statistic, r.PValue)
	// Output: t = 3.04, p = 0.0095
}

func ExampleEppsSingleton() {
	r, err := twosample.EppsSingleton(waitedBefore, waitedAfter)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("W = %.2f, p = %.3f\n", r.Statistic, r.PValue)
	// Output: W = 5.53, p = 0.151
}

func ExampleEnergyDistance() {
	r, err := twosample.EnergyDistance([]float64{20, 30, 40}, []float64{25, 35, 45})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.3f, effect %.2f\n", r.Statistic, r.EffectSize)
	// Output: 1.826, effect 0.16
}

func ExampleNormalizedWasserstein1() {
	r, err := twosample.NormalizedWasserstein1([]float64{20, 30, 40}, []float64{25, 35, 45})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.2f standard deviations\n", r.Statistic)
	// Output: 0.61 standard deviations
}

func ExampleFisherExact() {
	// Missing values: none of 2000 before, 5 of 100 now.
	r, err := twosample.FisherExact([2]int{0, 2000}, [2]int{5, 95})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%+.2f, p = %.1e\n", r.Statistic, r.PValue)
	// Output: +0.05, p = 2.2e-07
}

func ExampleTwoProportionZ() {
	// Refused: 100 of 1000 before, 140 of 1000 now.
	r, err := twosample.TwoProportionZ([2]int{100, 900}, [2]int{140, 860})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("z = %.2f, p = %.4f\n", r.Statistic, r.PValue)
	// Output: z = 2.75, p = 0.0059
}
