package twosample

import "slices"

// term returns the term of a statistic for a group of equal values. The group has a and b
// values in the two samples, and i and j values of the samples come before the group.
type term func(i, j, a, b int) float64

// regrouped returns the share of all regroupings of the values into samples of n and m values
// in which the sum of the terms is at least limit. groups holds the sizes of the groups of
// equal values, in ascending order of the values. ok is false beyond most moves.
//
// A regrouping is a walk over the groups. The walks from the lower end meet the walks from the
// upper end at some group. backward is the term for walks from the upper end, where i and j
// count the values above the group.
func regrouped(limit float64, n, m int, groups []int, forward, backward term, most int) (share float64, ok bool) {
	reversed := slices.Clone(groups)
	slices.Reverse(reversed)
	first, second := newWalks(n, m), newWalks(n, m)
	for len(first.groups)+len(second.groups) < len(groups) {
		if first.moves <= second.moves {
			first.extend(groups, most-second.moves)
		} else {
			second.extend(reversed, most-first.moves)
		}
		if first.moves > most-second.moves {
			return 0, false
		}
	}
	all, reached := 0.0, 0.0
	seconds := second.walk(backward)
	for i, walks := range first.walk(forward) {
		rest := seconds[n-i]
		total := 0.0
		for _, r := range rest {
			total += r.ways
		}
		next, above := len(rest), 0.0 // the rest that is large enough, from next on, and its ways
		for _, w := range walks {
			for next > 0 && w.sum+rest[next-1].sum >= limit {
				next--
				above += rest[next].ways
			}
			all += w.ways * total
			reached += w.ways * above
		}
	}
	return min(reached/all, 1), true
}

// walks holds the walks over the first groups that leave n and m values possible.
type walks struct {
	n, m   int
	groups []int
	below  int   // values in the groups
	counts []int // of walks, by their numbers of values in the first sample
	moves  int   // that walk makes at most
}

// walk is a sum of terms and the number of regroupings with that sum.
type walk struct{ sum, ways float64 }

func newWalks(n, m int) walks {
	w := walks{n: n, m: m, counts: make([]int, n+1)}
	w.counts[0] = 1
	return w
}

// extend adds the next of all groups, unless that takes more than most moves.
func (w *walks) extend(all []int, most int) {
	size := all[len(w.groups)]
	w.groups = all[:len(w.groups)+1]
	w.below += size
	before := w.counts
	w.counts = make([]int, w.n+1)
	for i, walks := range before {
		for k := max(i, w.below-w.m); walks > 0 && k <= min(i+size, w.n); k++ {
			w.counts[k] += walks
			if w.moves += w.counts[k]; w.moves > most {
				return
			}
		}
	}
}

// walk returns all walks by their number of values in the first sample, sorted by sum.
func (w *walks) walk(add term) [][]walk {
	ends := make([][]walk, w.n+1)
	ends[0] = []walk{{0, 1}}
	below := 0
	for _, size := range w.groups {
		before := ends
		ends = make([][]walk, w.n+1)
		for i, walks := range before {
			j := below - i
			chosen := 1.0 // ways to choose a of the group
			for a := 0; len(walks) > 0 && a <= min(size, w.n-i); a++ {
				if b := size - a; j+b <= w.m {
					ends[i+a] = merge(ends[i+a], walks, walk{add(i, j, a, b), chosen})
				}
				chosen = chosen * float64(size-a) / float64(a+1)
			}
		}
		below += size
	}
	return ends
}

// merge adds step to all of b and merges two sorted lists. Equal sums become one walk.
func merge(a, b []walk, step walk) []walk {
	merged := make([]walk, 0, len(a)+len(b))
	for _, w := range b {
		w = walk{w.sum + step.sum, w.ways * step.ways}
		for len(a) > 0 && a[0].sum < w.sum {
			merged = append(merged, a[0])
			a = a[1:]
		}
		if len(a) > 0 && a[0].sum == w.sum {
			w.ways += a[0].ways
			a = a[1:]
		}
		merged = append(merged, w)
	}
	return append(merged, a...)
}
