package gate

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// grouping counts rows by the categories of a column. The zero grouping counts all under "".
type grouping struct {
	column  string
	columns bool // needed because a column may be named ""
}

// subset is a part of the rows. The zero subset is all rows.
type subset struct {
	segment string // such as "region=north"; not unique
	key     string // unique to the segment
	n       int
	// A metric of classes needs tallies, any other metric needs rows.
	tallies []metrics.Tally
	rows    []int
}

func newPart(column, category string) subset {
	return subset{segment: column + "=" + category, key: strconv.Quote(column) + "=" + strconv.Quote(category)}
}

func countedParts(column string, counted map[string][]metrics.Tally) []subset {
	var parts []subset
	for _, category := range sortedKeys(counted) {
		s := newPart(column, category)
		s.tallies = counted[category]
		for _, t := range s.tallies {
			s.n += t.Rows
		}
		parts = append(parts, s)
	}
	return parts
}

// countTallies counts the rows, of at most [metrics.MaxClasses] classes. The tallies of a
// category are ordered by truth, production and shadow.
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
		if truth != nil { // a regression has no classes
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

func compareTallies(a, b metrics.Tally) int {
	return cmp.Or(cmp.Compare(a.Truth, b.Truth), cmp.Compare(a.Production, b.Production), cmp.Compare(a.Shadow, b.Shadow))
}
