package counting

import (
	"errors"
	"fmt"
	"math"
	"math/big"

	"golang.org/x/exp/constraints"
)

// Moments holds the number of finite values, their extremes, and the exact sums of their
// distances from Centre and of the squared distances. Merging is exact, associative and
// commutative. The zero Moments have no values and the centre 0.
type Moments struct {
	N       int64   `json:"n"`
	Min     float64 `json:"min"` // 0 if N is 0
	Max     float64 `json:"max"` // 0 if N is 0
	Sum     Sum     `json:"sum"`
	Squares Sum     `json:"squares"`
	// Centre is set before values are added.
	Centre float64 `json:"-"`
}

// MomentsOf returns the moments of finite values, without any rounding.
func MomentsOf[F constraints.Float](values []F) (m Moments) {
	for _, value := range values {
		m.Add(float64(value))
	}
	return m
}

// Add counts x without any rounding. x must be finite and Centre must be 0.
func (m *Moments) Add(x float64) {
	m.extend(x, x)
	m.N++
	m.Sum.add(x, 1)
	m.Squares.addSquare(x)
}

// extend widens the extremes to lo and hi. It must come before the values are counted.
func (m *Moments) extend(lo, hi float64) {
	lo, hi = UnsignedZero(lo), UnsignedZero(hi) // so that they do not depend on the order
	if m.N == 0 {
		m.Min, m.Max = lo, hi
	}
	m.Min, m.Max = min(m.Min, lo), max(m.Max, hi)
}

// UnsignedZero returns x, but 0 for -0.
func UnsignedZero(x float64) float64 {
	if x == 0 {
		return 0
	}
	return x
}

// Merge adds the values of the other moments, which must have the same centre.
func (m *Moments) Merge(other *Moments) {
	if other.N == 0 {
		return
	}
	if m.N == 0 {
		*m = *other
		return
	}
	m.N += other.N
	m.Min, m.Max = min(m.Min, other.Min), max(m.Max, other.Max)
	m.Sum.Merge(&other.Sum)
	m.Squares.Merge(&other.Squares)
}

// precision is the precision of intermediate results in bits. A float64 has 53.
const precision = 256

// Mean returns the mean, rounded once; NaN if there are no values.
func (m *Moments) Mean() float64 {
	if m.N == 0 {
		return math.NaN()
	}
	sum := m.Sum
	sum.add(m.Centre, uint64(m.N))
	return quotient(new(big.Float).SetInt(sum.integer()), m.N, sumUnit)
}

// Std returns the standard deviation (divisor n), rounded once, or NaN without values. Std
// does not depend on the centre. It is at most half the range, so it cannot overflow.
func (m *Moments) Std() float64 {
	if m.N == 0 {
		return math.NaN()
	}
	root := new(big.Float).SetPrec(precision).SetInt(m.scatter())
	return quotient(root.Sqrt(root), m.N, sumUnit)
}

// scatter returns n² times the variance, in units of 2^(2 sumUnit).
func (m *Moments) scatter() *big.Int {
	squares, sum := m.Squares.integer(), m.Sum.integer()
	squares.Mul(squares, big.NewInt(m.N))
	return squares.Sub(squares.Lsh(squares, -sumUnit), sum.Mul(sum, sum))
}

// Check returns an error if no finite values have these moments.
func (m *Moments) Check() error {
	switch {
	case !(m.Min <= m.Max) || m.Min < -math.MaxFloat64 || m.Max > math.MaxFloat64:
		return fmt.Errorf("has minimum %v and maximum %v", m.Min, m.Max)
	case m.N == 0 && *m != Moments{Centre: m.Centre}:
		return errors.New("has moments of no values that are not 0")
	case m.scatter().Sign() < 0:
		return errors.New("has a negative variance")
	}
	return nil
}

// CheckRange returns an error if the sums contradict the extremes. u is the unit of the values.
//
// Rounding to units keeps the order of values. So the mean lies between the rounded extremes,
// and the standard deviation is at most half their distance (Popoviciu, "Sur les équations
// algébriques ayant toutes leurs racines réelles", 1935). One unit of slack allows for ties.
func (m *Moments) CheckRange(u Unit) error {
	if m.N == 0 {
		return nil
	}
	var lo, hi Moments
	lo.addBlock(u, []float64{m.Min})
	hi.addBlock(u, []float64{m.Max})
	least, most, sum := lo.Sum.integer(), hi.Sum.integer(), m.Sum.integer()
	one := new(big.Int).Lsh(big.NewInt(1), uint(u.Exponent-sumUnit))
	least.Sub(least, one)
	most.Add(most, one)
	n := big.NewInt(m.N)
	width := new(big.Int).Sub(most, least)
	if sum.Cmp(least.Mul(least, n)) < 0 || sum.Cmp(most.Mul(most, n)) > 0 {
		return fmt.Errorf("has a mean that is not between its minimum %v and maximum %v", m.Min, m.Max)
	}
	// n² times the variance is at most (n·width/2)².
	scatter := m.scatter()
	scatter.Lsh(scatter, 2)
	if width.Mul(width, n); scatter.Cmp(width.Mul(width, width)) > 0 {
		return fmt.Errorf("has a standard deviation above half of the range from %v to %v", m.Min, m.Max)
	}
	return nil
}

// quotient returns x/n times 2^exponent.
func quotient(x *big.Float, n int64, exponent int) float64 {
	q := new(big.Float).SetPrec(precision).Quo(x, new(big.Float).SetInt64(n))
	f, _ := q.SetMantExp(q, exponent).Float64()
	return f
}
