package drift

import (
	"math"
	"slices"

	"golang.org/x/exp/constraints"
)

const (
	// radixMin is the size from which a radix sort beats a comparison sort.
	radixMin = 400
	// radixWide is the size up to which digits of 11 bits are faster than those of 8: above,
	// the writes to 2048 places at once miss the translation cache.
	radixWide = 100_000
)

// sortFloats sorts the values in place, in ascending order. They must hold no NaN; -0 and 0
// are equal and end up in any order.
func sortFloats[F constraints.Float](values []F) {
	doubles, ok := any(values).([]float64)
	switch {
	case !ok || len(doubles) < radixMin:
		slices.Sort(values)
	case len(doubles) <= radixWide:
		radixSort(doubles, 11)
	default:
		radixSort(doubles, 8)
	}
}

// sortKey maps floats to integers in the same order: the sign bit is flipped for positive
// numbers, every bit for negative ones.
func sortKey(x float64) uint64 {
	b := math.Float64bits(x)
	return b ^ (uint64(int64(b)>>63) | 1<<63)
}

// unsortKey is the inverse of sortKey.
func unsortKey(k uint64) float64 {
	return math.Float64frombits(k ^ (^uint64(int64(k)>>63) | 1<<63))
}

// radixSort sorts by digits of so many bits, the lowest first, and passes over digits that
// are the same in all values.
func radixSort(values []float64, digit uint) {
	n := len(values)
	passes := int((64 + digit - 1) / digit)
	radix := 1 << digit
	mask := uint64(radix - 1)
	keys, other := make([]uint64, n), make([]uint64, n)
	counts := make([]int, passes*radix)
	for i, x := range values {
		k := sortKey(x)
		keys[i] = k
		for at := 0; at < len(counts); at += radix {
			counts[at+int(k&mask)]++
			k >>= digit
		}
	}
	for pass := range passes {
		count := counts[pass*radix:][:radix]
		shift := uint(pass) * digit
		if count[keys[0]>>shift&mask] == n {
			continue
		}
		at := 0
		for i, c := range count {
			count[i] = at
			at += c
		}
		for _, k := range keys {
			d := k >> (shift & 63) & mask
			other[count[d]] = k
			count[d]++
		}
		keys, other = other, keys
	}
	for i, k := range keys {
		values[i] = unsortKey(k)
	}
}
