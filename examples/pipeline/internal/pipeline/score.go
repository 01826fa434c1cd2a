package pipeline

import (
	"fmt"

	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// score measures a binary model on rows whose truth is known.
type score struct {
	F1       float64 `json:"f1"`
	AUC      float64 `json:"auc"`
	Brier    float64 `json:"brier"`
	Accuracy float64 `json:"accuracy"`
	Rows     int     `json:"rows"`
}

// answers are the answers of a binary model with their truth.
type answers struct {
	truth, said []bool
	probability []float64
}

// add appends a row. The output has the probabilities of both classes.
func (a *answers) add(positive, class string, o predictlog.Output) {
	a.truth = append(a.truth, class == positive)
	a.said = append(a.said, o.Class == positive)
	a.probability = append(a.probability, o.Probabilities[1])
}

// score returns the measures. Without rows of both classes they are undefined, which is an
// error.
func (a *answers) score() (score, error) {
	confusion, err := metrics.NewConfusion(a.truth, a.said, nil)
	if err != nil {
		return score{}, err
	}
	f1, errF1 := confusion.F1()
	accuracy, errAccuracy := confusion.Accuracy()
	auc, errAUC := metrics.BinaryROCAUC(a.truth, a.probability, nil)
	brier, errBrier := metrics.BinaryBrier(a.truth, a.probability, nil)
	for _, err := range []error{errF1, errAccuracy, errAUC, errBrier} {
		if err != nil {
			return score{}, fmt.Errorf("score of %d rows: %w", len(a.truth), err)
		}
	}
	return score{F1: f1, AUC: auc, Brier: brier, Accuracy: accuracy, Rows: len(a.truth)}, nil
}
