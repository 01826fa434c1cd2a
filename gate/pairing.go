package gate

import (
	"cmp"
	"fmt"

	"github.com/selfheal-ml/selfheal/gate/internal/compare"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

type pairing struct{ compare.Pairing }

func newPairing(m metric, relative bool, draws int, seed uint64) pairing {
	return pairing{compare.Pairing{Metric: m.Metric, Relative: relative, Draws: cmp.Or(draws, defaultDraws), Seed: seed, Format: m.format}}
}

// compare infers the gain on a subset of the rows; call [checkAnswers] first. A metric of
// classes is compared by a bootstrap of the joint confusion matrix, any other by the influence
// of each row.
func (p pairing) compare(v view, s subset) (compare.Inference, error) {
	if p.Metric.OfClasses() {
		if s.segment == "" {
			s.tallies = v.overall()
		}
		return p.Bootstrap(s.tallies, metrics.Classes(v.Target))
	}
	what := "gain"
	if p.Relative {
		what = "relative gain"
	}
	values, err := p.fact(v, s, what, 5, p.Studentize)
	if err != nil {
		return compare.Inference{}, err
	}
	return p.Studentized(values)
}

func (p pairing) measure(v view, s subset) (production, shadow float64, err error) {
	if p.Metric.OfClasses() {
		return p.MeasureTallies(s.tallies, metrics.Classes(v.Target))
	}
	values, err := p.fact(v, s, "values", 2, p.MeasureRows)
	if err != nil {
		return 0, 0, err
	}
	return values[0], values[1], nil
}

// fact returns n numbers that find computes from single rows.
func (p pairing) fact(v view, s subset, what string, n int, find func(compare.Rows) ([]float64, error)) ([]float64, error) {
	key := p.Metric.String() + " " + what
	if s.key != "" {
		key += " in " + s.key
	}
	return v.fact(key, n, func(e *Evidence) ([]float64, error) {
		return find(compare.Rows{Target: e.Target, Truth: e.Truth, Production: *e.Production, Shadow: e.Shadow}.Pick(s.rows))
	})
}

// checkAnswers returns an error if m does not suit the target or answers are malformed.
func checkAnswers(v view, m metrics.Metric) error {
	if err := m.Suits(v.Target); err != nil {
		return err
	}
	if classes := metrics.Classes(v.Target); m.OfClasses() && classes > metrics.MaxClasses {
		return fmt.Errorf("gate: models of %s classes cannot be compared by %s, of at most %s they can", count(classes), m.Title(), count(metrics.MaxClasses))
	}
	return v.valid()
}
