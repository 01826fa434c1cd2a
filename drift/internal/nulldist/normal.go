package nulldist

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// NormalTwoSided returns P(|Z| >= |z|) for a standard normal Z.
func NormalTwoSided(z float64) float64 { return math.Erfc(math.Abs(z) / math.Sqrt2) }

// ChiSquare returns P(X² >= x2) for the chi-square distribution.
func ChiSquare(x2 float64, degrees int) float64 {
	return distuv.ChiSquared{K: float64(degrees)}.Survival(x2)
}
