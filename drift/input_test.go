package drift_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

func TestSamples_InvalidInput(t *testing.T) {
	t.Parallel()
	good, bad := []float64{1, 2}, []float64{1, math.NaN()}
	methods := map[string]func(reference, current []float64) (drift.Result, error){
		"KolmogorovSmirnov": drift.KolmogorovSmirnov[float64],
		"Wasserstein1":      drift.Wasserstein1[float64],
	}
	cases := []struct {
		name               string
		reference, current []float64
		want               drift.InputError
	}{
		{"no reference", nil, good, drift.InputError{Sample: "reference", Index: -1, What: "is empty, want at least one value"}},
		{"no current", good, nil, drift.InputError{Sample: "current", Index: -1, What: "is empty, want at least one value"}},
		{"NaN in reference", bad, good, drift.InputError{Sample: "reference", Index: 1, What: "is NaN, want a number"}},
		{"NaN in current", good, bad, drift.InputError{Sample: "current", Index: 1, What: "is NaN, want a number"}},
	}
	for name, method := range methods {
		for _, c := range cases {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				_, err := method(c.reference, c.current)
				requireInputError(t, err, c.want)
			})
		}
	}
	_, err := drift.KolmogorovSmirnov(good, bad)
	require.EqualError(t, err, "drift: current: index 1: is NaN, want a number")
}

func TestCounts_InvalidInput(t *testing.T) {
	t.Parallel()
	methods := map[string]func(reference, current []float64) (drift.Result, error){
		"PSI":            drift.PSI[float64],
		"JensenShannon":  drift.JensenShannon[float64],
		"TotalVariation": drift.TotalVariation[float64],
		"ChiSquare":      drift.ChiSquare[float64],
	}
	cases := []struct {
		name               string
		reference, current []float64
		want               drift.InputError
	}{
		{"lengths", []float64{1}, []float64{1, 2}, drift.InputError{Sample: "current", Index: -1, What: "has 2 cells, want 1 as in reference"}},
		{"empty", nil, nil, drift.InputError{Sample: "reference", Index: -1, What: "counts sum to 0, want 1 to 2^53"}},
		{"no observation", []float64{1, 1}, []float64{0, 0}, drift.InputError{Sample: "current", Index: -1, What: "counts sum to 0, want 1 to 2^53"}},
		{"negative", []float64{1, -1}, []float64{1, 1}, drift.InputError{Sample: "reference", Index: 1, What: "count is -1, want a finite number of at least 0"}},
		{"NaN", []float64{1, 1}, []float64{1, math.NaN()}, drift.InputError{Sample: "current", Index: 1, What: "count is NaN, want a finite number of at least 0"}},
		{"infinite", []float64{1, 1}, []float64{math.Inf(1), 1}, drift.InputError{Sample: "current", Index: 0, What: "count is +Inf, want a finite number of at least 0"}},
		{"infinite sum", []float64{1, 1}, []float64{math.MaxFloat64, math.MaxFloat64}, drift.InputError{Sample: "current", Index: -1, What: "counts sum to +Inf, want 1 to 2^53"}},
	}
	for name, method := range methods {
		for _, c := range cases {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				_, err := method(c.reference, c.current)
				requireInputError(t, err, c.want)
			})
		}
	}
}

func requireInputError(t *testing.T, err error, want drift.InputError) {
	t.Helper()
	require.ErrorIs(t, err, drift.ErrInvalidInput)
	var got *drift.InputError
	require.ErrorAs(t, err, &got)
	require.Equal(t, want, *got)
}
