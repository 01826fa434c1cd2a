package gate

import (
	"errors"
	"fmt"
	"time"

	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// view is the evidence as the criteria see it, from the rows or from a stored decision.
type view struct {
	*Basis // without the tallies and facts
	first  bool
	at     time.Time
	n      int // the number of rows
	source
}

type source interface {
	// valid returns an error if answers are missing or malformed.
	valid() error
	// truths returns the number of rows whose truth is each class.
	truths() []int
	columns() []string
	// tallies counts the rows of each category of a column, or all rows under "".
	tallies(by grouping) map[string][]metrics.Tally
	// parts returns the rows of each category of a column, in the order of the categories.
	// The rows are counted only if the metric is of classes.
	parts(column string, m metrics.Metric) ([]subset, error)
	// value returns a metric of the named model on all rows.
	value(model string, m metrics.Metric) (float64, error)
	// fact returns n numbers computed from the rows by find, or stored when the decision was
	// first made. They are rounded to the digits that are known. The key names them.
	fact(key string, n int, find func(e *Evidence) ([]float64, error)) ([]float64, error)
	known() map[string]Fact
	// ask evaluates a host's criterion.
	ask(c Criterion) Check
}

type viewer interface{ check(v view) Check }

// newView returns the view of the rows. trusted says that the evidence is valid.
func newView(e *Evidence, trusted bool) view {
	b := &Basis{
		Target:              e.Target,
		LastPromotion:       instant(e.LastPromotion),
		Coverage:            e.Coverage,
		TrainingRows:        e.TrainingRows,
		ProductionLatency:   e.ProductionLatency,
		ShadowLatency:       e.ShadowLatency,
		ShadowProbabilities: e.Shadow.Probability != nil,
	}
	if !e.First() {
		b.ProductionProbabilities = e.Production.Probability != nil
	}
	return view{Basis: b, first: e.First(), at: e.At, n: e.N(), source: newRowSource(e, trusted)}
}

func (v view) values(model string, of []metrics.Metric) map[string]float64 {
	values := make(map[string]float64)
	for _, m := range of {
		if value, err := v.value(model, m); err == nil {
			values[m.String()] = value
		}
	}
	return values
}

func (v view) overall() []metrics.Tally { return v.tallies(grouping{})[""] }

// mature returns the number of rows of at least this age. The error is [ErrInvalidEvidence] if
// there is not one time for each row, and another error if the times are unknown.
func (v view) mature(age time.Duration) (int, error) {
	values, err := v.fact("rows of "+age.String()+" or older", 1, func(e *Evidence) ([]float64, error) {
		switch have, n := len(e.Times), e.N(); {
		case have == 0 || e.At.IsZero():
			return nil, errors.New("the times are not known")
		case have != n:
			return nil, fmt.Errorf("%w: there are %s times of %s rows", ErrInvalidEvidence, count(have), count(n))
		}
		mature, latest := 0, e.At.Add(-age)
		for _, t := range e.Times {
			if !t.After(latest) {
				mature++
			}
		}
		return []float64{float64(mature)}, nil
	})
	if err != nil {
		return 0, err
	}
	return int(values[0]), nil
}

// tallied returns the basis with the tallies, unless there are too many.
func (v view) tallied() *Basis {
	b := *v.Basis
	if max(1, metrics.Classes(b.Target)) > metrics.MaxClasses {
		return &b
	}
	all := v.overall()
	n := len(all)
	columns := v.columns()
	segments := make(map[string]map[string][]metrics.Tally, len(columns))
	for _, column := range columns {
		segments[column] = v.tallies(grouping{column, true})
		for _, t := range segments[column] {
			n += len(t)
		}
	}
	if n > maxTallies {
		return &b
	}
	b.Tallies = all
	if len(segments) > 0 {
		b.Segments = segments
	}
	return &b
}

// metricOf returns the metric that m stands for on the target of the evidence.
func metricOf(m metrics.Metric, v view) metric { return metric{m.For(v.Target)} }
