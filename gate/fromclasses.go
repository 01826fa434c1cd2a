package gate

import (
	"slices"

	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// FromClassScores makes evidence of a target of three or more classes from columns that a
// job already has: the truth, as indices into classes, and each model's probabilities.
// production[k][i] is the probability of class k for row i; those of a row sum up to 1.
// The class with the highest one is answered, the first of equals. Everything else is as
// for [FromScores]; use [FirstFromClassScores] if there is no production model yet. Where a
// model answers by another rule, set the Class of its answers, and where it gives no
// probabilities, make an [Evidence] by hand.
func FromClassScores(classes []string, truth []int, production, shadow [][]float64) (Evidence, error) {
	e := ofClassScores(classes, truth, shadow)
	if production != nil {
		answers := fromClassScores(production)
		e.Production = &answers
	}
	return e.valid()
}

// FirstFromClassScores makes evidence of a first deployment, where no model is in
// production yet. Everything else is as for [FromClassScores].
func FirstFromClassScores(classes []string, truth []int, shadow [][]float64) (Evidence, error) {
	e := ofClassScores(classes, truth, shadow)
	e.FirstDeployment = true
	return e.valid()
}

// ofClassScores returns what is known without production.
func ofClassScores(classes []string, truth []int, shadow [][]float64) Evidence {
	n := len(truth)
	return Evidence{
		Target:   predictlog.Target{Task: predictlog.Multiclass, Classes: slices.Clone(classes)},
		Coverage: labels.Count{Predictions: n, Labelled: n},
		IDs:      numbered(n),
		Truth:    metrics.Answers{Class: slices.Clone(truth)},
		Shadow:   fromClassScores(shadow),
	}
}

// fromClassScores answers the likeliest classes. Columns that differ in length are for
// [Evidence.Validate] to tell of, as is a missing one.
func fromClassScores(probability [][]float64) metrics.Answers {
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
