package metrics_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate/metrics"
)

var nan = math.NaN()

// overProbabilities are the functions of a binary truth and a column of probabilities.
var overProbabilities = map[string]func(truth []bool, p, weights []float64) (float64, error){
	"roc_auc": metrics.BinaryROCAUC, "pr_auc": metrics.BinaryPRAUC, "log_loss": metrics.BinaryLogLoss,
	"brier": metrics.BinaryBrier, "ece": metrics.BinaryECE,
}

// overValues are the functions of two columns of numbers.
var overValues = map[string]func(truth, predicted, weights []float64) (float64, error){
	"mae": metrics.MeanAbsoluteError, "mse": metrics.MeanSquaredError, "rmse": metrics.RootMeanSquaredError, "r2": metrics.R2Score, "mape": metrics.MeanAbsolutePercentageError,
	"pinball": func(y, p, w []float64) (float64, error) { return metrics.Pinball(y, p, 0.3, w) },
}

func TestMalformedInput(t *testing.T) {
	for _, c := range []struct {
		name       string
		p, weights []float64
		want       string
	}{
		{"too short", []float64{0.5}, nil, "has 1 values, want 2"},
		{"NaN", []float64{0.5, nan}, nil, "[1] is NaN"},
		{"too few weights", []float64{0.1, 0.9}, []float64{1}, "weights has 1 values, want 2"},
		{"negative weight", []float64{0.1, 0.9}, []float64{1, -1}, "weights[1] is -1"},
		{"NaN weight", []float64{0.1, 0.9}, []float64{nan, 1}, "weights[0] is NaN"},
		{"infinite weight", []float64{0.1, 0.9}, []float64{math.Inf(1), 1}, "weights[0] is +Inf"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, f := range overProbabilities {
				_, err := f([]bool{false, true}, c.p, c.weights)
				require.ErrorIs(t, err, metrics.ErrInput, name)
				require.ErrorContains(t, err, "metrics: "+name+": ")
				require.ErrorContains(t, err, c.want)
			}
			for name, f := range overValues {
				_, err := f([]float64{1, 2}, c.p, c.weights)
				require.ErrorIs(t, err, metrics.ErrInput, name)
				require.ErrorContains(t, err, "metrics: "+name+": ")
				require.ErrorContains(t, err, c.want)
			}
		})
	}
}

// A null must not become a 0.
func TestAnswers_JSON(t *testing.T) {
	for data, want := range map[string]string{
		`{"value":[1,null]}`:           "value[1] is null, want a number",
		`{"probability":[[1],[null]]}`: "probability[1][0] is null, want a number",
		`{"class":[0],"class":[1]}`:    `field "class" occurs twice`,
		`{"Class":[0]}`:                `unknown field "Class", want one of ["class" "probability" "value"]`,
		`null`:                         "is null, want an object",
	} {
		a := metrics.Answers{Class: []int{7}}
		require.EqualError(t, json.Unmarshal([]byte(data), &a), want)
		require.Equal(t, metrics.Answers{Class: []int{7}}, a, "an error leaves the answers as they were")
	}
	want := metrics.Answers{Class: []int{1}, Probability: [][]float64{{0.25}, {0.75}}}
	data, err := json.Marshal(want)
	require.NoError(t, err)
	var read metrics.Answers
	require.NoError(t, json.Unmarshal(data, &read))
	require.Equal(t, want, read)
}

func TestProbabilityOutOfRange(t *testing.T) {
	for _, name := range []string{"log_loss", "brier", "ece"} {
		_, err := overProbabilities[name]([]bool{true}, []float64{1.01}, nil)
		require.ErrorIs(t, err, metrics.ErrInput, name)
		require.ErrorContains(t, err, "probability[0] is 1.01, want 0 to 1")
	}
}

func TestUndefined(t *testing.T) {
	t.Run("no rows", func(t *testing.T) {
		for name, f := range overProbabilities {
			_, err := f(nil, nil, nil)
			require.ErrorIs(t, err, metrics.ErrUndefined, name)
		}
		for name, f := range overValues {
			_, err := f(nil, nil, nil)
			require.ErrorIs(t, err, metrics.ErrUndefined, name)
		}
	})
	t.Run("no weight", func(t *testing.T) {
		for name, f := range overProbabilities {
			_, err := f([]bool{true, false}, []float64{1, 0}, []float64{0, 0})
			require.ErrorIs(t, err, metrics.ErrUndefined, name)
		}
		for name, f := range overValues {
			_, err := f([]float64{1, 0}, []float64{1, 0}, []float64{0, 0})
			require.ErrorIs(t, err, metrics.ErrUndefined, name)
		}
	})
	t.Run("beyond float64", func(t *testing.T) {
		huge := math.MaxFloat64
		for name, f := range overValues {
			if name == "mape" {
				continue // its errors are relative
			}
			_, err := f([]float64{huge, -huge}, []float64{-huge, huge}, nil)
			require.ErrorIs(t, err, metrics.ErrUndefined, name)
		}
	})

	_, err := metrics.BinaryROCAUC([]bool{true, true}, []float64{0.1, 0.2}, nil)
	require.EqualError(t, err, "metrics: roc_auc: undefined: rows of both classes are wanted")
	_, err = metrics.BinaryPRAUC([]bool{false}, []float64{0.1}, nil)
	require.EqualError(t, err, "metrics: pr_auc: undefined: no row is positive")
	_, err = metrics.R2Score([]float64{2, 2}, []float64{1, 2}, nil)
	require.EqualError(t, err, "metrics: r2: undefined: all truths are equal")
	_, err = metrics.MeanAbsolutePercentageError([]float64{1, 0}, []float64{1, 2}, nil)
	require.EqualError(t, err, "metrics: mape: undefined: truth[1] is 0")
}

func TestConfusionEdges(t *testing.T) {
	type measure = func(metrics.Confusion) (float64, error)
	undefinedFor := func(c metrics.Confusion) []string {
		var names []string
		for _, m := range []struct {
			name string
			f    measure
		}{
			{"accuracy", metrics.Confusion.Accuracy}, {"precision", metrics.Confusion.Precision},
			{"recall", metrics.Confusion.Recall}, {"f1", metrics.Confusion.F1},
			{"specificity", metrics.Confusion.Specificity},
			{"balanced", metrics.Confusion.BalancedAccuracy}, {"mcc", metrics.Confusion.MCC},
		} {
			if _, err := m.f(c); err != nil {
				require.ErrorIs(t, err, metrics.ErrUndefined)
				names = append(names, m.name)
			}
		}
		return names
	}
	require.Equal(t, []string{"accuracy", "precision", "recall", "f1", "specificity", "balanced", "mcc"},
		undefinedFor(metrics.Confusion{}), "no rows")
	require.Equal(t, []string{"precision", "recall", "f1", "balanced", "mcc"},
		undefinedFor(metrics.Confusion{TN: 5}), "only negatives")
	require.Equal(t, []string{"specificity", "balanced", "mcc"},
		undefinedFor(metrics.Confusion{TP: 5}), "only positives")
	require.Equal(t, []string{"precision", "mcc"},
		undefinedFor(metrics.Confusion{TN: 5, FN: 2}), "never predicted")
	require.Empty(t, undefinedFor(metrics.Confusion{TP: 1, TN: 1}))

	f1, err := metrics.Confusion{TN: 5, FN: 2}.F1()
	require.NoError(t, err)
	require.Zero(t, f1, "positives of which none was found")
}

func TestConfusionInput(t *testing.T) {
	_, err := metrics.NewConfusion([]bool{true}, nil, nil)
	require.EqualError(t, err, "metrics: confusion: predicted has 0 values, want 1")
	_, err = metrics.NewConfusion([]bool{true}, []bool{true}, []float64{-1})
	require.ErrorIs(t, err, metrics.ErrInput)
	c, err := metrics.NewConfusion([]bool{true, true}, []bool{true, false}, []float64{2, 0})
	require.NoError(t, err)
	require.Equal(t, metrics.Confusion{TP: 2}, c)
}

func TestCountsInput(t *testing.T) {
	for want, call := range map[string]func() (metrics.Counts, error){
		"classes is 0, want 1 or more":            func() (metrics.Counts, error) { return metrics.NewCounts(nil, nil, 0, nil) },
		"predicted has 1 values, want 0":          func() (metrics.Counts, error) { return metrics.NewCounts(nil, []int{1}, 2, nil) },
		"truth[0] is 2, want class 0 to 1":        func() (metrics.Counts, error) { return metrics.NewCounts([]int{2}, []int{1}, 2, nil) },
		"predicted[0] is -1, want class 0 to 1":   func() (metrics.Counts, error) { return metrics.NewCounts([]int{1}, []int{-1}, 2, nil) },
		"weights[0] is NaN, want a finite number": func() (metrics.Counts, error) { return metrics.NewCounts([]int{1}, []int{1}, 2, []float64{nan}) },
	} {
		_, err := call()
		require.ErrorIs(t, err, metrics.ErrInput)
		require.ErrorContains(t, err, want)
	}
	empty, err := metrics.NewCounts(nil, nil, 3, nil)
	require.NoError(t, err)
	for _, a := range []metrics.Average{metrics.Macro, metrics.Micro, metrics.Weighted} {
		_, err := empty.F1(a)
		require.ErrorIs(t, err, metrics.ErrUndefined)
	}
	_, err = empty.BalancedAccuracy()
	require.ErrorIs(t, err, metrics.ErrUndefined)
	_, err = empty.MCC()
	require.ErrorIs(t, err, metrics.ErrUndefined)
}

func TestMulticlassProbabilitiesInput(t *testing.T) {
	for name, f := range map[string]func([]int, [][]float64, []float64) (float64, error){
		"log_loss": metrics.MulticlassLogLoss, "brier": metrics.MulticlassBrier,
	} {
		_, err := f([]int{0, 1}, [][]float64{{1, 0}, {0}}, nil)
		require.ErrorIs(t, err, metrics.ErrInput, name)
		_, err = f([]int{0, 2}, [][]float64{{1, 0}, {0, 1}}, nil)
		require.ErrorContains(t, err, "truth[1] is 2, want class 0 to 1", name)
		_, err = f([]int{0, 1}, [][]float64{{1, 0}, {0, nan}}, nil)
		require.ErrorContains(t, err, "probability[1][1] is NaN", name)
		_, err = f([]int{0, 1}, [][]float64{{1, 1}, {0, 1}}, nil)
		require.ErrorContains(t, err, "the probabilities of row 1 sum up to 2, want 1", name)
		_, err = f([]int{0}, [][]float64{{0.5}, {0.5 + 0.99*metrics.SumTolerance}}, nil)
		require.NoError(t, err, name)
		_, err = f(nil, nil, nil)
		require.ErrorIs(t, err, metrics.ErrUndefined, name)
	}
}

func TestMulticlassAreas(t *testing.T) {
	p := [][]float64{{0.8, 0.1, 0.2, 0.3}, {0.1, 0.7, 0.3, 0.3}, {0.1, 0.2, 0.5, 0.4}}
	for name, f := range map[string]func([]int, [][]float64, metrics.Average, []float64) (float64, error){
		"roc_auc": metrics.MulticlassROCAUC, "pr_auc": metrics.MulticlassPRAUC,
	} {
		for _, a := range []metrics.Average{metrics.Macro, metrics.Micro, metrics.Weighted} {
			v, err := f([]int{0, 1, 2, 2}, p, a, nil)
			require.NoError(t, err, name)
			require.InDelta(t, 1, v, 1e-12, "%s: every class is ranked right", name)
			_, err = f([]int{0, 1, 2}, p, a, nil)
			require.ErrorIs(t, err, metrics.ErrInput)
			_, err = f([]int{0, 1, 2, 2}, p, a, []float64{1})
			require.ErrorContains(t, err, "metrics: "+name+": weights has 1 values, want 4")
			_, err = f(nil, [][]float64{{}, {}, {}}, a, nil)
			require.ErrorIs(t, err, metrics.ErrUndefined)
		}
		_, err := f([]int{0, 1, 1, 1}, p, metrics.Macro, nil)
		require.ErrorIs(t, err, metrics.ErrUndefined)
		require.ErrorContains(t, err, "class 2: metrics: "+name+": undefined: ")
	}
}

func TestNewRanking(t *testing.T) {
	r, err := metrics.NewRanking([]bool{true, false, true}, []float64{math.Inf(1), 0, math.Inf(-1)}, nil)
	require.NoError(t, err)
	roc, err := r.ROCAUC()
	require.NoError(t, err)
	require.Equal(t, 0.5, roc)
	pr, err := r.PRAUC()
	require.NoError(t, err)
	require.InDelta(t, (1+2.0/3)/2, pr, 1e-15)
	_, err = metrics.NewRanking([]bool{true}, []float64{nan}, nil)
	require.EqualError(t, err, "metrics: ranking: score[0] is NaN, want a number")
	_, err = metrics.Ranking{}.ROCAUC()
	require.ErrorIs(t, err, metrics.ErrUndefined)
}

func TestPinballQuantile(t *testing.T) {
	for _, q := range []float64{0, 1, -1, nan} {
		_, err := metrics.Pinball([]float64{1}, []float64{1}, q, nil)
		require.ErrorIs(t, err, metrics.ErrInput)
	}
}

func TestCertainMistakeIsFinite(t *testing.T) {
	loss, err := metrics.BinaryLogLoss([]bool{true}, []float64{0}, nil)
	require.NoError(t, err)
	require.InDelta(t, 36.04, loss, 0.01)
}
