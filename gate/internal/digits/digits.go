// Package digits rounds numbers, so that a decision is the same on all processors.
//
// Processors differ in the last digits: one rounds x*y+z once and another twice, and their
// exponential functions differ. A number is therefore rounded before anything is decided from
// it. Computations with rounded numbers use steps that all processors round alike:
// float64(x*y) keeps a product from being fused with a sum.
package digits

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

const (
	// factDigits are the digits of a measured number: fewer than the noise of a sum over rows
	// allows, and more than a million rows justify.
	factDigits = 12
	// gainDigits are the digits of a difference of two metrics: few enough to hide the
	// rounding of both, so that 1/3 - 1/4 is 1/12.
	gainDigits = 11
	// Inference is the number of digits of p-values and intervals. Tilting a million rows
	// magnifies their noise to some 1e-10.
	Inference = 8
)

// IsFinite reports whether v is neither infinite nor NaN.
func IsFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// Settle rounds a measured number.
func Settle(v float64) float64 { return Round(v, factDigits) }

// Difference returns b - a.
func Difference(a, b float64) float64 {
	return roundAs(b-a, max(math.Abs(a), math.Abs(b)), gainDigits)
}

// ShareOf returns a difference as a share of the absolute value of a number.
func ShareOf(difference, of float64) float64 {
	v := difference / math.Abs(of)
	return roundAs(v, max(1, math.Abs(v)), gainDigits)
}

// roundAs rounds v to the decimals that the larger number has at this many significant digits.
func roundAs(v, larger float64, digits int) float64 {
	if v == 0 || !IsFinite(v) {
		return v
	}
	digits += exponent(v) - exponent(larger)
	if digits < 1 {
		return 0
	}
	return Round(v, digits)
}

// RoundTo rounds v to the decimals that the larger number has at [Inference] digits. The
// direction is math.Floor or math.Ceil. A number within a hundredth of the last digit counts
// as rounded: a 0 with the noise of its computation stays 0.
func RoundTo(v, larger float64, direction func(float64) float64) float64 {
	if v == 0 || !IsFinite(v) {
		return v
	}
	unit, err := strconv.ParseFloat(fmt.Sprintf("1e%d", exponent(larger)-Inference+1), 64)
	units := v / unit
	if err != nil || !IsFinite(units) {
		return v // near the smallest number
	}
	whole := math.Round(units)
	if math.Abs(units-whole) > 0.01 {
		whole = direction(units)
	}
	rounded := Round(whole*unit, Inference)
	if !IsFinite(rounded) {
		return v // near the largest number
	}
	return rounded + 0 // not -0
}

func exponent(v float64) int {
	_, digits, _ := strings.Cut(strconv.FormatFloat(v, 'e', factDigits-1, 64), "e")
	e, _ := strconv.Atoi(digits)
	return e
}

// Round returns v with so many significant digits.
func Round(v float64, digits int) float64 {
	if v == 0 || !IsFinite(v) {
		return v
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'e', digits-1, 64), 64)
	if err != nil {
		return v // near the largest number
	}
	return rounded
}
