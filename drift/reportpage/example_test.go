package reportpage_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/reportpage"
)

func ExampleWrite() {
	reference, err := drift.NewReference([]drift.Column{drift.Numeric("income", []float64{1, 2, 3})}, drift.ReferenceConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	detector, err := drift.NewDetector(reference, drift.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := detector.Detect(reference.NewProfile())
	if err != nil {
		fmt.Println(err)
		return
	}
	report.Label = "credit risk"
	report.From = time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)

	var page strings.Builder // usually a file or an http.ResponseWriter
	if err := reportpage.Write(&page, report); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.Contains(page.String(), "<h1>There are too few data to tell.</h1>"))
	// Output: true
}
