package gate

import (
	"fmt"
	"maps"
	"slices"

	"github.com/selfheal-ml/selfheal/gate/internal/compare"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

type storedSource struct {
	decision Decision
	found    facts
	counted  map[grouping]map[string][]metrics.Tally
}

// storedView returns the view of a stored decision, and its source. After the criteria were
// evaluated, the source knows which facts were missing.
func storedView(d Decision) (view, *storedSource, error) {
	b := *d.Basis
	if b.Tallies == nil && d.N > 0 {
		return view{}, nil, fmt.Errorf("%w: there were too many combinations of answers to store", ErrNeedsRows)
	}
	if err := b.validate(d.N); err != nil {
		return view{}, nil, fmt.Errorf("gate: basis: %w", err)
	}
	s := &storedSource{
		decision: d,
		found:    facts{known: b.Facts},
		counted:  map[grouping]map[string][]metrics.Tally{{}: {"": ordered(b.Tallies, d.First)}},
	}
	for column, categories := range b.Segments {
		counted := make(map[string][]metrics.Tally, len(categories))
		for category, tallies := range categories {
			if len(tallies) > 0 {
				counted[category] = ordered(tallies, d.First)
			}
		}
		s.counted[grouping{column, true}] = counted
	}
	b.LastPromotion = instant(b.LastPromotion)
	b.ProductionProbabilities = b.ProductionProbabilities && !d.First
	b.Tallies, b.Segments, b.Facts = nil, nil, nil
	return view{Basis: &b, first: d.First, at: d.At, n: d.N, source: s}, s, nil
}

// ordered returns the tallies in the order of counting. A bootstrap depends on the order,
// which must not be up to whoever stored the tallies.
func ordered(tallies []metrics.Tally, first bool) []metrics.Tally {
	rows := make(map[metrics.Tally]int, len(tallies))
	for _, t := range tallies {
		if first {
			t.Production = 0
		}
		n := t.Rows
		t.Rows = 0
		rows[t] += n
	}
	var found []metrics.Tally
	for t, n := range rows {
		t.Rows = n
		found = append(found, t)
	}
	slices.SortFunc(found, compareTallies)
	return found
}

func (s *storedSource) valid() error { return nil }

func (s *storedSource) truths() []int {
	counts := make([]int, metrics.Classes(s.decision.Basis.Target))
	for _, t := range s.tallies(grouping{})[""] {
		counts[t.Truth] += t.Rows
	}
	return counts
}

func (s *storedSource) columns() []string { return sortedKeys(s.decision.Basis.Segments) }

func (s *storedSource) tallies(by grouping) map[string][]metrics.Tally { return s.counted[by] }

func (s *storedSource) parts(column string, _ metrics.Metric) ([]subset, error) {
	return countedParts(column, s.tallies(grouping{column, true})), nil
}

func (s *storedSource) value(model string, m metrics.Metric) (float64, error) {
	b := s.decision.Basis
	values, probabilities, answer := s.decision.Shadow, b.ShadowProbabilities, compare.Shadow
	if model == productionName {
		values, probabilities, answer = s.decision.Production, b.ProductionProbabilities, compare.Production
	}
	m = m.For(b.Target)
	if err := m.Measurable(b.Target, s.decision.N, probabilities); err != nil {
		return 0, err
	}
	if m.OfClasses() {
		return compare.OfTallies(m, s.tallies(grouping{})[""], metrics.Classes(b.Target), answer)
	}
	if v, ok := values[m.String()]; ok {
		return v, nil
	}
	key := model + " " + m.String()
	if f, ok := s.found.get(key); ok && f.Error != "" {
		return 0, f.err()
	}
	return 0, s.found.miss(key)
}

func (s *storedSource) fact(key string, n int, _ func(e *Evidence) ([]float64, error)) ([]float64, error) {
	f, ok := s.found.get(key)
	if !ok || f.Error == "" && len(f.Values) != n {
		return nil, s.found.miss(key)
	}
	return f.Values, f.err()
}

func (s *storedSource) known() map[string]Fact { return maps.Clone(s.found.known) }

func (s *storedSource) ask(c Criterion) Check {
	return failedCheck(fmt.Sprintf("%T", c), s.found.miss(fmt.Sprintf("a %T", c)))
}
