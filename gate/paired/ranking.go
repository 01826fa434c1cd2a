package paired

import (
	"cmp"
	"math"
	"slices"
)

// Placements returns for each row the share of the other class that it is ranked right
// against, a tie counting half: of a positive row the negatives that score lower, of a
// negative row the positives that score higher. Their mean over either class is the area
// under the ROC curve. A NaN is an error; if a class is missing, the placements of the
// other are NaN.
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

// AveragePrecisionInfluence returns for each row how much average precision, the area
// under the precision-recall curve without interpolation, changes with the row's weight:
// its infinitesimal jackknife. The standard deviation of these numbers over the root of
// their number is the standard error of the area. A NaN is an error; no positive row is
// [ErrTooFew].
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
	// The area is the sum over the ties of their share of the positives times the
	// precision of all rows down to them.
	var hits, answered, area float64
	r.ties(func(rows []scored, tied float64) {
		hits += tied
		answered += float64(len(rows))
		area += tied / positives * hits / answered
	})
	// A row takes part in the precision at its own score and at all lower ones, so that
	// these are gone through first: as a hit it adds to it, and as a row answered it
	// takes from it.
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

// scored is a row and its score.
type scored struct {
	score float64
	row   int
}

// ranking is rows in the order of their score, highest first.
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

// ties calls each with the rows that share a score, and how many of them are positive.
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
