package drift_test

import (
	"fmt"
	"log"
	"slices"

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

func ExampleProfile_Counts() {
	reference, err := drift.NewReference([]drift.Column{drift.Categorical("region", []string{"north", "south"})}, drift.ReferenceConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	profile := reference.NewProfile()
	if err := profile.Add([]drift.Column{drift.Categorical("region", []string{"north", "north", "west"})}); err != nil {
		fmt.Println(err)
		return
	}
	counts, err := profile.Counts("region")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(reference.Layout()[0].Levels, counts.Cells, "unseen:", counts.Unseen)
	// Output: [north south] [2 0] unseen: 1
}

func ExampleMethods() {
	for _, m := range drift.Methods() {
		if slices.Contains(m.Kinds, drift.KindCategorical) {
			fmt.Printf("%s: %s, floor %v\n", m.Name, m.Title, m.Floor)
		}
	}
	// Output:
	// chi_square: Chi-square, floor 0.1
	// psi: PSI, floor 0.1
	// jensen_shannon: Jensen-Shannon, floor 0.1
	// hellinger: Hellinger, floor 0.1
	// g_test: G-test, floor 0.1
}
