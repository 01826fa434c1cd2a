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
	radix     = 1 << digitBits
	digits    = 32 / digitBits // of half a key
	// few is below what the counting of digits costs.
	few = 200
	// fewer is how many items are sorted by insertion.
	fewer = 12
)

// Sort returns the items in the order of their keys, equal ones in their former order.
// It overwrites items, which may or may not hold the result.
func Sort[T any](items []Item[T]) []Item[T] {
	if len(items) < few {
		sortFew(items)
		return items
	}
	// The upper half of a key tells most numbers apart: the lower halves are then to be
	// sorted of few items each, or of those in order already because they are equal.
	items, buffer := sortHalf(items, make([]Item[T], len(items)), 32)
	for first := 0; first < len(items); {
		upper, ordered := items[first].Key>>32, true
		end := first + 1
		for ; end < len(items) && items[end].Key>>32 == upper; end++ {
			ordered = ordered && items[end-1].Key <= items[end].Key
		}
		if same := items[first:end]; !ordered {
			if len(same) < few {
				sortFew(same)
			} else if sorted, _ := sortHalf(same, buffer[first:end], 0); &sorted[0] != &same[0] {
				copy(same, sorted)
			}
		}
		first = end
	}
	return items
}

// sortHalf sorts by 32 bits of the keys, from the shift upwards. It returns where the items
// are now, and the other of both slices.
func sortHalf[T any](items, buffer []Item[T], shift int) (sorted, other []Item[T]) {
	var counts [digits][radix]int
	for i := range items {
		half := uint32(items[i].Key >> shift)
		for d := range counts {
			counts[d][half>>(digitBits*d)%radix]++
		}
	}
	for d := range counts {
		count, shift := &counts[d], shift+digitBits*d
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
	return items, buffer
}

// sortFew sorts items that are too few for their digits to be counted.
func sortFew[T any](items []Item[T]) {
	if len(items) > fewer {
		slices.SortStableFunc(items, func(a, b Item[T]) int { return cmp.Compare(a.Key, b.Key) })
		return
	}
	for i := 1; i < len(items); i++ {
		item, to := items[i], i
		for ; to > 0 && items[to-1].Key > item.Key; to-- {
			items[to] = items[to-1]
		}
		items[to] = item
	}
}
