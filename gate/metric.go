package gate

import (
	"errors"
	"fmt"
	"slices"

	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// ErrNotMeasurable means that a metric cannot be measured on such answers, however many
// rows there are: it belongs to another task, or the models give no probabilities. A
// metric that only these rows leave undefined is [metrics.ErrUndefined] instead.
var ErrNotMeasurable = errors.New("gate: metric cannot be measured")

// measureError says why a metric cannot be measured.
type measureError struct{ what string }

func (e *measureError) Error() string { return "gate: " + e.what }

func (e *measureError) Unwrap() error { return ErrNotMeasurable }

func notMeasurable(format string, args ...any) error {
	return &measureError{fmt.Sprintf(format, args...)}
}

// Metric names a measure of a model's answers, as package metrics defines it.
type Metric string

// The metrics of classifiers. The classes are those that the model answered, whatever
// its probabilities. For several classes Precision, Recall and F1 are macro averages, and
// ROCAUC and PRAUC the mean over the classes of one against the rest.
const (
	Accuracy         Metric = "accuracy"
	Precision        Metric = "precision"
	Recall           Metric = "recall"
	F1               Metric = "f1"
	Specificity      Metric = "specificity" // binary only
	MCC              Metric = "mcc"
	BalancedAccuracy Metric = "balanced_accuracy"

	ROCAUC  Metric = "roc_auc"
	PRAUC   Metric = "pr_auc"
	LogLoss Metric = "log_loss"
	Brier   Metric = "brier"
	// BrierSkill is 1 - Brier / (Brier of always answering the class shares of these
	// rows): 0 is no better than that constant, 1 is perfect.
	BrierSkill Metric = "brier_skill"
	// ECE is of the positive class if binary, else of the class with the highest
	// probability.
	ECE Metric = "ece"
)

// The metrics of regressions.
const (
	MAE  Metric = "mae"
	RMSE Metric = "rmse"
	R2   Metric = "r2"
	MAPE Metric = "mape"
)

// These names stand for the metric that suits the target, so that one policy serves
// classifiers and regressions alike.
const (
	Primary   Metric = "primary"   // F1, or RMSE for a regression
	Secondary Metric = "secondary" // Brier, or R2 for a regression
	Skill     Metric = "skill"     // BrierSkill, or R2 for a regression: 0 is no better than a constant
)

// source says which part of the answers a metric is computed from.
type source uint8

const (
	fromClasses source = iota + 1
	fromProbabilities
	fromValues
)

// metricInfo is what there is to know about a metric without measuring it.
type metricInfo struct {
	metric Metric
	title  string
	source source
	loss   bool // lower is better
	unit   bool // in the unit of the target, not a share
}

// metricInfos lists all metrics but those that stand for others, in the order in which
// they are measured.
var metricInfos = []metricInfo{
	{metric: Accuracy, title: "accuracy", source: fromClasses},
	{metric: Precision, title: "precision", source: fromClasses},
	{metric: Recall, title: "recall", source: fromClasses},
	{metric: F1, title: "F1", source: fromClasses},
	{metric: Specificity, title: "specificity", source: fromClasses},
	{metric: MCC, title: "MCC", source: fromClasses},
	{metric: BalancedAccuracy, title: "balanced accuracy", source: fromClasses},
	{metric: ROCAUC, title: "ROC AUC", source: fromProbabilities},
	{metric: PRAUC, title: "PR AUC", source: fromProbabilities},
	{metric: LogLoss, title: "log loss", source: fromProbabilities, loss: true},
	{metric: Brier, title: "Brier", source: fromProbabilities, loss: true},
	{metric: BrierSkill, title: "Brier skill", source: fromProbabilities},
	{metric: ECE, title: "ECE", source: fromProbabilities, loss: true},
	{metric: MAE, title: "MAE", source: fromValues, loss: true, unit: true},
	{metric: RMSE, title: "RMSE", source: fromValues, loss: true, unit: true},
	{metric: R2, title: "R2", source: fromValues},
	{metric: MAPE, title: "MAPE", source: fromValues, loss: true},
}

// info returns what is known of m, a title and nothing else if it is unknown.
func (m Metric) info() metricInfo {
	if i := slices.IndexFunc(metricInfos, func(i metricInfo) bool { return i.metric == m }); i >= 0 {
		return metricInfos[i]
	}
	return metricInfo{metric: m, title: string(m)}
}

// known reports whether m is one of the metrics of this package.
func (m Metric) known() bool {
	return m == Primary || m == Secondary || m == Skill || m.info().source != 0
}

// For returns the metric that m stands for on such a target: m itself unless it is
// [Primary], [Secondary] or [Skill].
func (m Metric) For(target predictlog.Target) Metric {
	regression := target.Task == predictlog.Regression
	switch {
	case m == Primary && regression:
		return RMSE
	case m == Primary:
		return F1
	case (m == Secondary || m == Skill) && regression:
		return R2
	case m == Secondary:
		return Brier
	case m == Skill:
		return BrierSkill
	}
	return m
}

// HigherIsBetter reports whether a better model has a higher value. It is true for an
// unknown metric. [Primary] and [Secondary] must be resolved by [Metric.For] first.
func (m Metric) HigherIsBetter() bool { return !m.info().loss }

// Title returns the name as it is written in sentences, such as "F1" or "log loss".
func (m Metric) Title() string { return m.info().title }

// gain returns by how much shadow is better than production: positive is better,
// whatever the direction of the metric.
func (m Metric) gain(production, shadow float64) float64 {
	if m.HigherIsBetter() {
		return shadow - production
	}
	return production - shadow
}

// measurable returns an error if there is no such metric, or not of such a target.
func (m Metric) measurable(target predictlog.Target) error {
	info := m.info()
	switch {
	case info.source == 0:
		return notMeasurable("%q is not a metric", m)
	case (info.source == fromValues) != (target.Task == predictlog.Regression),
		m == Specificity && target.Task != predictlog.Binary:
		return notMeasurable("%s is no metric of a %s target", info.title, target.Task)
	}
	return nil
}

// isUndefined reports whether other rows might give the metric a value.
func isUndefined(err error) bool { return errors.Is(err, metrics.ErrUndefined) }
