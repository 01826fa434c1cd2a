package gate

import (
	"iter"
	"maps"
	"slices"

	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// maxDense is how many counters there are for combinations of truth and answers that may
// occur, before only those that do occur get one: so a column of a million categories
// needs no more memory than its rows do.
const maxDense = 1 << 18

// countTallies counts the rows, of at most [metrics.MaxClasses].
func countTallies(e *Evidence, by grouping) map[string][]metrics.Tally {
	classes := max(1, metrics.Classes(e.Target))
	c := counter{kinds: classes * classes * classes, index: map[string]int{}}
	truth, shadow := e.Truth.Class, e.Shadow.Class
	var production []int
	if !e.First() {
		production = e.Production.Class
	}
	category := 0
	column := e.Segments[by.column]
	if !by.columns {
		category = c.category("")
	}
	for i := range e.N() {
		if by.columns {
			category = c.find(column[i])
		}
		// The number whose digits are the classes. Of a regression there are none.
		kind := 0
		if truth != nil {
			kind = truth[i] * classes
			if production != nil {
				kind += production[i]
			}
			kind = kind*classes + shadow[i]
		}
		c.add(category, kind)
	}
	found := make(map[string][]metrics.Tally, len(c.names))
	for category, name := range c.names {
		for kind, rows := range c.sorted(category) {
			found[name] = append(found[name], metrics.Tally{Truth: kind / classes / classes, Production: kind / classes % classes, Shadow: kind % classes, Rows: rows})
		}
	}
	return found
}

// counter counts kinds of rows by category.
type counter struct {
	kinds  int            // how many there may be
	index  map[string]int // of each category
	names  []string       // of the categories
	counts []kindCounts   // of each category
	// recent holds indices of categories by the hash of their names.
	recent [256]int
}

// kindCounts are numbers of rows by kind, in one form or the other.
type kindCounts struct {
	dense  []int
	sparse map[int]int
}

// find is category, but several times faster where few categories take turns: most rows
// are of one that was found last under its hash.
func (c *counter) find(name string) int {
	hash := uint8(len(name))
	if len(name) > 0 {
		hash += 3*name[0] + 5*name[len(name)/2] + 7*name[len(name)-1]
	}
	if i := c.recent[hash]; i < len(c.names) && c.names[i] == name {
		return i
	}
	i := c.category(name)
	c.recent[hash] = i
	return i
}

// category returns the index of a category.
func (c *counter) category(name string) int {
	i, ok := c.index[name]
	if !ok {
		i = len(c.names)
		c.index[name] = i
		c.names = append(c.names, name)
		var counts kindCounts
		if (i+1)*c.kinds <= maxDense {
			counts.dense = make([]int, c.kinds)
		} else {
			counts.sparse = map[int]int{}
		}
		c.counts = append(c.counts, counts)
	}
	return i
}

func (c *counter) add(category, kind int) {
	if counts := c.counts[category]; counts.dense != nil {
		counts.dense[kind]++
	} else {
		counts.sparse[kind]++
	}
}

// sorted yields the kinds of a category that occur, in order, and their numbers of rows.
func (c *counter) sorted(category int) iter.Seq2[int, int] {
	return func(yield func(kind, rows int) bool) {
		counts := c.counts[category]
		for kind, rows := range counts.dense {
			if rows > 0 && !yield(kind, rows) {
				return
			}
		}
		for _, kind := range slices.Sorted(maps.Keys(counts.sparse)) {
			if !yield(kind, counts.sparse[kind]) {
				return
			}
		}
	}
}
