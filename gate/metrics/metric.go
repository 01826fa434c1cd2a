package metrics

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// ErrNotMeasurable means that a metric has no value on any rows of this kind: the metric
// belongs to another task, or the model gives no probabilities.
var ErrNotMeasurable = errors.New("metrics: metric cannot be measured")

func notMeasurable(format string, args ...any) error {
	return &failure{what: fmt.Sprintf(format, args...), sentinel: ErrNotMeasurable}
}

// Metric is one measure of a model's answers. The metrics of this package are variables, such
// as [F1]; a host makes its own with [OfCounts] or [OfRows].
//
// A Metric is immutable and safe for concurrent use. Two Metrics are equal if one call made
// both. The zero Metric measures nothing.
type Metric struct{ definition *definition }

// Info describes a metric.
type Info struct {
	// Name is the metric's name in JSON, such as "log_loss". It consists of small letters,
	// digits and underscores and begins with a letter. "production", "shadow", "gain" and
	// "values" are reserved.
	Name string
	// Title is the name in sentences, such as "log loss". Default Name.
	Title string
	// LowerIsBetter says that a better model has a lower value, as for a loss.
	LowerIsBetter bool
	// Unit is the unit of the values, such as "EUR". It is empty for a share or a score,
	// and [TargetUnit] for the unit of the target.
	Unit string
	// Tasks are the tasks that the metric suits. Default: all but regression for [OfCounts],
	// and all for [OfRows].
	Tasks []predictlog.Task
	// Probabilities says that the metric needs the probabilities of the classes.
	Probabilities bool
}

// TargetUnit is the [Info.Unit] of a metric in the unit of the target, such as [MAE].
const TargetUnit = "target"

type definition struct {
	Info
	// counts measures a metric of classes, and rows any other metric.
	counts func(Counts) (float64, error)
	rows   func(*Rows) (float64, error)
	// influence is [Metric.Influence] of a metric that is not of classes.
	influence func(*Rows) ([]float64, float64, error)
	// classifier and regression are what this metric stands for, zero if it stands for itself.
	classifier, regression Metric
}

var validName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// reserved are names that decisions use for models and for single rows.
var reserved = []string{"production", "shadow", "gain", "values"}

// OfCounts makes a metric of the classes that a model answers. value returns the metric's
// value, or an error that wraps [ErrUndefined] if there is none. The counts need not be whole
// numbers. value must depend on its argument alone, must not modify or keep it, and may be
// called by several goroutines at once.
//
// Package gate infers the gain in such a metric by a bootstrap of the joint confusion matrix.
//
// A malformed Info, the name of a metric of this package and a nil value are errors.
func OfCounts(info Info, value func(Counts) (float64, error)) (Metric, error) {
	if len(info.Tasks) == 0 {
		info.Tasks = []predictlog.Task{predictlog.Binary, predictlog.Multiclass}
	}
	if value == nil {
		return Metric{}, errors.New("metrics: nil value of a metric")
	}
	return own(definition{Info: info, counts: func(c Counts) (float64, error) {
		v, err := value(slices.Clone(c)) // other metrics measure c too
		if err != nil {
			return 0, err
		}
		return finite(info.Name, v)
	}})
}

// Row is the truth of one row and the model's answer.
type Row struct {
	// Truth and Class are indices into the target's classes.
	Truth, Class int
	// Probability holds the probability of each class, valid during the call only. It is nil
	// if the model gives no probabilities.
	Probability []float64
	// TruthValue and Value are the truth and the answer of a regression.
	TruthValue, Value float64
}

// OfRows makes a metric that is the mean of cost over the rows. cost must depend on its
// argument alone, and may be called by several goroutines at once. If a cost is not finite,
// the metric is undefined on the rows.
//
// Package gate infers the gain in such a metric from the differences between the rows' costs.
// For costs without a bound see the criterion gate.Superior.
//
// A malformed Info, the name of a metric of this package and a nil cost are errors.
func OfRows(info Info, cost func(Row) float64) (Metric, error) {
	if cost == nil {
		return Metric{}, errors.New("metrics: nil cost of a metric")
	}
	costs := func(r *Rows) ([]float64, error) { return r.each(info.Name, cost) }
	return own(definition{
		Info: info,
		rows: func(r *Rows) (float64, error) {
			values, err := costs(r)
			if err != nil {
				return 0, err
			}
			return finite(info.Name, average(values))
		},
		influence: func(r *Rows) ([]float64, float64, error) {
			values, err := costs(r)
			return values, math.Inf(1), err
		},
	})
}

func own(d definition) (Metric, error) {
	var errs []error
	if !validName.MatchString(d.Name) {
		errs = append(errs, fmt.Errorf("the Name is %q, want small letters, digits and underscores", d.Name))
	} else if Named(d.Name).known() {
		errs = append(errs, fmt.Errorf("the Name is %q, which is a metric of this package", d.Name))
	}
	if slices.Contains(reserved, d.Name) {
		errs = append(errs, fmt.Errorf("the Name is %q, which has another meaning in decisions", d.Name))
	}
	if !utf8.ValidString(d.Title) || !utf8.ValidString(d.Unit) {
		errs = append(errs, fmt.Errorf("the Title is %q and the Unit %q, want UTF-8", d.Title, d.Unit))
	}
	for _, t := range d.Tasks {
		if t > predictlog.Regression {
			errs = append(errs, fmt.Errorf("an unknown task %d is among the Tasks", t))
		}
		if t == predictlog.Regression && (d.counts != nil || d.Probabilities) {
			errs = append(errs, errors.New("regression is among the Tasks, which has no classes"))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return Metric{}, fmt.Errorf("metrics: malformed metric: %w", err)
	}
	if d.Title == "" {
		d.Title = d.Name
	}
	d.Tasks = slices.Clone(d.Tasks)
	return Metric{&d}, nil
}

// All returns the metrics of this package in the order of package gate's lists. [Primary],
// [Secondary] and [Skill] are left out.
func All() []Metric { return slices.Clone(all) }

// Named returns the metric of this package with this name. For any other name the result has
// the name but measures nothing: see [Metric.Validate].
func Named(name string) Metric {
	for _, m := range slices.Concat(all, []Metric{Primary, Secondary, Skill}) {
		if m.String() == name {
			return m
		}
	}
	return Metric{&definition{Info: Info{Name: name, Title: name}}}
}

// Info describes the metric. The caller must not modify the Tasks.
func (m Metric) Info() Info {
	if m.definition == nil {
		return Info{}
	}
	return m.definition.Info
}

// String returns the name, such as "log_loss".
func (m Metric) String() string { return m.Info().Name }

// Title returns the name as it is written in sentences, such as "log loss".
func (m Metric) Title() string { return m.Info().Title }

// HigherIsBetter reports whether a better model has a higher value. Resolve [Primary],
// [Secondary] and [Skill] by [Metric.For] first.
func (m Metric) HigherIsBetter() bool { return !m.Info().LowerIsBetter }

// Gain returns by how much shadow is better than production. A positive gain is better,
// whatever the direction of the metric.
func (m Metric) Gain(production, shadow float64) float64 {
	if m.HigherIsBetter() {
		return shadow - production
	}
	return production - shadow
}

// MarshalText returns the name.
func (m Metric) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads a name as [Named] does. A host's metric measures nothing until the host
// puts its own Metric in place of the result.
func (m *Metric) UnmarshalText(text []byte) error {
	*m = Named(string(text))
	return nil
}

func (m Metric) known() bool {
	d := m.definition
	return d != nil && (d.counts != nil || d.rows != nil || d.classifier != Metric{})
}

// Validate returns an error that wraps [ErrNotMeasurable] if the metric is only a name.
func (m Metric) Validate() error {
	if !m.known() {
		return notMeasurable("%q is not a metric", m)
	}
	return nil
}

// For returns the metric that m stands for on the target. It returns m unless m is [Primary],
// [Secondary] or [Skill].
func (m Metric) For(target predictlog.Target) Metric {
	switch d := m.definition; {
	case d == nil || d.classifier == Metric{}:
		return m
	case target.Task == predictlog.Regression:
		return d.regression
	default:
		return d.classifier
	}
}

// OfClasses reports whether the metric depends on the answered classes alone. Only then can
// [Metric.MeasureCounts] measure it.
func (m Metric) OfClasses() bool { return m.definition != nil && m.definition.counts != nil }

// Suits returns an error that wraps [ErrNotMeasurable] if m cannot be measured on the target.
func (m Metric) Suits(target predictlog.Target) error {
	if err := m.Validate(); err != nil {
		return err
	}
	m = m.For(target)
	if tasks := m.Info().Tasks; len(tasks) > 0 && !slices.Contains(tasks, target.Task) {
		return notMeasurable("%s is no metric of a %s target", m.Title(), target.Task)
	}
	return nil
}

// Measurable returns an error if m cannot be measured on this number of rows of the target.
// probabilities says whether the model gives probabilities. The error wraps [ErrUndefined] if
// there are no rows, and [ErrNotMeasurable] otherwise.
func (m Metric) Measurable(target predictlog.Target, rows int, probabilities bool) error {
	if err := m.Suits(target); err != nil {
		return err
	}
	m = m.For(target)
	switch classes := Classes(target); {
	case rows == 0:
		return fmt.Errorf("%w: %s: no rows", ErrUndefined, m.Title())
	case m.Info().Probabilities && !probabilities:
		return notMeasurable("%s needs probabilities, and the model gives none", m.Title())
	case m.OfClasses() && classes > MaxClasses:
		return notMeasurable("%s is measured of at most %d classes, and there are %d", m.Title(), MaxClasses, classes)
	}
	return nil
}

// Measure returns the value of m on the rows. The error wraps [ErrUndefined] if m has no value
// on these rows, [ErrNotMeasurable] if m has no value on any rows of this kind, and [ErrInput]
// if the answers are malformed.
func (m Metric) Measure(r *Rows) (float64, error) {
	m = m.For(r.target)
	if err := m.Measurable(r.target, r.n(), r.answers.Probability != nil); err != nil {
		return 0, err
	}
	v, ok := r.values[m.definition]
	if ok {
		return v, nil
	}
	v, err := m.measure(r)
	if err == nil {
		r.values[m.definition] = v
	}
	return v, err
}

func (m Metric) measure(r *Rows) (float64, error) {
	if m.OfClasses() {
		counts, err := r.counted()
		if err != nil {
			return 0, err
		}
		return m.MeasureCounts(counts)
	}
	if err := r.valid(); err != nil {
		return 0, inMetric(m.String(), err)
	}
	return m.definition.rows(r)
}

// MeasureCounts returns the value of a metric of classes on the counts. It first sets the TN
// of all classes in c. Errors are those of [Metric.Measure].
func (m Metric) MeasureCounts(c Counts) (float64, error) {
	if !m.OfClasses() {
		return 0, notMeasurable("%q is no metric of classes", m)
	}
	c.complete()
	return m.definition.counts(c)
}

// Influence returns for each row the first-order change of m with the row's weight. The spread
// of the mean of these numbers is the spread of m. The numbers are defined up to a constant.
// degrees bounds the degrees of freedom of the spread, and may be infinite.
//
// m must have a value on the rows. A metric of classes is an [ErrNotMeasurable].
func (m Metric) Influence(r *Rows) (influence []float64, degrees float64, err error) {
	m = m.For(r.target)
	if _, err := m.Measure(r); err != nil {
		return nil, 0, err
	}
	if m.OfClasses() {
		return nil, 0, notMeasurable("%s has no influence of rows: it is inferred from classes", m.Title())
	}
	return m.definition.influence(r)
}
