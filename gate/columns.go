package gate

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// FromScores makes evidence of a binary target from columns: the truth, 0 or 1, and each
// model's probability of 1. A probability of 0.5 or more answers 1. If positives are rare, few
// scores reach 0.5: to decide at another threshold, set the Class of both models' answers.
//
// The rows are named "0", "1", ..., and Coverage counts every row as labelled. Set IDs, At,
// LastPromotion, Coverage and Segments on the result if they matter.
//
// The error wraps [ErrInvalidEvidence] and names everything that is malformed. A nil
// production is an error too: use [FirstFromScores] if there is no production model yet.
func FromScores(truth, production, shadow []float64) (Evidence, error) {
	return fromScores(truth, production, shadow, false)
}

// FirstFromScores is [FromScores] for a first deployment: no model is in production yet.
func FirstFromScores(truth, shadow []float64) (Evidence, error) {
	return fromScores(truth, nil, shadow, true)
}

func fromScores(truth, production, shadow []float64, first bool) (Evidence, error) {
	classes := make([]int, len(truth))
	for i, y := range truth {
		if y != 0 && y != 1 {
			return Evidence{}, fmt.Errorf("%w: truth: row %d is %v, want 0 or 1", ErrInvalidEvidence, i, y)
		}
		classes[i] = int(y)
	}
	return fromColumns(predictlog.Target{Task: predictlog.Binary, Classes: []string{"0", "1"}}, metrics.Answers{Class: classes}, production, shadow, ofScores, first)
}

// FromValues makes evidence of a regression from columns: the truth and each model's value.
// Otherwise it is like [FromScores]. Use [FirstFromValues] if no model is in production yet.
func FromValues(truth, production, shadow []float64) (Evidence, error) {
	return fromColumns(predictlog.Target{Task: predictlog.Regression}, ofValues(truth), production, shadow, ofValues, false)
}

// FirstFromValues is [FromValues] for a first deployment: no model is in production yet.
func FirstFromValues(truth, shadow []float64) (Evidence, error) {
	return fromColumns(predictlog.Target{Task: predictlog.Regression}, ofValues(truth), nil, shadow, ofValues, true)
}

// FromClassScores makes evidence of a target of three or more classes from columns: the truth,
// as indices into classes, and each model's probabilities. production[k][i] is the probability
// of class k for row i. The probabilities of a row sum up to 1. The answer is the class with
// the highest probability, the first of equals. For a model with another rule, set the Class
// of its answers. For a model without probabilities, make an [Evidence] by hand. Otherwise it
// is like [FromScores]. Use [FirstFromClassScores] if there is no production model yet.
func FromClassScores(classes []string, truth []int, production, shadow [][]float64) (Evidence, error) {
	return fromColumns(multiclass(classes), metrics.Answers{Class: slices.Clone(truth)}, production, shadow, ofClassScores, false)
}

// FirstFromClassScores is [FromClassScores] for a first deployment: no model is in
// production yet.
func FirstFromClassScores(classes []string, truth []int, shadow [][]float64) (Evidence, error) {
	return fromColumns(multiclass(classes), metrics.Answers{Class: slices.Clone(truth)}, nil, shadow, ofClassScores, true)
}

// fromColumns makes evidence from columns, which answers turns into the answers of a model.
func fromColumns[C any](target predictlog.Target, truth metrics.Answers, production, shadow []C, answers func([]C) metrics.Answers, first bool) (Evidence, error) {
	n := truth.N()
	e := Evidence{
		Target:          target,
		FirstDeployment: first,
		Coverage:        labels.Count{Predictions: n, Labelled: n},
		IDs:             make([]string, n),
		Truth:           truth,
		Shadow:          answers(shadow),
	}
	for i := range e.IDs {
		e.IDs[i] = strconv.Itoa(i)
	}
	if production != nil {
		of := answers(production)
		e.Production = &of
	}
	return e.valid()
}

func multiclass(classes []string) predictlog.Target {
	return predictlog.Target{Task: predictlog.Multiclass, Classes: slices.Clone(classes)}
}

func ofScores(score []float64) metrics.Answers {
	n := len(score)
	a := metrics.Answers{Class: make([]int, n), Probability: [][]float64{make([]float64, n), slices.Clone(score)}}
	for i, p := range score {
		a.Probability[0][i] = 1 - p
		if p >= 0.5 {
			a.Class[i] = 1
		}
	}
	return a
}

func ofValues(values []float64) metrics.Answers {
	return metrics.Answers{Value: slices.Clone(values)}
}

// ofClassScores answers the likeliest classes. [Evidence.Validate] checks the columns.
func ofClassScores(probability [][]float64) metrics.Answers {
	a := metrics.Answers{Probability: make([][]float64, len(probability))}
	for k, column := range probability {
		a.Probability[k] = slices.Clone(column)
		if k == 0 {
			a.Class = make([]int, len(column))
		}
		for i, p := range column[:min(len(column), len(a.Class))] {
			if best := a.Probability[a.Class[i]]; p > best[i] {
				a.Class[i] = k
			}
		}
	}
	return a
}
