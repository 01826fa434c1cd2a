// Package samples prepares two samples of numbers for a comparison, and counts for rank tests.
package samples

import (
	"fmt"
	"slices"

	"golang.org/x/exp/constraints"

	"github.com/selfheal-ml/selfheal/drift/internal/parallel"
	"github.com/selfheal-ml/selfheal/drift/internal/radix"
)

// Fault says why a sample cannot be used. A Fault can be converted into a drift.InputError.
type Fault struct {
	Sample string
	Index  int // -1 if the sample as a whole is at fault
	What   string
}

// Sorted returns sorted copies of both samples. An empty sample or a NaN is a fault. Large
// samples are sorted on two processors.
func Sorted[F constraints.Float](reference, current []F) (r, c []F, fault *Fault) {
	if fault = Sizes(len(reference), len(current), 1); fault == nil {
		fault = first(reference, current, "want a number", func(x F) bool { return x != x })
	}
	if fault != nil {
		return nil, nil, fault
	}
	sorted := [2][]F{slices.Clone(reference), slices.Clone(current)}
	parallel.Do(2, len(reference)+len(current), func(i int) { radix.Sort(sorted[i]) })
	return sorted[0], sorted[1], nil
}

// SortedFinite is [Sorted] for methods that cannot use infinities.
func SortedFinite[F constraints.Float](reference, current []F) (r, c []F, fault *Fault) {
	if r, c, fault = Sorted(reference, current); fault == nil {
		fault = Finite(reference, current)
	}
	return r, c, fault
}

// Finite returns a fault for the first value that is NaN or infinite.
func Finite[F constraints.Float](reference, current []F) *Fault {
	return first(reference, current, "want a finite number", func(x F) bool { return x-x != 0 })
}

// first returns a fault for the first value for which wrong is true.
func first[F constraints.Float](reference, current []F, want string, wrong func(F) bool) *Fault {
	if i := slices.IndexFunc(reference, wrong); i >= 0 {
		return &Fault{Sample: "reference", Index: i, What: fmt.Sprintf("is %v, %s", reference[i], want)}
	}
	if i := slices.IndexFunc(current, wrong); i >= 0 {
		return &Fault{Sample: "current", Index: i, What: fmt.Sprintf("is %v, %s", current[i], want)}
	}
	return nil
}

// Sizes returns a fault if a sample has fewer than least values.
func Sizes(n, m, least int) *Fault {
	switch {
	case n < least:
		return TooFew("reference", n, least)
	case m < least:
		return TooFew("current", m, least)
	}
	return nil
}

// TooFew returns the fault of a sample of n values where at least least are needed.
func TooFew(name string, n, least int) *Fault {
	what := fmt.Sprintf("has %d values, want at least %d", n, least)
	if n == 0 && least == 1 {
		what = "is empty, want at least one value"
	}
	return &Fault{Sample: name, Index: -1, What: what}
}

// EachValue visits the distinct values of two sorted samples in ascending order, with the
// number of times each value occurs in either sample. -0 equals 0.
func EachValue[F constraints.Float](r, c []F, visit func(x F, inR, inC int)) {
	for len(r)+len(c) > 0 {
		var x F
		switch {
		case len(r) == 0:
			x = c[0]
		case len(c) == 0:
			x = r[0]
		default:
			x = min(r[0], c[0])
		}
		i, j := 0, 0
		for i < len(r) && r[i] == x {
			i++
		}
		for j < len(c) && c[j] == x {
			j++
		}
		visit(x, i, j)
		r, c = r[i:], c[j:]
	}
}

// LargestDistance returns nmD for two sorted samples of n and m values, where D is the largest
// distance of their distribution functions. nmD is an integer, so nothing is rounded.
func LargestDistance[F constraints.Float](r, c []F) int64 {
	n, m := int64(len(r)), int64(len(c))
	var distance, most int64
	EachValue(r, c, func(_ F, inR, inC int) {
		distance += int64(inR)*m - int64(inC)*n
		most = max(most, distance, -distance)
	})
	return most
}

// D returns the largest distance of the distribution functions of two sorted samples.
func D[F constraints.Float](r, c []F) float64 {
	return float64(LargestDistance(r, c)) / (float64(len(r)) * float64(len(c)))
}

// Relative maps a distance to [0, 1]. A distance of one scale is 1/2.
func Relative(distance, scale float64) float64 {
	if distance == 0 {
		return 0
	}
	return 1 / (1 + scale/distance)
}

// Ranks compares each current value with each reference value and counts the pairs that the
// current value wins. A tie is half a win.
type Ranks struct {
	N, M, Wins float64
	Tied       float64 // sum of t³ - t over the values that occur t times
}

// NewRanks counts two sorted samples.
func NewRanks[F constraints.Float](r, c []F) Ranks {
	u := Ranks{N: float64(len(r)), M: float64(len(c))}
	below := 0.0
	EachValue(r, c, func(_ F, inR, inC int) {
		u.Wins += (below + float64(inR)/2) * float64(inC)
		below += float64(inR)
		t := float64(inR + inC)
		u.Tied += (t - 1) * t * (t + 1)
	})
	return u
}

// Variance returns the variance of the wins without any change, or 0 if all values are equal.
func (u Ranks) Variance() float64 {
	total := u.N + u.M
	return u.N * u.M / 12 * (total + 1 - u.Tied/(total*(total-1)))
}
