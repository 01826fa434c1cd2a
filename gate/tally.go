package gate

import (
	"slices"

	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// countTallies counts the rows, of at most [metrics.MaxClasses]. The tallies of a category
// are in the order of truth, production and shadow.
func countTallies(e *Evidence, by grouping) map[string][]metrics.Tally {
	classes := max(1, metrics.Classes(e.Target))
	truth, shadow := e.Truth.Class, e.Shadow.Class
	var production []int
	if !e.First() {
		production = e.Production.Class
	}
	counts := map[string]map[int]int{} // by category, and by a number whose digits are the classes
	column, category := e.Segments[by.column], ""
	var of map[int]int
	for i := range e.N() {
		if of == nil || by.columns && column[i] != category {
			if by.columns {
				category = column[i]
			}
			if of = counts[category]; of == nil {
				of = map[int]int{}
				counts[category] = of
			}
		}
		kind := 0
		if truth != nil { // of a regression there are no classes
			kind = truth[i] * classes
			if production != nil {
				kind += production[i]
			}
			kind = kind*classes + shadow[i]
		}
		of[kind]++
	}
	tallies := make(map[string][]metrics.Tally, len(counts))
	for category, of := range counts {
		for kind, rows := range of {
			tallies[category] = append(tallies[category], metrics.Tally{
				Truth: kind / classes / classes, Production: kind / classes % classes, Shadow: kind % classes, Rows: rows,
			})
		}
		slices.SortFunc(tallies[category], compareTallies)
	}
	return tallies
}
