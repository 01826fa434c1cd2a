package metrics_test

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// floats reads raw float64s, so that NaN, infinities and subnormals occur.
func floats(data []byte) []float64 {
	var x []float64
	for ; len(data) >= 8; data = data[8:] {
		x = append(x, math.Float64frombits(binary.LittleEndian.Uint64(data)))
	}
	return x
}

func seed(x ...float64) []byte {
	var data []byte
	for _, v := range x {
		data = binary.LittleEndian.AppendUint64(data, math.Float64bits(v))
	}
	return data
}

// FuzzMetrics checks that nothing panics and that a result is a number in its range.
func FuzzMetrics(f *testing.F) {
	f.Add(seed(0, 1, 0, 1), seed(0.1, 0.9, 0.4, 0.4), []byte(nil))
	f.Add(seed(1), seed(1), seed(1))
	f.Add(seed(1, 2), seed(math.NaN(), 1), seed(1, 1))
	f.Add(seed(math.MaxFloat64, 0), seed(-math.MaxFloat64, math.Inf(1)), seed(math.MaxFloat64, math.MaxFloat64))
	f.Fuzz(func(t *testing.T, y, p, w []byte) {
		truth, predicted, weights := floats(y), floats(p), floats(w)
		positive := make([]bool, len(truth))
		for i := range truth {
			positive[i] = truth[i] > 0
		}
		check := func(name string, v float64, err error, lo, hi float64) {
			if err != nil {
				if !errors.Is(err, metrics.ErrInput) && !errors.Is(err, metrics.ErrUndefined) {
					t.Errorf("%s: unexpected error %v", name, err)
				}
				return
			}
			if !(v >= lo-tolerance*(1+math.Abs(lo)) && v <= hi+tolerance) {
				t.Errorf("%s = %v, want %v to %v", name, v, lo, hi)
			}
		}
		for name, metric := range overProbabilities {
			v, err := metric(positive, predicted, weights)
			hi := 1.0
			if name == "log_loss" {
				hi = 36.05
			}
			check(name, v, err, 0, hi)
		}
		for name, metric := range overValues {
			v, err := metric(truth, predicted, weights)
			if name == "r2" {
				check(name, v, err, -math.MaxFloat64, 1)
			} else {
				check(name, v, err, 0, math.MaxFloat64)
			}
		}
		guess := make([]bool, len(predicted))
		for i := range predicted {
			guess[i] = predicted[i] > 0
		}
		c, err := metrics.NewConfusion(positive, guess, weights)
		if err != nil {
			return
		}
		for name, measure := range map[string]func() (float64, error){
			"accuracy": c.Accuracy, "precision": c.Precision, "recall": c.Recall, "f1": c.F1,
			"specificity": c.Specificity, "balanced_accuracy": c.BalancedAccuracy,
		} {
			v, err := measure()
			check(name, v, err, 0, 1)
		}
		v, err := c.MCC()
		check("mcc", v, err, -1, 1)
	})
}
