package compare

import (
	"math"

	"github.com/selfheal-ml/selfheal/gate/internal/digits"
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/gate/paired"
)

// cells are the kinds of rows of a classification, as a bootstrap draws them.
type cells struct {
	kinds         []metrics.Tally // without their numbers of rows
	counts, prior []float64       // of each kind
}

// newCells returns the cells of the tallies, with a prior. Without the prior a bootstrap would
// take every difference between the models that was not seen for impossible. For each truth
// the prior adds 2 divided by the number of classes as rows that the shadow wins, and as many
// that it loses. They are divided among the differences that were seen, each difference like
// its opposite.
//
// Two classes therefore add four rows. Simulation shows that they keep the level if few rows
// differ, and change nothing if many do.
func newCells(tallies []metrics.Tally, classes int) *cells {
	c := &cells{}
	index := map[metrics.Tally]int{}
	add := func(kind metrics.Tally, count, prior float64) {
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
		n := float64(t.Rows)
		rows[t.Truth] += n
		if t.Production != t.Shadow {
			differ[t.Truth] += n
		}
		t.Rows = 0
		add(t, n, 0)
	}
	either := 2 / float64(classes)
	addPair := func(truth, a, b int, prior float64) {
		add(metrics.Tally{Truth: truth, Production: a, Shadow: b}, 0, prior)
		add(metrics.Tally{Truth: truth, Production: b, Shadow: a}, 0, prior)
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

// statistic returns the gain less a share of production's value, as a function of the counts.
func (c *cells) statistic(m metrics.Metric, classes int, share float64) paired.Statistic {
	production, shadow := make(metrics.Counts, classes), make(metrics.Counts, classes)
	return func(counts []float64) (float64, bool) {
		clear(production)
		clear(shadow)
		for i, kind := range c.kinds {
			production.Add(kind.Truth, kind.Production, counts[i])
			shadow.Add(kind.Truth, kind.Shadow, counts[i])
		}
		a, errA := m.MeasureCounts(production)
		b, errB := m.MeasureCounts(shadow)
		return m.Gain(a, b) - float64(share*math.Abs(a)), errA == nil && errB == nil
	}
}

// Production returns the class that the model in production answers.
func Production(t metrics.Tally) int { return t.Production }

// Shadow returns the class that the shadow answers.
func Shadow(t metrics.Tally) int { return t.Shadow }

// OfTallies measures a metric of classes on the answers of one model.
func OfTallies(m metrics.Metric, tallies []metrics.Tally, classes int, answer func(metrics.Tally) int) (float64, error) {
	counts := make(metrics.Counts, classes)
	for _, t := range tallies {
		counts.Add(t.Truth, answer(t), float64(t.Rows))
	}
	v, err := m.MeasureCounts(counts)
	return digits.Settle(v), err
}
