package drift

import (
	"fmt"
	"iter"
	"slices"

	"golang.org/x/exp/constraints"
)

// eachValue visits the distinct values of two sorted samples in ascending order and tells
// how often each occurs in either. -0 equals 0.
func eachValue[F constraints.Float](r, c []F, visit func(inR, inC int)) {
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
		visit(i, j)
		r, c = r[i:], c[j:]
	}
}

// sortedPair returns both samples in ascending order, as sortedSample does.
func sortedPair[F constraints.Float](reference, current []F) (r, c []F, err error) {
	if r, err = sortedSample("reference", reference); err != nil {
		return nil, nil, err
	}
	if c, err = sortedSample("current", current); err != nil {
		return nil, nil, err
	}
	return r, c, nil
}

// sortedPairOf is sortedPair for methods that need so many values on either side.
func sortedPairOf[F constraints.Float](reference, current []F, least int) (r, c []F, err error) {
	if r, c, err = sortedPair(reference, current); err == nil {
		err = requireSizes(len(r), len(c), least)
	}
	return r, c, err
}

// sortedFinitePair is sortedPair for methods that cannot use infinities.
func sortedFinitePair[F constraints.Float](reference, current []F) (r, c []F, err error) {
	if r, c, err = sortedPair(reference, current); err != nil {
		return nil, nil, err
	}
	if err := requireFinite("reference", reference); err != nil {
		return nil, nil, err
	}
	if err := requireFinite("current", current); err != nil {
		return nil, nil, err
	}
	return r, c, nil
}

// requireSizes returns an [*InputError] for a sample of fewer than least values.
func requireSizes(n, m, least int) error {
	if n < least {
		return tooFew("reference", n, least)
	}
	if m < least {
		return tooFew("current", m, least)
	}
	return nil
}

func tooFew(name string, n, least int) error {
	return &InputError{Sample: name, Index: -1, What: fmt.Sprintf("has %d values, want at least %d", n, least)}
}

// tiedVariance returns the variance of a sum, over all values, of squares of jointly normal
// variables with the covariances of a sampled distribution function, in terms of what it is
// if all values differ. The terms of a group of equal values are those of its last value;
// of returns for it, given how many values there are up to its end and in it, the factors
// of its squared covariance before(j)·after(k) with a later group k, and its own squared
// variance.
func tiedVariance(groups []int, of func(end, size float64) (before, after, square float64)) float64 {
	variance := func(sizes iter.Seq[int]) float64 {
		sum, earlier, end := 0.0, 0.0, 0.0
		for size := range sizes {
			s := float64(size)
			end += s
			before, after, square := of(end, s)
			sum += s*s*square + 2*s*after*earlier
			earlier += s * before
		}
		return sum
	}
	total := 0
	for _, g := range groups {
		total += g
	}
	if total == len(groups) {
		return 1
	}
	return variance(slices.Values(groups)) / variance(func(yield func(int) bool) {
		for range total {
			if !yield(1) {
				return
			}
		}
	})
}
