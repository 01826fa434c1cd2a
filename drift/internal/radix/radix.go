// Package radix sorts numbers in time that grows with n instead of n log n.
package radix

import (
	"math"
	"slices"

	"golang.org/x/exp/constraints"
)

// few is the size from which a radix sort beats a comparison sort.
const few = 200

// Sort sorts the values in place, in ascending order. There must be no NaN. -0 equals 0.
func Sort[F constraints.Float](values []F) {
	if doubles, ok := any(values).([]float64); ok && len(doubles) >= few {
		sortKeys(doubles)
		return
	}
	slices.Sort(values)
}

// Key maps numbers to integers in the same order. The keys of -0 and 0 differ.
func Key(x float64) uint64 {
	b := math.Float64bits(x)
	return b ^ (uint64(int64(b)>>63) | 1<<63)
}

// Unkey is the inverse of Key.
func Unkey(k uint64) float64 {
	return math.Float64frombits(k ^ (^uint64(int64(k)>>63) | 1<<63))
}

// sortKeys sorts byte by byte, the lowest first, and skips a byte that is always the same.
func sortKeys(values []float64) {
	keys, other := make([]uint64, len(values)), make([]uint64, len(values))
	var counts [8][256]int
	for i, x := range values {
		k := Key(x)
		keys[i] = k
		for b := range counts {
			counts[b][byte(k>>(8*b))]++
		}
	}
	for b := range counts {
		next, shift := &counts[b], 8*b&63
		if next[byte(keys[0]>>shift)] == len(keys) {
			continue
		}
		at := 0
		for i, n := range next {
			next[i] = at
			at += n
		}
		for _, k := range keys {
			to := &next[byte(k>>shift)]
			other[*to] = k
			*to++
		}
		keys, other = other, keys
	}
	for i, k := range keys {
		values[i] = Unkey(k)
	}
}
