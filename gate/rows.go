package gate

import (
	"errors"
	"fmt"
	"sync"

	"github.com/selfheal-ml/selfheal/gate/internal/digits"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// The models, as facts name them.
const (
	productionName = "production"
	shadowName     = "shadow"
)

// rowSource is a source that has the rows.
type rowSource struct {
	*Evidence
	trusted bool // the evidence is valid
	found   facts
	mu      sync.Mutex
	counted map[grouping]map[string][]metrics.Tally // guarded by mu
}

func (r *rowSource) valid() error {
	if r.trusted {
		return nil
	}
	answers := map[string]*metrics.Answers{"truth": &r.Truth, productionName: r.Production, shadowName: &r.Shadow}
	for _, name := range sortedKeys(answers) {
		if err := answers[name].Validate(r.Target, r.N()); err != nil {
			return fmt.Errorf("%w: %s: %w", metrics.ErrInput, name, err)
		}
	}
	return nil
}

// truths leaves out a truth that is no class.
func (r *rowSource) truths() []int {
	counts := make([]int, metrics.Classes(r.Target))
	for _, k := range r.Truth.Class {
		if k >= 0 && k < len(counts) {
			counts[k]++
		}
	}
	return counts
}

func (r *rowSource) columns() []string { return sortedKeys(r.Segments) }

// tallies counts rows once.
func (r *rowSource) tallies(by grouping) map[string][]metrics.Tally {
	r.mu.Lock()
	defer r.mu.Unlock()
	counted, ok := r.counted[by]
	if !ok {
		counted = countTallies(r.Evidence, by)
		r.counted[by] = counted
	}
	return counted
}

func (r *rowSource) parts(column string, m metrics.Metric) ([]subset, error) {
	if have := len(r.Segments[column]); have != r.N() {
		return nil, fmt.Errorf("%w: segments by %q: %d values, want %d", metrics.ErrInput, column, have, r.N())
	}
	if m.OfClasses() {
		return countedParts(column, r.tallies(grouping{column, true})), nil
	}
	of := map[string][]int{}
	for row, category := range r.Segments[column] {
		of[category] = append(of[category], row)
	}
	var parts []subset
	for _, category := range sortedKeys(of) {
		s := newPart(column, category)
		s.rows, s.n = of[category], len(of[category])
		parts = append(parts, s)
	}
	return parts, nil
}

func (r *rowSource) of(model string) *metrics.Rows {
	if model == productionName {
		return metrics.NewRows(r.Target, r.Truth, *r.Production)
	}
	return metrics.NewRows(r.Target, r.Truth, r.Shadow)
}

func (r *rowSource) value(model string, m metrics.Metric) (float64, error) {
	v, err := m.Measure(r.of(model))
	return digits.Settle(v), err
}

func (r *rowSource) values(model string, of []metrics.Metric) map[string]float64 {
	values := make(map[string]float64)
	answers := r.of(model)
	for _, m := range of {
		v, err := m.Measure(answers)
		switch {
		case err == nil:
			values[m.String()] = digits.Settle(v)
		case !m.OfClasses() && !errors.Is(err, metrics.ErrNotMeasurable):
			// Without the rows nobody could tell why there is none.
			r.found.note(model+" "+m.String(), nil, err)
		}
	}
	return values
}

func (r *rowSource) fact(key string, n int, find func(e *Evidence) ([]float64, error)) ([]float64, error) {
	if f, ok := r.found.get(key); ok && (f.Error != "" || len(f.Values) == n) {
		return f.Values, f.err()
	}
	values, err := find(r.Evidence)
	for i, v := range values {
		values[i] = digits.Settle(v)
	}
	r.found.note(key, values, err)
	return values, err
}

func (r *rowSource) known() map[string]Fact { return r.found.known }

func (r *rowSource) ask(c Criterion) Check { return c.Check(r.Evidence) }
