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

// format returns v with the digits that people expect of the metric.
func (m Metric) format(v float64) string {
	if m.info().unit {
		return fmt.Sprintf("%.4g", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// gain returns by how much shadow is better than production: positive is better,
// whatever the direction of the metric.
func (m Metric) gain(production, shadow float64) float64 {
	if m.HigherIsBetter() {
		return shadow - production
	}
	return production - shadow
}

// Measure returns the value of m for one model's answers. The error wraps
// [metrics.ErrUndefined] if it has no value on these rows, [ErrNotMeasurable] if it has
// none on any rows of the kind, and [metrics.ErrInput] if the answers are malformed.
func (m Metric) Measure(target predictlog.Target, truth, answers Answers) (float64, error) {
	return m.measure(target, truth, answers, nil)
}

// measure is Measure, with the confusion matrix of the classes if that is known.
func (m Metric) measure(target predictlog.Target, truth, answers Answers, matrix metrics.Matrix) (float64, error) {
	m = m.For(target)
	if err := m.measurable(target); err != nil {
		return 0, err
	}
	info := m.info()
	switch {
	case truth.n() == 0 && answers.n() == 0:
		return 0, fmt.Errorf("%w: %s: no rows", metrics.ErrUndefined, info.title)
	case answers.measured != nil && (info.source == fromValues || info.source == fromProbabilities && answers.measured.probabilities):
		return answers.measured.recall(m)
	case info.source == fromProbabilities && answers.Probability == nil:
		return 0, notMeasurable("%s needs probabilities, and the model gives none", info.title)
	case info.source == fromProbabilities && len(answers.Probability) != classCount(target):
		return 0, fmt.Errorf("%w: %s: probabilities of %d classes, want %d", metrics.ErrInput, info.title, len(answers.Probability), classCount(target))
	}
	switch info.source {
	case fromClasses:
		if matrix == nil {
			var err error
			if matrix, err = metrics.NewMatrix(truth.Class, answers.Class, classCount(target), nil); err != nil {
				return 0, err
			}
		}
		return m.ofMatrix(matrix)
	case fromProbabilities:
		return m.ofProbabilities(truth.Class, answers.Probability)
	}
	return m.ofValues(truth.Value, answers.Value)
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

// ofMatrix measures a metric of classes. Two classes are a binary target, whose second
// class is the positive one.
func (m Metric) ofMatrix(matrix metrics.Matrix) (float64, error) {
	if len(matrix) == 2 {
		return m.ofConfusion(metrics.Confusion{
			TN: matrix[0][0], FP: matrix[0][1],
			FN: matrix[1][0], TP: matrix[1][1],
		})
	}
	switch m {
	case Accuracy:
		return matrix.Accuracy()
	case Precision:
		return matrix.Precision(metrics.Macro)
	case Recall:
		return matrix.Recall(metrics.Macro)
	case F1:
		return matrix.F1(metrics.Macro)
	case MCC:
		return matrix.MCC()
	default:
		return matrix.BalancedAccuracy()
	}
}

func (m Metric) ofConfusion(c metrics.Confusion) (float64, error) {
	switch m {
	case Accuracy:
		return c.Accuracy()
	case Precision:
		return c.Precision()
	case Recall:
		return c.Recall()
	case F1:
		return c.F1()
	case Specificity:
		return c.Specificity()
	case MCC:
		return c.MCC()
	default:
		return c.BalancedAccuracy()
	}
}

func (m Metric) ofProbabilities(truth []int, probability [][]float64) (float64, error) {
	binary := len(probability) == 2
	switch m {
	case ROCAUC:
		return oneVsRest(truth, probability, metrics.ROCAUC)
	case PRAUC:
		return oneVsRest(truth, probability, metrics.PRAUC)
	case LogLoss:
		if binary {
			return metrics.LogLoss(isClass(truth, 1), probability[1], nil)
		}
		return metrics.MulticlassLogLoss(truth, probability, nil)
	case Brier:
		return brier(truth, probability)
	case BrierSkill:
		return brierSkill(truth, probability)
	default:
		if binary {
			return metrics.ECE(isClass(truth, 1), probability[1], nil)
		}
		right, confidence := topClass(truth, probability)
		return metrics.ECE(right, confidence, nil)
	}
}

func (m Metric) ofValues(truth, predicted []float64) (float64, error) {
	switch m {
	case MAE:
		return metrics.MAE(truth, predicted, nil)
	case RMSE:
		return metrics.RMSE(truth, predicted, nil)
	case R2:
		return metrics.R2(truth, predicted, nil)
	default:
		return metrics.MAPE(truth, predicted, nil)
	}
}

// oneVsRest measures the positive class of a binary target, and otherwise the mean over
// the classes, each of which must occur.
func oneVsRest(truth []int, probability [][]float64, measure func([]bool, []float64, []float64) (float64, error)) (float64, error) {
	if len(probability) == 2 {
		return measure(isClass(truth, 1), probability[1], nil)
	}
	var sum float64
	for k, p := range probability {
		v, err := measure(isClass(truth, k), p, nil)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum / float64(len(probability)), nil
}

func brier(truth []int, probability [][]float64) (float64, error) {
	if len(probability) == 2 {
		return metrics.Brier(isClass(truth, 1), probability[1], nil)
	}
	return metrics.MulticlassBrier(truth, probability, nil)
}

func brierSkill(truth []int, probability [][]float64) (float64, error) {
	score, err := brier(truth, probability)
	if err != nil {
		return 0, err
	}
	base := baseBrier(truth, len(probability))
	if base == 0 {
		return 0, fmt.Errorf("%w: Brier skill: all rows are of one class", metrics.ErrUndefined)
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

// topClass returns the highest probability of each row, and whether its class is right.
// Of equal probabilities the first class is taken.
func topClass(truth []int, probability [][]float64) (right []bool, confidence []float64) {
	right, confidence = make([]bool, len(truth)), make([]float64, len(truth))
	for i, t := range truth {
		top := 0
		for k := range probability {
			if probability[k][i] > probability[top][i] {
				top = k
			}
		}
		right[i], confidence[i] = top == t, probability[top][i]
	}
	return right, confidence
}

// isClass reports of each row whether it is of class k.
func isClass(truth []int, k int) []bool {
	is := make([]bool, len(truth))
	for i, t := range truth {
		is[i] = t == k
	}
	return is
}

// isUndefined reports whether other rows might give the metric a value.
func isUndefined(err error) bool { return errors.Is(err, metrics.ErrUndefined) }
