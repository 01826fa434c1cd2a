// Package radix sorts by floating-point keys in time that grows with n, not n log n.
package radix

import (
	"cmp"
	"math"
	"slices"
)

// Item is a value and the key that it is sorted by. Of an empty T it takes 8 bytes.
type Item[T any] struct {
	Value T
	Key   uint64
}

// Descending maps a number that is not NaN to a key that is the smaller the higher the
// number. -0 and 0 have the same key.
func Descending(x float64) uint64 {
	bits := math.Float64bits(x + 0) // -0 + 0 is 0
	if bits>>63 == 0 {
		return ^bits &^ (1 << 63)
	}
	return bits
}

const (
	digitBits = 8 // more would scatter the writes too far apart for the caches
	digits    = 64 / digitBits
	radix     = 1 << digitBits
	// few is below what the counting of digits costs.
	few = 200
)

// Sort returns the items in the order of their keys, equal ones in their former order.
// It overwrites items, which may or may not hold the result.
func Sort[T any](items []Item[T]) []Item[T] {
	if len(items) < few {
		slices.SortStableFunc(items, func(a, b Item[T]) int { return cmp.Compare(a.Key, b.Key) })
		return items
	}
	var counts [digits][radix]int
	for i := range items {
		key := items[i].Key
		for d := range counts {
			counts[d][key>>(digitBits*d)%radix]++
		}
	}
	buffer := make([]Item[T], len(items))
	for d := range counts {
		count, shift := &counts[d], digitBits*d
		if count[items[0].Key>>shift%radix] == len(items) {
			continue // all items share this digit
		}
		next := 0
		for v, c := range count {
			count[v] = next
			next += c
		}
		for i := range items {
			v := items[i].Key >> shift % radix
			buffer[count[v]] = items[i]
			count[v]++
		}
		items, buffer = buffer, items
	}
	return items
}
