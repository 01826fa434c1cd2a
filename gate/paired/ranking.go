package paired

import (
	"cmp"
	"math"
	"slices"
)

// Placements returns for each row the share of the other class that is ranked right against
// the row. For a positive row these are the negatives that score lower, for a negative row the
// positives that score higher. A tie counts half. The mean over either class is the area under
// the ROC curve. A NaN is an error. If a class is missing, the placements of the other class
// are NaN.
func Placements(truth []bool, score []float64) ([]float64, error) {
	return placements("placements", "score", truth, score)
}

func placements(method, column string, truth []bool, score []float64) ([]float64, error) {
	r, err := rank(method, column, truth, score)
	if err != nil {
		return nil, err
	}
	positives, negatives := float64(r.positives), float64(len(truth)-r.positives)
	placed := make([]float64, len(truth))
	var above, aboveNegative float64 // the positives and negatives that score higher
	r.ties(func(rows []scored, tied float64) {
		tiedNegative := float64(len(rows)) - tied
		for _, row := range rows {
			if truth[row.row] {
				placed[row.row] = (negatives - aboveNegative - tiedNegative/2) / negatives
			} else {
				placed[row.row] = (above + tied/2) / positives
			}
		}
		above += tied
		aboveNegative += tiedNegative
	})
	return placed, nil
}

// AveragePrecisionInfluence returns the infinitesimal jackknife of average precision (the area
// under the precision-recall curve without interpolation): for each row, the change of the
// area with the row's weight. The standard deviation of these numbers over the root of their
// number is the standard error of the area. A NaN is an error; no positive row is [ErrTooFew].
func AveragePrecisionInfluence(truth []bool, score []float64) ([]float64, error) {
	const name = "average precision"
	r, err := rank(name, "score", truth, score)
	if err != nil {
		return nil, err
	}
	if r.positives == 0 {
		return nil, tooFew(name, "no row is positive")
	}
	positives := float64(r.positives)
	// The area sums over ties their share of the positives times the precision down to them.
	var hits, answered, area float64
	r.ties(func(rows []scored, tied float64) {
		hits += tied
		answered += float64(len(rows))
		area += tied / positives * hits / answered
	})
	// A row takes part in the precision at its own score and at all lower scores, so the lower
	// scores come first. A hit adds to the precision, and every answered row takes from it.
	influence := make([]float64, len(truth))
	scale := float64(len(truth)) / positives
	var adds, takes float64
	for to := len(r.rows); to > 0; {
		from := to
		var tied float64
		for ; from > 0 && r.rows[from-1].score == r.rows[to-1].score; from-- {
			if truth[r.rows[from-1].row] {
				tied++
			}
		}
		precision := hits / float64(to)
		adds += tied / float64(to)
		takes += tied / float64(to) * precision
		for _, row := range r.rows[from:to] {
			v := -takes
			if truth[row.row] {
				v += adds + precision - area
			}
			influence[row.row] = v * scale
		}
		hits -= tied
		to = from
	}
	return influence, nil
}

type scored struct {
	score float64
	row   int
}

// ranking holds the rows by score, highest first.
type ranking struct {
	truth     []bool
	rows      []scored
	positives int
}

func rank(method, column string, truth []bool, score []float64) (ranking, error) {
	if len(score) != len(truth) {
		return ranking{}, malformed(method, "%s has %d values, want %d", column, len(score), len(truth))
	}
	r := ranking{truth: truth, rows: make([]scored, len(truth))}
	for i, s := range score {
		if math.IsNaN(s) {
			return ranking{}, malformed(method, "%s[%d] is NaN", column, i)
		}
		r.rows[i] = scored{s, i}
		if truth[i] {
			r.positives++
		}
	}
	slices.SortFunc(r.rows, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	return r, nil
}

// ties calls each for every distinct score, with its rows and the number of positives.
func (r ranking) ties(each func(rows []scored, positives float64)) {
	for from := 0; from < len(r.rows); {
		to := from
		var positives float64
		for ; to < len(r.rows) && r.rows[to].score == r.rows[from].score; to++ {
			if r.truth[r.rows[to].row] {
				positives++
			}
		}
		each(r.rows[from:to], positives)
		from = to
	}
}
