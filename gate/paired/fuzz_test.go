package paired_test

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/selfheal-ml/selfheal/gate/paired"
)

// FuzzPaired checks that nothing panics, that an error is one of ours, and that p-values
// and intervals are such.
func FuzzPaired(f *testing.F) {
	seed := func(x ...float64) []byte {
		var data []byte
		for _, v := range x {
			data = binary.LittleEndian.AppendUint64(data, math.Float64bits(v))
		}
		return data
	}
	f.Add(seed(0.1, 0.9, 0.4, 0.4, 0.7), seed(0.2, 0.8, 0.5, 0.1, 0.9), 3, 5, 0.9)
	f.Add(seed(1), seed(), 0, 0, 0.5)
	f.Add(seed(math.NaN(), math.Inf(1)), seed(1, 2), -1, 7, 1.5)
	f.Add(seed(math.MaxFloat64, -math.MaxFloat64, 5e-324), seed(0, 0, 0), 1<<40, 3, 1e-300)
	f.Fuzz(func(t *testing.T, a, b []byte, wins, losses int, level float64) {
		x, y := floats(a), floats(b)
		fine := func(what string, err error) bool {
			if err != nil && !errors.Is(err, paired.ErrInput) && !errors.Is(err, paired.ErrTooFew) {
				t.Errorf("%s: unexpected error %v", what, err)
			}
			return err == nil
		}
		p := func(what string, values ...float64) {
			for _, v := range values {
				if !(v >= 0 && v <= 1) {
					t.Errorf("%s: p-value %v", what, v)
				}
			}
		}
		interval := func(what string, ci paired.Interval) {
			if !(ci.Lo <= ci.Hi) {
				t.Errorf("%s: interval %v", what, ci)
			}
		}
		if r, err := paired.McNemar(wins, losses); fine("McNemar", err) {
			p("McNemar", r.ChiSquare.PValue, r.Corrected.PValue, r.Exact, r.MidP, r.Better)
		}
		if ci, err := paired.Tango(wins, losses, 1000, level); fine("Tango", err) {
			interval("Tango", ci)
		}
		if r, err := paired.TangoNonInferior(wins, losses, 1000, level); fine("TangoNonInferior", err) {
			p("TangoNonInferior", r.PValue)
		}
		truth := make([]bool, len(x))
		for i := range truth {
			truth[i] = i%2 == 0
		}
		if r, err := paired.DeLong(truth, x, y); fine("DeLong", err) {
			p("DeLong", r.PValue)
		}
		_, err := paired.AveragePrecisionInfluence(truth, x)
		fine("AveragePrecisionInfluence", err)
		if s, err := paired.Mean(x); fine("Mean", err) {
			p("Mean", s.Greater(0), s.Less(0))
			if ci, err := s.CI(level); fine("CI", err) {
				interval("CI", ci)
			}
		}
		if len(x) >= 3 && len(y) >= 3 {
			if r, err := paired.NewTilted(x[:3], y[:3], accuracyGain, 100, 1); fine("NewTilted", err) {
				p("NewTilted", r.Greater(0), r.Less(0))
				if ci, err := r.CI(level); fine("CI", err) {
					interval("CI", ci)
				}
			}
		}
		if adjusted, err := paired.Holm(x); fine("Holm", err) {
			p("Holm", adjusted...)
		}
	})
}

// FuzzStudentized fills the fields with anything.
func FuzzStudentized(f *testing.F) {
	f.Add(0.1, 0.05, 40.0, 0.3, 0.0, 0.9)
	f.Add(0.0, -1.0, -2.0, math.Inf(1), math.NaN(), 0.5)
	f.Add(1e308, 5e-324, 5e-324, -1e308, -1e308, 1-1e-16)
	f.Fuzz(func(t *testing.T, estimate, stdErr, degrees, skewness, bound, level float64) {
		s := paired.Studentized{Estimate: estimate, StdErr: stdErr, Degrees: degrees, Skewness: skewness}
		if !math.IsNaN(bound) && !math.IsInf(bound, 0) {
			for _, p := range []float64{s.Greater(bound), s.Less(bound)} {
				if !(p >= 0 && p <= 1) {
					t.Errorf("p-value %v", p)
				}
			}
		}
		if ci, err := s.CI(level); err == nil && !(ci.Lo <= ci.Hi) {
			t.Errorf("interval %v", ci)
		}
	})
}

// floats reads raw float64s, so that NaN, infinities and subnormals occur.
func floats(data []byte) []float64 {
	var x []float64
	for ; len(data) >= 8; data = data[8:] {
		x = append(x, math.Float64frombits(binary.LittleEndian.Uint64(data)))
	}
	return x
}
