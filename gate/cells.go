package gate

import "github.com/selfheal-ml/selfheal/gate/metrics"

// cells are the kinds of rows that a classification can have, as a bootstrap draws them.
type cells struct {
	kinds         []Tally   // without their numbers of rows
	counts, prior []float64 // of each kind
}

// newCells returns the cells of the tallies, and a prior that keeps a bootstrap from
// taking it for impossible that the models differ in a way that happened not to be seen:
// for each truth as many rows won as lost by the shadow, 2 divided by the number of
// classes either way. They are divided among the ways in which the models were seen to
// differ, each as often as its opposite.
//
// So two classes add four rows. Simulation shows that they keep the level where few rows
// differ; where many do, they change nothing.
func newCells(tallies []Tally, classes int) *cells {
	c := &cells{}
	index := map[Tally]int{}
	add := func(kind Tally, count, prior float64) {
		i, ok := index[kind]
		if !ok {
			i = len(c.kinds)
			index[kind] = i
			c.kinds, c.counts, c.prior = append(c.kinds, kind), append(c.counts, 0), append(c.prior, 0)
		}
		c.counts[i] += count
		c.prior[i] += prior
	}
	rows, differ := make([]float64, classes), make([]float64, classes) // by truth
	for _, t := range tallies {
		add(t.answers(), float64(t.Rows), 0)
		rows[t.Truth] += float64(t.Rows)
		if t.Production != t.Shadow {
			differ[t.Truth] += float64(t.Rows)
		}
	}
	either := 2 / float64(classes)
	addPair := func(truth, a, b int, prior float64) {
		add(Tally{Truth: truth, Production: a, Shadow: b}, 0, prior)
		add(Tally{Truth: truth, Production: b, Shadow: a}, 0, prior)
	}
	for _, t := range tallies {
		if t.Production != t.Shadow {
			addPair(t.Truth, t.Production, t.Shadow, either*float64(t.Rows)/differ[t.Truth])
		}
	}
	for truth := range classes {
		if rows[truth] > 0 && differ[truth] == 0 {
			addPair(truth, truth, (truth+1)%classes, either)
		}
	}
	return c
}

// matrices overwrites both models' confusion matrices with the counts of the cells.
func (c *cells) matrices(counts []float64, production, shadow metrics.Matrix) {
	for t := range production {
		clear(production[t])
		clear(shadow[t])
	}
	for i, kind := range c.kinds {
		production[kind.Truth][kind.Production] += counts[i]
		shadow[kind.Truth][kind.Shadow] += counts[i]
	}
}

func newMatrix(classes int) metrics.Matrix {
	m := make(metrics.Matrix, classes)
	for t := range m {
		m[t] = make([]float64, classes)
	}
	return m
}
