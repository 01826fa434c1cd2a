package gate

import (
	"errors"
	"fmt"
	"sync"

	"github.com/selfheal-ml/selfheal/gate/internal/digits"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// The names of the models in facts.
const (
	productionName = "production"
	shadowName     = "shadow"
)

type rowSource struct {
	*Evidence
	trusted bool // the evidence is valid
	models  map[string]*answersOf
	found   facts
	mu      sync.Mutex
	counted map[grouping]map[string][]metrics.Tally // guarded by mu
}

type answersOf struct {
	mu   sync.Mutex
	rows *metrics.Rows // guarded by mu
}

func newRowSource(e *Evidence, trusted bool) *rowSource {
	r := &rowSource{
		Evidence: e,
		trusted:  trusted,
		models:   map[string]*answersOf{shadowName: {rows: metrics.NewRows(e.Target, e.Truth, e.Shadow)}},
		found:    facts{known: map[string]Fact{}},
		counted:  map[grouping]map[string][]metrics.Tally{},
	}
	if !e.First() {
		r.models[productionName] = &answersOf{rows: metrics.NewRows(e.Target, e.Truth, *e.Production)}
	}
	return r
}

func (r *rowSource) valid() error {
	if r.trusted {
		return nil
	}
	answers := []*metrics.Answers{r.Production, &r.Shadow, &r.Truth}
	for i, name := range []string{productionName, shadowName, "truth"} {
		if err := answers[i].Validate(r.Target, r.N()); err != nil {
			return fmt.Errorf("%w: %s: %w", metrics.ErrInput, name, err)
		}
	}
	return nil
}

// truths ignores a truth that is not a class.
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

// tallies counts the rows once for each grouping.
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

func (r *rowSource) value(model string, m metrics.Metric) (float64, error) {
	answers := r.models[model]
	answers.mu.Lock()
	v, err := m.Measure(answers.rows)
	answers.mu.Unlock()
	if err != nil && !m.OfClasses() && !errors.Is(err, metrics.ErrNotMeasurable) {
		// Only the rows can tell why there is no value.
		r.found.note(model+" "+m.String(), nil, err)
	}
	return digits.Settle(v), err
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
