package gate

import (
	"iter"
	"maps"
	"slices"
)

// maxDense is the number of combinations of truth and answers up to which each has a
// counter, rather than those that occur: up to 16 classes.
const maxDense = 4096

// countTallies counts the rows of each category, or of all under "" if column is nil.
func countTallies(e *Evidence, column []string, classes int) map[string][]Tally {
	c := counter{kinds: classes * classes * classes, index: map[string]int{}}
	truth, shadow := e.Truth.Class, e.Shadow.Class
	var production []int
	if !e.First() {
		production = e.Production.Class
	}
	category := 0
	if column == nil {
		category = c.category("")
	}
	for i := range e.N() {
		if column != nil {
			category = c.category(column[i])
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
	found := make(map[string][]Tally, len(c.names))
	for category, name := range c.names {
		for kind, rows := range c.sorted(category) {
			found[name] = append(found[name], Tally{kind / classes / classes, kind / classes % classes, kind % classes, rows})
		}
	}
	return found
}

// counter counts kinds of rows by category.
type counter struct {
	kinds  int            // how many there may be
	index  map[string]int // of each category
	names  []string       // of the categories
	dense  [][]int        // by category and kind, if there are few kinds
	sparse []map[int]int  // otherwise
}

// category returns the index of a category.
func (c *counter) category(name string) int {
	i, ok := c.index[name]
	if !ok {
		i = len(c.names)
		c.index[name] = i
		c.names = append(c.names, name)
		if c.kinds <= maxDense {
			c.dense = append(c.dense, make([]int, c.kinds))
		} else {
			c.sparse = append(c.sparse, map[int]int{})
		}
	}
	return i
}

func (c *counter) add(category, kind int) {
	if c.dense != nil {
		c.dense[category][kind]++
	} else {
		c.sparse[category][kind]++
	}
}

// sorted yields the kinds of a category that occur, in order, and their numbers of rows.
func (c *counter) sorted(category int) iter.Seq2[int, int] {
	return func(yield func(kind, rows int) bool) {
		if c.dense != nil {
			for kind, rows := range c.dense[category] {
				if rows > 0 && !yield(kind, rows) {
					return
				}
			}
			return
		}
		for _, kind := range slices.Sorted(maps.Keys(c.sparse[category])) {
			if !yield(kind, c.sparse[category][kind]) {
				return
			}
		}
	}
}
