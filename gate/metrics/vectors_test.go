package metrics_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// tolerance allows for the order of summation; the values are of the order of 1.
const tolerance = 1e-12

type vectors struct {
	Binary     []binaryVector     `json:"binary"`
	Multiclass []multiclassVector `json:"multiclass"`
	Regression []regressionVector `json:"regression"`
}

type binaryVector struct {
	Name      string             `json:"name"`
	Truth     []int              `json:"truth"`
	Predicted []int              `json:"predicted"`
	Score     []float64          `json:"score"`
	Weights   []float64          `json:"weights"`
	Want      map[string]float64 `json:"want"`
}

type multiclassVector struct {
	Name        string             `json:"name"`
	Classes     int                `json:"classes"`
	Truth       []int              `json:"truth"`
	Predicted   []int              `json:"predicted"`
	Probability [][]float64        `json:"probability"`
	Weights     []float64          `json:"weights"`
	Want        map[string]float64 `json:"want"`
}

type regressionVector struct {
	Name      string             `json:"name"`
	Truth     []float64          `json:"truth"`
	Predicted []float64          `json:"predicted"`
	Weights   []float64          `json:"weights"`
	Want      map[string]float64 `json:"want"`
}

func readVectors(t *testing.T) vectors {
	t.Helper()
	data, err := os.ReadFile("testdata/sklearn_vectors.json")
	require.NoError(t, err)
	var v vectors
	require.NoError(t, json.Unmarshal(data, &v))
	return v
}

// requireAll compares every wanted value with what get returns for its name.
func requireAll(t *testing.T, want map[string]float64, get map[string]func() (float64, error)) {
	t.Helper()
	require.Len(t, get, len(want))
	for name, value := range want {
		require.Contains(t, get, name)
		have, err := get[name]()
		require.NoError(t, err, name)
		require.InDelta(t, value, have, tolerance, name)
	}
}

func positives(classes []int) []bool {
	b := make([]bool, len(classes))
	for i, c := range classes {
		b[i] = c == 1
	}
	return b
}

func TestBinaryVectors(t *testing.T) {
	for _, v := range readVectors(t).Binary {
		t.Run(v.Name, func(t *testing.T) {
			truth := positives(v.Truth)
			c, err := metrics.NewConfusion(truth, positives(v.Predicted), v.Weights)
			require.NoError(t, err)
			on := func(f func([]bool, []float64, []float64) (float64, error)) func() (float64, error) {
				return func() (float64, error) { return f(truth, v.Score, v.Weights) }
			}
			requireAll(t, v.Want, map[string]func() (float64, error){
				"accuracy":          c.Accuracy,
				"precision":         c.Precision,
				"recall":            c.Recall,
				"f1":                c.F1,
				"specificity":       c.Specificity,
				"mcc":               c.MCC,
				"balanced_accuracy": c.BalancedAccuracy,
				"roc_auc":           on(metrics.BinaryROCAUC),
				"pr_auc":            on(metrics.BinaryPRAUC),
				"log_loss":          on(metrics.BinaryLogLoss),
				"brier":             on(metrics.BinaryBrier),
				"ece":               on(metrics.BinaryECE),
			})
		})
	}
}

func TestMulticlassVectors(t *testing.T) {
	for _, v := range readVectors(t).Multiclass {
		t.Run(v.Name, func(t *testing.T) {
			m, err := metrics.NewCounts(v.Truth, v.Predicted, v.Classes, v.Weights)
			require.NoError(t, err)
			get := map[string]func() (float64, error){
				"accuracy":          m.Accuracy,
				"mcc":               m.MCC,
				"balanced_accuracy": m.BalancedAccuracy,
				"log_loss": func() (float64, error) {
					return metrics.MulticlassLogLoss(v.Truth, v.Probability, v.Weights)
				},
				"brier": func() (float64, error) {
					return metrics.MulticlassBrier(v.Truth, v.Probability, v.Weights)
				},
			}
			_, ranked := v.Want["roc_auc_macro"] // of vectors in which all classes occur
			for suffix, a := range map[string]metrics.Average{
				"_macro": metrics.Macro, "_micro": metrics.Micro, "_weighted": metrics.Weighted,
			} {
				if ranked {
					get["roc_auc"+suffix] = func() (float64, error) {
						return metrics.MulticlassROCAUC(v.Truth, v.Probability, a, v.Weights)
					}
					get["pr_auc"+suffix] = func() (float64, error) {
						return metrics.MulticlassPRAUC(v.Truth, v.Probability, a, v.Weights)
					}
				}
				get["precision"+suffix] = func() (float64, error) { return m.Precision(a) }
				get["recall"+suffix] = func() (float64, error) { return m.Recall(a) }
				get["f1"+suffix] = func() (float64, error) { return m.F1(a) }
			}
			requireAll(t, v.Want, get)
		})
	}
}

func TestRegressionVectors(t *testing.T) {
	for _, v := range readVectors(t).Regression {
		t.Run(v.Name, func(t *testing.T) {
			on := func(f func(truth, predicted, weights []float64) (float64, error)) func() (float64, error) {
				return func() (float64, error) { return f(v.Truth, v.Predicted, v.Weights) }
			}
			pinball := func(q float64) func() (float64, error) {
				return func() (float64, error) { return metrics.Pinball(v.Truth, v.Predicted, q, v.Weights) }
			}
			requireAll(t, v.Want, map[string]func() (float64, error){
				"mae": on(metrics.MeanAbsoluteError), "mse": on(metrics.MeanSquaredError), "rmse": on(metrics.RootMeanSquaredError), "r2": on(metrics.R2Score), "mape": on(metrics.MeanAbsolutePercentageError),
				"pinball_0.1": pinball(0.1), "pinball_0.5": pinball(0.5),
			})
		})
	}
}
