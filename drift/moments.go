package drift

import (
	"math"
	"math/big"
)

// moments holds the count, the extremes and the exact sums of finite values. Merging is
// exact, associative and commutative. The zero moments are those of no values.
type moments struct {
	N       int64    `json:"n"`
	Min     float64  `json:"min"` // 0 if N is 0
	Max     float64  `json:"max"` // 0 if N is 0
	Sum     exactSum `json:"sum"`
	Squares exactSum `json:"squares"`
}

// add counts x, which must be finite.
func (m *moments) add(x float64) {
	if x == 0 {
		x = 0 // not -0, so that the extremes do not depend on the order
	}
	if m.N == 0 {
		m.Min, m.Max = x, x
	}
	m.N++
	m.Min, m.Max = min(m.Min, x), max(m.Max, x)
	m.Sum.add(x)
	m.Squares.addSquare(x)
}

func (m *moments) merge(other *moments) {
	if other.N == 0 {
		return
	}
	if m.N == 0 {
		*m = *other
		return
	}
	m.N += other.N
	m.Min, m.Max = min(m.Min, other.Min), max(m.Max, other.Max)
	m.Sum.merge(&other.Sum)
	m.Squares.merge(&other.Squares)
}

// precision is that of intermediate results, far above the 53 bits of a float64.
const precision = 256

// mean returns the mean, rounded once; NaN if there are no values.
func (m *moments) mean() float64 {
	if m.N == 0 {
		return math.NaN()
	}
	return quotient(new(big.Float).SetInt(m.Sum.integer()), m.N, sumUnit)
}

// std returns the standard deviation, with divisor n, rounded once; NaN if there are no
// values. It cannot overflow, being at most half the range.
func (m *moments) std() float64 {
	if m.N == 0 {
		return math.NaN()
	}
	// n² times the variance is n times the sum of squares less the square of the sum.
	sum := m.Sum.integer()
	d := m.Squares.integer()
	d.Mul(d, big.NewInt(m.N))
	d.Lsh(d, -sumUnit)
	d.Sub(d, sum.Mul(sum, sum))
	root := new(big.Float).SetPrec(precision).SetInt(d)
	return quotient(root.Sqrt(root), m.N, sumUnit)
}

// quotient returns x/n times 2^exponent.
func quotient(x *big.Float, n int64, exponent int) float64 {
	q := new(big.Float).SetPrec(precision).Quo(x, new(big.Float).SetInt64(n))
	f, _ := q.SetMantExp(q, exponent).Float64()
	return f
}
