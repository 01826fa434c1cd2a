package gate

import (
	"errors"
	"fmt"
	"math"

	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// Measure returns the value of m for one model's answers. The error wraps
// [metrics.ErrUndefined] if it has no value on these rows, [ErrNotMeasurable] if it has
// none on any rows of the kind, and [metrics.ErrInput] if the answers are malformed.
func (m Metric) Measure(target predictlog.Target, truth, answers Answers) (float64, error) {
	return newMeasurer(target, truth, answers).measure(m)
}

// measureAll returns every metric that has a value on the answers of the model so named.
func measureAll(e *Evidence, name string, answers Answers) map[Metric]float64 {
	values := make(map[Metric]float64)
	all := newMeasurer(e.Target, e.Truth, answers)
	for _, info := range metricInfos {
		v, err := all.measure(info.metric)
		switch {
		case err == nil:
			values[info.metric] = v
		case info.source != fromClasses && !errors.Is(err, ErrNotMeasurable):
			// Without the rows nobody could tell why there is none.
			e.facts.note(name+" "+string(info.metric), nil, err)
		}
	}
	return values
}

// measurer measures one model's answers, and keeps what several metrics have in common.
type measurer struct {
	target         predictlog.Target
	truth, answers Answers

	matrix   metrics.Matrix    // nil until it is needed
	positive []bool            // whether a row is of the second of two classes, likewise
	rankings []metrics.Ranking // of each class against the rest, likewise
	brier    float64           // NaN until it is known
}

func newMeasurer(target predictlog.Target, truth, answers Answers) *measurer {
	return &measurer{target: target, truth: truth, answers: answers, brier: math.NaN()}
}

func (a *measurer) measure(m Metric) (float64, error) {
	m = m.For(a.target)
	if err := m.measurable(a.target); err != nil {
		return 0, err
	}
	info := m.info()
	switch {
	case a.truth.n() == 0 && a.answers.n() == 0:
		return 0, fmt.Errorf("%w: %s: no rows", metrics.ErrUndefined, info.title)
	case a.answers.measured != nil && (info.source == fromValues || info.source == fromProbabilities && a.answers.measured.probabilities):
		return a.answers.measured.recall(m)
	case info.source == fromProbabilities && a.answers.Probability == nil:
		return 0, notMeasurable("%s needs probabilities, and the model gives none", info.title)
	case info.source == fromProbabilities && len(a.answers.Probability) != classCount(a.target):
		return 0, fmt.Errorf("%w: %s: probabilities of %d classes, want %d", metrics.ErrInput, info.title, len(a.answers.Probability), classCount(a.target))
	}
	switch info.source {
	case fromClasses:
		if classes := classCount(a.target); classes > maxTallyClasses {
			return 0, notMeasurable("%s is measured of at most %s classes, and there are %s", info.title, count(maxTallyClasses), count(classes))
		}
		if a.matrix == nil {
			var err error
			if a.matrix, err = metrics.NewMatrix(a.truth.Class, a.answers.Class, classCount(a.target), nil); err != nil {
				return 0, err
			}
		}
		return m.ofMatrix(a.matrix)
	case fromProbabilities:
		return a.ofProbabilities(m)
	}
	return m.ofValues(a.truth.Value, a.answers.Value)
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

func (a *measurer) ofProbabilities(m Metric) (float64, error) {
	truth, probability := a.truth.Class, a.answers.Probability
	binary := len(probability) == 2
	if binary && a.positive == nil {
		a.positive = isClass(truth, 1)
	}
	switch m {
	case ROCAUC:
		return a.oneVsRest(metrics.Ranking.ROCAUC)
	case PRAUC:
		return a.oneVsRest(metrics.Ranking.PRAUC)
	case LogLoss:
		if binary {
			return metrics.BinaryLogLoss(a.positive, probability[1], nil)
		}
		return metrics.MulticlassLogLoss(truth, probability, nil)
	case Brier:
		return a.brierScore()
	case BrierSkill:
		return a.brierSkill()
	default:
		if binary {
			return metrics.BinaryECE(a.positive, probability[1], nil)
		}
		right, confidence := topClass(truth, probability)
		return metrics.BinaryECE(right, confidence, nil)
	}
}

func (m Metric) ofValues(truth, predicted []float64) (float64, error) {
	switch m {
	case MAE:
		return metrics.MeanAbsoluteError(truth, predicted, nil)
	case RMSE:
		return metrics.RootMeanSquaredError(truth, predicted, nil)
	case R2:
		return metrics.R2Score(truth, predicted, nil)
	default:
		return metrics.MeanAbsolutePercentageError(truth, predicted, nil)
	}
}

// oneVsRest measures the ranking of the positive class of a binary target, and otherwise
// the mean over the classes, each of which must occur.
func (a *measurer) oneVsRest(area func(metrics.Ranking) (float64, error)) (float64, error) {
	classes := a.answers.Probability
	if len(classes) == 2 {
		classes = classes[1:]
	}
	if a.rankings == nil {
		rankings := make([]metrics.Ranking, len(classes))
		for k, p := range classes {
			is := a.positive
			if len(classes) > 1 {
				is = isClass(a.truth.Class, k)
			}
			var err error
			if rankings[k], err = metrics.NewRanking(is, p, nil); err != nil {
				return 0, err
			}
		}
		a.rankings = rankings
	}
	var sum float64
	for _, r := range a.rankings {
		v, err := area(r)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum / float64(len(a.rankings)), nil
}

func (a *measurer) brierScore() (float64, error) {
	if !math.IsNaN(a.brier) {
		return a.brier, nil
	}
	var err error
	if a.positive != nil {
		a.brier, err = metrics.BinaryBrier(a.positive, a.answers.Probability[1], nil)
	} else {
		a.brier, err = metrics.MulticlassBrier(a.truth.Class, a.answers.Probability, nil)
	}
	if err != nil {
		a.brier = math.NaN()
	}
	return a.brier, err
}

func (a *measurer) brierSkill() (float64, error) {
	score, err := a.brierScore()
	if err != nil {
		return 0, err
	}
	base := baseBrier(a.truth.Class, len(a.answers.Probability))
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
