package metrics

import (
	"math"

	"github.com/selfheal-ml/selfheal/gate/paired"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// The metrics of classifiers. Metrics of classes use the classes that the model answered,
// whatever its probabilities. For several classes Precision, Recall and F1 are macro averages.
// ROCAUC and PRAUC then rank each class against the rest and return the mean over the classes.
var (
	Accuracy    = ofClasses("accuracy", "accuracy", Confusion.Accuracy, Counts.Accuracy)
	Precision   = ofClasses("precision", "precision", Confusion.Precision, macro(Counts.Precision))
	Recall      = ofClasses("recall", "recall", Confusion.Recall, macro(Counts.Recall))
	F1          = ofClasses("f1", "F1", Confusion.F1, macro(Counts.F1))
	Specificity = ofClasses("specificity", "specificity", Confusion.Specificity, nil) // binary only
	MCC         = ofClasses("mcc", "MCC", Confusion.MCC, Counts.MCC)
	// BalancedAccuracy is the mean recall of the classes.
	BalancedAccuracy = ofClasses("balanced_accuracy", "balanced accuracy", Confusion.BalancedAccuracy, Counts.BalancedAccuracy)

	ROCAUC = ofProbabilities("roc_auc", "ROC AUC", higher,
		func(r *Rows) (float64, error) { return r.oneVsRest(Ranking.ROCAUC) },
		func(r *Rows) ([]float64, float64, error) { return r.rankInfluence(areaInfluence) })
	PRAUC = ofProbabilities("pr_auc", "PR AUC", higher,
		func(r *Rows) (float64, error) { return r.oneVsRest(Ranking.PRAUC) },
		func(r *Rows) ([]float64, float64, error) { return r.rankInfluence(paired.AveragePrecisionInfluence) })
	LogLoss = ofProbabilities("log_loss", "log loss", lower, meanLoss("log_loss", (*Rows).logLosses), lossInfluence((*Rows).logLosses))
	Brier   = ofProbabilities("brier", "Brier", lower, meanLoss("brier", (*Rows).brierLosses), lossInfluence((*Rows).brierLosses))
	// BrierSkill is 1 - Brier / (Brier of always answering the class shares of these rows): 0
	// is no better than that constant, 1 is perfect.
	BrierSkill = ofProbabilities("brier_skill", "Brier skill", higher, (*Rows).brierSkill, skillInfluence((*Rows).brierLosses, (*Rows).shareLosses))
	// ECE uses the probability of the positive class if the target is binary, and the highest
	// probability of each row if there are more classes.
	ECE = ofProbabilities("ece", "ECE", lower, (*Rows).calibration, (*Rows).calibrationInfluence)
)

// The metrics of regressions.
var (
	MAE  = ofValues("mae", "MAE", lower, TargetUnit, MeanAbsoluteError, lossInfluence(valueLosses(func(y, d float64) float64 { return math.Abs(d) })))
	RMSE = ofValues("rmse", "RMSE", lower, TargetUnit, RootMeanSquaredError, rootInfluence)
	R2   = ofValues("r2", "R2", higher, "", R2Score, skillInfluence(squares, (*Rows).constantLosses))
	MAPE = ofValues("mape", "MAPE", lower, "", MeanAbsolutePercentageError, lossInfluence(valueLosses(func(y, d float64) float64 { return math.Abs(d / y) })))
)

// Each of these stands for a metric that depends on the task, so that one policy serves
// classifiers and regressions.
var (
	Primary   = standsFor("primary", F1, RMSE)     // F1, or RMSE for a regression
	Secondary = standsFor("secondary", Brier, R2)  // Brier, or R2 for a regression
	Skill     = standsFor("skill", BrierSkill, R2) // BrierSkill, or R2 for a regression; 0 is no better than a constant
)

var all = []Metric{
	Accuracy, Precision, Recall, F1, Specificity, MCC, BalancedAccuracy,
	ROCAUC, PRAUC, LogLoss, Brier, BrierSkill, ECE,
	MAE, RMSE, R2, MAPE,
}

// The directions of a metric.
const higher, lower = false, true

// ofClasses defines a metric of classes. Two classes are measured by the positive class, more
// classes by more. A nil more makes the metric binary only.
func ofClasses(name, title string, two func(Confusion) (float64, error), more func(Counts) (float64, error)) Metric {
	tasks := []predictlog.Task{predictlog.Binary}
	if more != nil {
		tasks = append(tasks, predictlog.Multiclass)
	}
	return Metric{&definition{
		Info: Info{Name: name, Title: title, Tasks: tasks},
		counts: func(c Counts) (float64, error) {
			if len(c) == 2 {
				return two(c[1])
			}
			if more == nil {
				return 0, notMeasurable("%s is measured of two classes, and there are %d", title, len(c))
			}
			return more(c)
		},
	}}
}

func macro(of func(Counts, Average) (float64, error)) func(Counts) (float64, error) {
	return func(c Counts) (float64, error) { return of(c, Macro) }
}

type (
	measure   = func(*Rows) (float64, error)
	influence = func(*Rows) ([]float64, float64, error)
)

func ofProbabilities(name, title string, lowerIsBetter bool, rows measure, influence influence) Metric {
	return Metric{&definition{
		Info: Info{
			Name: name, Title: title, LowerIsBetter: lowerIsBetter, Probabilities: true,
			Tasks: []predictlog.Task{predictlog.Binary, predictlog.Multiclass},
		},
		rows: rows, influence: influence,
	}}
}

func ofValues(name, title string, lowerIsBetter bool, unit string, of func(truth, predicted, weights []float64) (float64, error), influence influence) Metric {
	return Metric{&definition{
		Info:      Info{Name: name, Title: title, LowerIsBetter: lowerIsBetter, Unit: unit, Tasks: []predictlog.Task{predictlog.Regression}},
		rows:      func(r *Rows) (float64, error) { return of(r.truth.Value, r.answers.Value, nil) },
		influence: influence,
	}}
}

func standsFor(name string, classifier, regression Metric) Metric {
	return Metric{&definition{Info: Info{Name: name, Title: name}, classifier: classifier, regression: regression}}
}
