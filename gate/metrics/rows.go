package metrics

import (
	"fmt"
	"sync"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// Rows hold the truth of rows of a target and one model's answers. Rows cache intermediate
// results and are not safe for concurrent use.
type Rows struct {
	target         predictlog.Target
	truth, answers Answers

	values map[*definition]float64 // the metrics measured so far
	valid  func() error            // whether truth and answers are well formed
	// Each of these is nil until it is needed.
	counts   Counts
	rankings []Ranking // of each ranked class against the rest
}

// NewRows returns the rows, which share the columns with the arguments. Malformed answers are
// an error of [Metric.Measure], not of NewRows.
func NewRows(target predictlog.Target, truth, answers Answers) *Rows {
	r := &Rows{target: target, truth: truth, answers: answers, values: map[*definition]float64{}}
	r.valid = sync.OnceValue(func() error {
		if err := truth.Validate(target, r.n()); err != nil {
			return fmt.Errorf("truth: %w", err)
		}
		if err := answers.Validate(target, r.n()); err != nil {
			return fmt.Errorf("answers: %w", err)
		}
		return nil
	})
	return r
}

func (r *Rows) n() int { return max(r.truth.N(), r.answers.N()) }

func (r *Rows) counted() (counts Counts, err error) {
	if r.counts == nil {
		r.counts, err = NewCounts(r.truth.Class, r.answers.Class, Classes(r.target), nil)
	}
	return r.counts, err
}

// each returns the cost of each row. The rows must be valid.
func (r *Rows) each(metric string, cost func(Row) float64) ([]float64, error) {
	var row Row
	if r.answers.Probability != nil {
		row.Probability = make([]float64, len(r.answers.Probability))
	}
	costs := make([]float64, r.n())
	for i := range costs {
		if r.target.Task == predictlog.Regression {
			row.TruthValue, row.Value = r.truth.Value[i], r.answers.Value[i]
		} else {
			row.Truth, row.Class = r.truth.Class[i], r.answers.Class[i]
		}
		for k, p := range r.answers.Probability {
			row.Probability[k] = p[i]
		}
		if costs[i] = cost(row); !isFinite(costs[i]) {
			return nil, undefined(metric, fmt.Sprintf("row %d has no finite cost", i))
		}
	}
	return costs, nil
}

// ranked returns the first class that is ranked against the rest. With two classes only the
// positive class is ranked, with more classes all of them.
func (r *Rows) ranked() int {
	if len(r.answers.Probability) == 2 {
		return 1
	}
	return 0
}

// oneVsRest returns the mean area over the ranked classes, each of which must occur.
func (r *Rows) oneVsRest(area func(Ranking) (float64, error)) (sum float64, err error) {
	first, p := r.ranked(), r.answers.Probability
	for k := first + len(r.rankings); k < len(p); k++ {
		ranking, err := NewRanking(isClass(r.truth.Class, k), p[k], nil)
		if err != nil {
			return 0, err
		}
		r.rankings = append(r.rankings, ranking)
	}
	for _, ranking := range r.rankings {
		v, err := area(ranking)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum / float64(len(r.rankings)), nil
}

func (r *Rows) brierSkill() (float64, error) {
	score, err := Brier.Measure(r)
	if err != nil {
		return 0, err
	}
	base := baseBrier(r.truth.Class, len(r.answers.Probability))
	if base == 0 {
		return 0, fmt.Errorf("%w: Brier skill: all rows are of one class", ErrUndefined)
	}
	return 1 - score/base, nil
}

// baseBrier returns Brier's score of always answering the class shares of these rows.
func baseBrier(truth []int, classes int) float64 {
	counts := make([]float64, classes)
	for _, k := range truth {
		counts[k]++
	}
	n := float64(len(truth))
	if classes == 2 {
		return counts[0] / n * counts[1] / n
	}
	var base float64
	for _, c := range counts {
		base += c / n * (1 - c/n)
	}
	return base
}

func (r *Rows) calibration() (float64, error) {
	right, confidence := r.confidence()
	return BinaryECE(right, confidence, nil)
}

// confidence returns for each row the probability whose calibration is judged, and whether
// that class was the true one. With two classes it is the positive class, with more the class
// with the highest probability, the first of equals.
func (r *Rows) confidence() (right []bool, confidence []float64) {
	if r.ranked() == 1 {
		return isClass(r.truth.Class, 1), r.answers.Probability[1]
	}
	right, confidence = make([]bool, len(r.truth.Class)), make([]float64, len(r.truth.Class))
	for i, t := range r.truth.Class {
		top := 0
		for k, p := range r.answers.Probability {
			if p[i] > r.answers.Probability[top][i] {
				top = k
			}
		}
		right[i], confidence[i] = top == t, r.answers.Probability[top][i]
	}
	return right, confidence
}
