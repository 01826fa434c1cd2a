package multivariate

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/floats"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/counting"
	"github.com/selfheal-ml/selfheal/drift/internal/samples"
)

// MMDConfig tunes [MMD]. The zero MMDConfig is valid.
type MMDConfig struct {
	// Width is σ of the kernel exp(-|x-y|²/(2σ²)), in units of the values. The default is the
	// median distance between two rows of both samples together, or the mean distance if the
	// median is 0, estimated from at most 500 random rows.
	Width float64
	// Permutations is B, the number of random regroupings. Default 999, so that the smallest
	// p-value is 0.001.
	Permutations int
	// Features, if above 0, replaces the kernel by that many random Fourier features. Time and
	// memory are then linear in the number of rows. The p-value stays valid. More
	// features bring the test closer to the kernel; 100 are a good start.
	Features int
	// Seed makes the result repeatable: equal input and MMDConfig give an equal Result.
	Seed uint64
}

const (
	defaultPermutations = 999
	// mmdWidthRows bounds the cost of the median distance.
	mmdWidthRows = 500
	// mmdRounding is far above the rounding errors of the estimate, which is of order 1, and
	// far below any meaningful difference. Regroupings that differ by less are tied.
	mmdRounding = 1e-12
)

func (c MMDConfig) validate() error {
	var errs []error
	violated := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !(c.Width >= 0) || math.IsInf(c.Width, 1) {
		violated("Width is %v, want a finite number of at least 0", c.Width)
	}
	if c.Permutations < 0 {
		violated("Permutations is %d, want at least 0", c.Permutations)
	}
	if c.Features < 0 {
		violated("Features is %d, want at least 0", c.Features)
	}
	return errors.Join(errs...)
}

// MMD compares two samples of rows by the maximum mean discrepancy with a Gaussian (RBF)
// kernel and a permutation test (Gretton and others, "A kernel two-sample test", 2012). The
// test sees any difference between the joint distributions, also a difference that leaves
// every single column as it was. Columns whose numbers vary more have more weight, so bring
// the columns to similar units first.
//
// Statistic is the unbiased estimate of MMD² (equation 3). It is at most 2 and, by chance, can
// be below 0. PValue is (k+1)/(B+1), where k of B random regroupings of the rows have a
// statistic at least as large. PValue is valid at any sample size, never 0, and does not rely
// on a limit. EffectSize is sqrt(MMD²/2), or 0 for an estimate below 0, and at most 1.
//
// With n and m rows of d columns, time grows as (n+m)² (d + B/4) and memory as (n+m) (d +
// B/64): a second for 2000 rows and the default B. MMDConfig.Features makes time and memory
// linear in n+m. The kernel, and so Statistic, is then that of random Fourier features (Rahimi
// and Recht, "Random features for large-scale kernel machines", 2007). That kernel can be below
// 0, so Statistic is at most 4 then.
//
// Equal constant samples give 0 and a p-value of 1. Fewer than two rows, rows of different
// lengths, rows without columns, a NaN or an infinity are an [*drift.InputError] whose Index
// is the index of the row. An invalid MMDConfig is an error that names each field.
func MMD(reference, current [][]float64, cfg MMDConfig) (drift.Result, error) {
	if cfg.Permutations == 0 {
		cfg.Permutations = defaultPermutations
	}
	if err := cfg.validate(); err != nil {
		return drift.Result{}, fmt.Errorf("multivariate: invalid MMDConfig: %w", err)
	}
	points, err := newPointSet(reference, current)
	if err != nil {
		return drift.Result{}, err
	}
	rng := rand.New(rand.NewPCG(cfg.Seed, 0))
	if cfg.Width == 0 {
		cfg.Width = points.typicalDistance(rng)
	}
	result := drift.Result{PValue: 1, NReference: len(reference), NCurrent: len(current)}
	if cfg.Width == 0 { // all rows are equal
		return result, nil
	}
	points.divide(cfg.Width)
	groups := newGroups(len(reference), len(current), cfg.Permutations, rng)
	sums := mmdSums{within: make([]float64, groups.ways), rows: make([]float64, groups.ways)}
	if cfg.Features == 0 {
		sums.addKernel(points, groups)
	} else {
		sums.addFeatures(points, groups, cfg.Features, rng)
	}
	estimates := groups.estimates(&sums)
	result.Statistic = estimates[0]
	result.EffectSize = math.Sqrt(min(max(estimates[0], 0)/2, 1)) // of random features it may be more
	asLarge := 0
	for _, e := range estimates[1:] {
		if e >= estimates[0]-mmdRounding {
			asLarge++
		}
	}
	result.PValue = float64(asLarge+1) / float64(cfg.Permutations+1)
	return result, nil
}

// pointSet holds the rows of both samples, the reference rows first.
type pointSet struct {
	values        []float64 // row after row
	rows, columns int
}

func newPointSet(reference, current [][]float64) (*pointSet, error) {
	if fault := samples.Sizes(len(reference), len(current), 2); fault != nil {
		return nil, (*drift.InputError)(fault)
	}
	p := &pointSet{rows: len(reference) + len(current), columns: len(reference[0])}
	if p.columns == 0 {
		return nil, &drift.InputError{Sample: "reference", Index: 0, What: "has no columns, want at least one"}
	}
	err := p.add("reference", reference)
	if err == nil {
		err = p.add("current", current)
	}
	return p, err
}

func (p *pointSet) add(name string, rows [][]float64) error {
	for i, row := range rows {
		if len(row) != p.columns {
			return &drift.InputError{Sample: name, Index: i, What: fmt.Sprintf("has %d columns, want %d as in the first row of reference", len(row), p.columns)}
		}
		for column, x := range row {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return &drift.InputError{Sample: name, Index: i, What: fmt.Sprintf("column %d is %v, want a finite number", column, x)}
			}
		}
		p.values = append(p.values, row...)
	}
	return nil
}

func (p *pointSet) row(i int) []float64 { return p.values[i*p.columns : (i+1)*p.columns] }

// divide brings the values to units of width, cut to the range of float64.
func (p *pointSet) divide(width float64) {
	for i, x := range p.values {
		p.values[i] = min(max(x/width, -math.MaxFloat64), math.MaxFloat64)
	}
}

// typicalDistance returns the median of the distances between rows, or the mean if the median
// is 0. The rows are chosen regardless of their sample, so the width does not depend on the
// grouping and the permutation test stays exact.
func (p *pointSet) typicalDistance(rng *rand.Rand) float64 {
	chosen := rng.Perm(p.rows)
	chosen = chosen[:min(p.rows, mmdWidthRows)]
	distances := make([]float64, 0, len(chosen)*(len(chosen)-1)/2)
	for i, a := range chosen {
		for _, b := range chosen[:i] {
			distances = append(distances, distance(p.row(a), p.row(b)))
		}
	}
	slices.Sort(distances)
	if median := counting.QuantileOf(distances, 0.5); median > 0 {
		return median
	}
	mean := 0.0
	for _, d := range distances {
		mean += d / float64(len(distances))
	}
	return min(mean, math.MaxFloat64)
}

// distance is the Euclidean distance, at most the largest float64.
func distance(a, b []float64) float64 { return min(floats.Distance(a, b, 2), math.MaxFloat64) }

// groups holds ways to divide the rows into two samples of the given sizes, the observed way
// first. Only the rows of the smaller sample are noted.
type groups struct {
	first, second int // sizes of the noted sample and of the other
	ways          int
	words         int
	members       []uint64 // for each row, a bit for each way in which it is noted
}

func newGroups(n, m, permutations int, rng *rand.Rand) *groups {
	g := &groups{first: min(n, m), second: max(n, m), ways: permutations + 1}
	g.words = (g.ways + 63) / 64
	g.members = make([]uint64, (n+m)*g.words)
	order := make([]int, n+m)
	for i := range order {
		order[i] = i
	}
	if m < n {
		slices.Reverse(order)
	}
	for way := range g.ways {
		for i := range g.first {
			if way > 0 {
				j := i + rng.IntN(len(order)-i)
				order[i], order[j] = order[j], order[i]
			}
			g.of(order[i])[way/64] |= 1 << (way % 64)
		}
	}
	return g
}

// of returns the bit set of the ways in which a row is noted.
func (g *groups) of(row int) []uint64 { return g.members[row*g.words : (row+1)*g.words] }

// mmdSums holds sums of the kernel over pairs of different rows.
type mmdSums struct {
	within []float64 // for each way, over the pairs inside the noted sample
	rows   []float64 // for each way, over all pairs with a row of the noted sample, its own twice
	total  float64   // over all pairs
}

func (g *groups) estimates(s *mmdSums) []float64 {
	n, m := float64(g.first), float64(g.second)
	estimates := make([]float64, g.ways)
	for way := range estimates {
		first := s.within[way]
		across := s.rows[way] - 2*first
		second := s.total - first - across
		estimates[way] = 2*first/(n*(n-1)) + 2*second/(m*(m-1)) - 2*across/(n*m)
	}
	return estimates
}

// addTo adds x to the sum of each way whose bit is set in both a and b.
func addTo(sums []float64, a, b []uint64, x float64) {
	for word, both := range a {
		for both &= b[word]; both != 0; both &= both - 1 {
			sums[word*64+bits.TrailingZeros64(both)] += x
		}
	}
}

// addKernel visits each pair of rows once and adds its kernel to all ways at the same time.
func (s *mmdSums) addKernel(p *pointSet, g *groups) {
	rowSums := make([]float64, p.rows)
	for i := range p.rows {
		a, inA := p.row(i), g.of(i)
		for j := range i {
			squared := 0.0
			for column, y := range p.row(j) {
				d := a[column] - y
				squared += d * d
			}
			k := math.Exp(-squared / 2)
			rowSums[i] += k
			rowSums[j] += k
			addTo(s.within, inA, g.of(j), k)
		}
	}
	for i, sum := range rowSums {
		s.total += sum / 2
		addTo(s.rows, g.of(i), g.of(i), sum)
	}
}

// addFeatures adds the kernel that is the mean of cos(w·(x-y)) over random w. The sum over all
// pairs of a sample is then the squared length of the sum of the features of its rows, minus
// the share of each row with itself.
func (s *mmdSums) addFeatures(p *pointSet, g *groups, features int, rng *rand.Rand) {
	n := float64(g.first)
	for way := range g.ways {
		s.within[way], s.rows[way] = -n/2, -n
	}
	s.total = -float64(p.rows) / 2
	weight := 1 / float64(features)
	frequency := make([]float64, p.columns)
	cosines, sines := make([]float64, g.ways), make([]float64, g.ways)
	for range features {
		for column := range frequency {
			frequency[column] = rng.NormFloat64()
		}
		clear(cosines)
		clear(sines)
		var allCos, allSin float64
		for i := range p.rows {
			sin, cos := math.Sincos(dot(frequency, p.row(i)))
			allCos += cos
			allSin += sin
			addTo(cosines, g.of(i), g.of(i), cos)
			addTo(sines, g.of(i), g.of(i), sin)
		}
		for way, cos := range cosines {
			sin := sines[way]
			s.within[way] += weight * (cos*cos + sin*sin) / 2
			s.rows[way] += weight * (cos*allCos + sin*allSin)
		}
		s.total += weight * (allCos*allCos + allSin*allSin) / 2
	}
}

// dot returns the product of two vectors, kept finite so that its sine exists.
func dot(a, b []float64) float64 {
	sum := floats.Dot(a, b)
	if math.IsNaN(sum) {
		return math.MaxFloat64
	}
	return min(max(sum, -math.MaxFloat64), math.MaxFloat64)
}
