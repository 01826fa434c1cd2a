package multivariate

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sort"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/pairs"
)

// Config tunes [DomainClassifier] and [PCAReconstruction]. The zero Config is valid.
type Config struct {
	// Seed decides the order in which rows are taken. Equal seeds give equal results.
	Seed uint64
	// MaxRows bounds the rows of either side, which are drawn at random. Default 10000. Rows
	// times features is at most 2^22, which bounds the memory to some 200 MB. A numeric column
	// has up to two features, a categorical column up to 21. At most 1000 features are used.
	MaxRows int
	// Variance is the share of the variance that the principal components keep. Default 0.65.
	// Only PCAReconstruction uses Variance.
	Variance float64
}

// Contribution is the part of one column in a multivariate change.
type Contribution struct {
	Column string  `json:"column"`
	Share  float64 `json:"share"` // of the sum over all columns, 0 to 1
}

// Bounds of the multivariate methods.
const (
	minMultivariateRows = 40
	maxEncodedLevels    = 20  // of a categorical column
	maxFeatures         = 120 // up to which products of features are added
	// maxEncoded bounds the features, because time grows with the cube of their number.
	// maxEntries bounds the rows of a side times the features.
	maxEncoded = 1000
	maxEntries = 1 << 22
)

// frame holds the rows of both sides as vectors of features, in random order.
type frame struct {
	columns [2][]drift.Column // of either side, in the order of the reference
	rows    [2][]int          // the rows taken of either side
}

func newFrame(reference, current []drift.Column, cfg Config) (frame, Config, error) {
	if cfg.MaxRows == 0 {
		cfg.MaxRows = 10_000
	}
	if cfg.Variance == 0 {
		cfg.Variance = 0.65
	}
	matched, err := pairs.Match(reference, current)
	if cfg.MaxRows < minMultivariateRows {
		err = errors.Join(err, fmt.Errorf("multivariate: invalid Config: MaxRows is %d, want at least %d", cfg.MaxRows, minMultivariateRows))
	}
	if !(cfg.Variance > 0 && cfg.Variance < 1) {
		err = errors.Join(err, fmt.Errorf("multivariate: invalid Config: Variance is %v, want between 0 and 1", cfg.Variance))
	}
	if err != nil {
		return frame{}, cfg, err
	}
	if len(matched) > maxEncoded {
		return frame{}, cfg, &drift.InputError{Sample: "reference", Index: -1,
			What: fmt.Sprintf("has %d columns, want at most %d", len(matched), maxEncoded)}
	}
	var f frame
	for _, pair := range matched {
		f.columns[0] = append(f.columns[0], pair.Reference)
		f.columns[1] = append(f.columns[1], pair.Current)
	}
	most := max(min(cfg.MaxRows, maxEntries/f.featuresAtMost()), minMultivariateRows)
	rng := rand.New(rand.NewPCG(cfg.Seed, 0x6d756c7469))
	for side, columns := range [2][]drift.Column{reference, current} {
		n := columns[0].Len()
		if n < minMultivariateRows {
			return frame{}, cfg, &drift.InputError{Sample: [2]string{"reference", "current"}[side], Index: -1,
				What: fmt.Sprintf("has %d rows in %d columns, want at least %d", n, len(columns), minMultivariateRows)}
		}
		f.rows[side] = rng.Perm(n)[:min(n, most)]
	}
	return f, cfg, nil
}

// featuresAtMost returns an upper bound on the number of features, with products.
func (f *frame) featuresAtMost() int {
	n := 0
	for _, c := range f.columns[0] {
		if c.Kind() == drift.KindNumeric {
			n += 2
		} else {
			n += maxEncodedLevels + 1
		}
	}
	return min(max(n, maxFeatures), maxEncoded)
}

// feature is one number that describes each row.
type feature struct {
	columns [2]int // that it is of; the same twice unless it is a product
	values  [2][]float64
}

type candidate struct {
	column   int
	variance float64 // on the base, of an indicator; 1 of a normal score
	value    func(c drift.Column, row int) float64
}

// encode describes the rows by features: the normal score of a number among the numbers of the
// base, whether a value is missing, and the level of a category. base holds the numbers of
// first rows that form the base. If there are too many features, those that vary most are
// used. All features vary on the base and are standardised on it.
func (f *frame) encode(base [2]int) []feature {
	candidates := f.candidates(base)
	if len(candidates) > maxEncoded {
		slices.SortStableFunc(candidates, func(a, b candidate) int { return cmp.Compare(b.variance, a.variance) })
		candidates = candidates[:maxEncoded]
	}
	var features []feature
	for _, candidate := range candidates {
		x := feature{columns: [2]int{candidate.column, candidate.column}}
		for side := range f.rows {
			x.values[side] = make([]float64, len(f.rows[side]))
			c := f.columns[side][candidate.column]
			for i, row := range f.rows[side] {
				x.values[side][i] = candidate.value(c, row)
			}
		}
		if x.standardise(base) {
			features = append(features, x)
		}
	}
	return features
}

func (f *frame) candidates(base [2]int) []candidate {
	var list []candidate
	for i, c := range f.columns[0] {
		indicate := func(is func(c drift.Column, row int) bool) {
			share := f.share(i, base, is)
			value := func(c drift.Column, row int) float64 { return indicator(is(c, row)) }
			list = append(list, candidate{i, share * (1 - share), value})
		}
		if c.Kind() == drift.KindNumeric {
			score := f.normalScore(i, base)
			list = append(list, candidate{i, 1, func(c drift.Column, row int) float64 { return score(c.Numbers()[row]) }})
			indicate(func(c drift.Column, row int) bool { return math.IsNaN(c.Numbers()[row]) })
			continue
		}
		for _, level := range f.frequentLevels(i, base) {
			indicate(func(c drift.Column, row int) bool {
				name, present := c.Level(row)
				return present && name == level
			})
		}
		indicate(func(c drift.Column, row int) bool {
			_, present := c.Level(row)
			return !present
		})
	}
	return list
}

// share returns the share of the rows of the base for which is holds.
func (f *frame) share(column int, base [2]int, is func(c drift.Column, row int) bool) float64 {
	var so, all float64
	for side, n := range base {
		c := f.columns[side][column]
		for _, row := range f.rows[side][:n] {
			so += indicator(is(c, row))
			all++
		}
	}
	return so / all
}

func indicator(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// normalScore returns the function that maps a number to the normal quantile of its middle
// rank in the base, so units and outliers make no difference. A missing number maps to 0.
func (f *frame) normalScore(column int, base [2]int) func(float64) float64 {
	var sorted []float64
	for side, n := range base {
		numbers := f.columns[side][column].Numbers()
		for _, row := range f.rows[side][:n] {
			if !math.IsNaN(numbers[row]) {
				sorted = append(sorted, numbers[row])
			}
		}
	}
	slices.Sort(sorted)
	return func(x float64) float64 {
		if math.IsNaN(x) || len(sorted) == 0 {
			return 0
		}
		below := sort.SearchFloat64s(sorted, x)
		above := sort.Search(len(sorted), func(i int) bool { return sorted[i] > x })
		return distuv.UnitNormal.Quantile((float64(below+above)/2 + 0.5) / float64(len(sorted)+1))
	}
}

func (f *frame) frequentLevels(column int, base [2]int) []string {
	counts := make(map[string]int)
	for side, n := range base {
		c := f.columns[side][column]
		for _, row := range f.rows[side][:n] {
			if name, present := c.Level(row); present {
				counts[name]++
			}
		}
	}
	levels := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	return levels[:min(len(levels), maxEncodedLevels)]
}

// standardise reports whether the feature varies on the base, and standardises it there.
func (x *feature) standardise(base [2]int) bool {
	mean, std := stat.PopMeanStdDev(slices.Concat(x.values[0][:base[0]], x.values[1][:base[1]]), nil)
	if !(std > 1e-9) {
		return false
	}
	for side := range x.values {
		for i, v := range x.values[side] {
			x.values[side][i] = (v - mean) / std
		}
	}
	return true
}

// withProducts adds all products and squares of features, unless that is too many.
func withProducts(features []feature, base [2]int) []feature {
	n := len(features)
	if n+n*(n+1)/2 > maxFeatures {
		return features
	}
	for i := range n {
		for j := i; j < n; j++ {
			a, b := features[i], features[j]
			x := feature{columns: [2]int{a.columns[0], b.columns[0]}}
			for side := range a.values {
				x.values[side] = make([]float64, len(a.values[side]))
				for row := range x.values[side] {
					x.values[side][row] = a.values[side][row] * b.values[side][row]
				}
			}
			if x.standardise(base) {
				features = append(features, x)
			}
		}
	}
	return features
}

func matrix(features []feature, side, from, to int) *mat.Dense {
	m := mat.NewDense(to-from, len(features), nil)
	for j, x := range features {
		for i, v := range x.values[side][from:to] {
			m.Set(i, j, v)
		}
	}
	return m
}

// contributions ranks the columns by the shares of their parts. A negative part counts as 0.
func (f *frame) contributions(parts []float64) []Contribution {
	sum := 0.0
	for _, part := range parts {
		sum += max(part, 0)
	}
	list := make([]Contribution, len(parts))
	for i, part := range parts {
		list[i].Column = f.columns[0][i].Name()
		if sum > 0 {
			list[i].Share = max(part, 0) / sum
		}
	}
	slices.SortStableFunc(list, func(a, b Contribution) int { return cmp.Compare(b.Share, a.Share) })
	return list
}
