package gate

import (
	"iter"
	"maps"
	"slices"
)

// maxDense is how many counters there are for combinations of truth and answers that may
// occur, before only those that do occur get one: so a column of a million categories
// needs no more memory than its rows do.
const maxDense = 1 << 18

// grouping says by what rows are counted: by the categories of a column, or all of them
// under "" if it is the zero grouping.
type grouping struct {
	column  string
	columns bool // because a column may be named ""
}

// overall counts all rows.
func overall(e *Evidence) []Tally { return tallies(e, grouping{})[""] }

// byCategory counts the rows of each category of a column.
func byCategory(e *Evidence, column string) map[string][]Tally {
	return tallies(e, grouping{column, true})
}

// tallies counts rows. While a decision is made, they are counted once.
func tallies(e *Evidence, by grouping) map[string][]Tally {
	known := e.memo()
	if known == nil {
		return countTallies(e, by)
	}
	known.mu.Lock()
	defer known.mu.Unlock()
	found, ok := known.tallies[by]
	if !ok {
		found = countTallies(e, by)
		known.tallies[by] = found
	}
	return found
}

// countTallies counts the rows, of at most maxTallyClasses classes.
func countTallies(e *Evidence, by grouping) map[string][]Tally {
	classes := tallyClasses(e.Target)
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
