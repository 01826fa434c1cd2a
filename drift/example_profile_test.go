package drift_test

import (
	"fmt"
	"log"

	"github.com/selfheal-ml/selfheal/drift"
)

// Counts on cells bound what the rows themselves would say.
func ExampleProfile_Compare() {
	var reference, current []float64
	for i := range 5000 {
		reference = append(reference, float64(i))
		current = append(current, float64(i)*1.1)
	}
	ref, err := drift.NewReference([]drift.Column{drift.Numeric("x", reference)}, drift.ReferenceConfig{Cells: 100})
	if err != nil {
		log.Fatal(err)
	}
	p := ref.NewProfile()
	if err := p.Add([]drift.Column{drift.Numeric("x", current)}); err != nil {
		log.Fatal(err)
	}
	r, err := p.Compare("x", drift.MethodKS)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("D is %.3f on the cells, and between %.3f and %.3f\n", r.Statistic, r.Lo, r.Hi)
	// Output:
	// D is 0.091 on the cells, and between 0.091 and 0.100
}

// A process counts its rows and sends the counts; another adds them up.
func ExampleProfile_MarshalBinary() {
	ref, err := drift.NewReference([]drift.Column{drift.Categorical("region", []string{"north", "south"})}, drift.ReferenceConfig{})
	if err != nil {
		log.Fatal(err)
	}
	there := ref.NewProfile()
	if err := there.Add([]drift.Column{drift.Categorical("region", []string{"south", "west"})}); err != nil {
		log.Fatal(err)
	}
	data, err := there.MarshalBinary()
	if err != nil {
		log.Fatal(err)
	}

	here, received := ref.NewProfile(), ref.NewProfile()
	if err := received.UnmarshalBinary(data); err != nil {
		log.Fatal(err)
	}
	if err := here.Merge(received); err != nil {
		log.Fatal(err)
	}
	fmt.Println(here.Rows(), "rows in", len(data), "bytes")
	// Output:
	// 2 rows in 140 bytes
}
