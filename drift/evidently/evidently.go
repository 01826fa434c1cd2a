package evidently

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/counting"
	"github.com/selfheal-ml/selfheal/drift/internal/nulldist"
	"github.com/selfheal-ml/selfheal/drift/internal/pairs"
	"github.com/selfheal-ml/selfheal/drift/twosample"
)

// Config tunes [Preset]. The zero Config is valid.
type Config struct {
	// DriftShare is the share of drifted columns from which the data set is drifted. Default 0.5.
	DriftShare float64
}

// Report is the result of [Preset].
type Report struct {
	// Drifted means that Share is at least DriftShare.
	Drifted    bool    `json:"drifted"`
	Share      float64 `json:"share"` // of drifted columns among those with a score
	DriftShare float64 `json:"drift_share"`
	// Columns are in the order of the reference.
	Columns []ColumnReport `json:"columns"`
}

// ColumnReport is the result of [Preset] for one column.
type ColumnReport struct {
	Name   string `json:"name"`
	Method Method `json:"method"`
	// Score is a p-value or a distance, depending on Method, or 0 for the Reason given.
	Score     float64 `json:"score"`
	Threshold float64 `json:"threshold"`
	Drifted   bool    `json:"drifted"`
	Reason    string  `json:"reason,omitempty"`
}

// Method is the name of a method in Evidently.
type Method string

// Evidently's methods. The first three give a p-value, and a p-value below 0.05 is drift (for
// MethodKS also 0.05). The others give a distance, and 0.1 or more is drift.
const (
	MethodKS            Method = "ks"            // two-sided Kolmogorov-Smirnov
	MethodChiSquare     Method = "chisquare"     // goodness of fit to the reference's shares
	MethodZ             Method = "z"             // two proportions, pooled
	MethodWasserstein   Method = "wasserstein"   // in standard deviations of the reference, at least 0.001
	MethodJensenShannon Method = "jensenshannon" // a distance, natural logarithm
)

// Preset compares raw columns as the DataDriftPreset of Evidently 0.7 does by default, for hosts
// that migrate and want to compare old and new numbers. Otherwise use a [drift.Detector].
//
// Missing and infinite values are dropped. The numbers of reference values and of distinct
// values on both sides decide the method:
//
//	                    up to 1000 values    more
//	numbers, above 5    ks                   wasserstein
//	numbers, 3 to 5     chisquare            jensenshannon
//	numbers, 1 or 2     z                    jensenshannon
//	categories, above 2 chisquare            jensenshannon
//	categories, 1 or 2  z                    jensenshannon
//
// These are known faults of that procedure, kept on purpose:
//
//   - The meaning of a score flips from p-value to distance at 1000 reference values, and
//     the size of the current sample plays no part: at 50 current rows 97 % of all columns
//     without any change have a wasserstein score of 0.1 or more.
//   - chisquare ignores that the reference is a sample: at 500 against 500 rows it calls 29 %
//     of all columns without any change drifted, at 100 against 1000 rows 86 %. One value that
//     is unseen in the reference makes its p-value 0.
//   - jensenshannon calls any sample of 100 rows of 30 equally frequent categories drifted.
//   - A change of the rate of missing or infinite values is not seen.
//   - The p-value of ks is that of [drift.KolmogorovSmirnov]. Evidently's is SciPy's, an
//     approximation above 10,000 current values; the third digit may differ.
//   - Nothing is corrected for the number of columns, and ks calls the smallest change
//     drift on large samples.
//
// Evidently fails on a column without a value on one side. Here such a column has a Reason and is
// not counted. Columns are matched by name. Types are not guessed, and text, dates and lists are
// not compared. All mistakes are joined: those of [drift.CheckColumns] in the columns, and a
// DriftShare outside (0, 1].
func Preset(reference, current []drift.Column, cfg Config) (Report, error) {
	if cfg.DriftShare == 0 {
		cfg.DriftShare = 0.5
	}
	report := Report{DriftShare: cfg.DriftShare, Columns: []ColumnReport{}}
	matched, err := pairs.Match(reference, current)
	if !(cfg.DriftShare > 0 && cfg.DriftShare <= 1) {
		err = errors.Join(err, fmt.Errorf("evidently: invalid Config: DriftShare is %v, want above 0 and at most 1", cfg.DriftShare))
	}
	if err != nil {
		return Report{}, err
	}
	scored, drifted := 0, 0
	for _, pair := range matched {
		c, err := compare(pair)
		if err != nil {
			return Report{}, fmt.Errorf("evidently: column %q: %w", pair.Reference.Name(), err)
		}
		report.Columns = append(report.Columns, c)
		if c.Reason == "" {
			scored++
		}
		if c.Drifted {
			drifted++
		}
	}
	if scored > 0 {
		report.Share = float64(drifted) / float64(scored)
		report.Drifted = report.Share >= cfg.DriftShare
	}
	return report, nil
}

func compare(p pairs.Pair) (ColumnReport, error) {
	const few, small = 5, 1000
	c := ColumnReport{Name: p.Reference.Name()}
	numeric := p.Reference.Kind() == drift.KindNumeric
	var r, k []float64
	var t table
	if numeric {
		r, k = finite(p.Reference.Numbers()), finite(p.Current.Numbers())
		t = tabulate(frequencies(r), frequencies(k))
	} else {
		t = tabulate(levels(p.Reference), levels(p.Current))
	}
	if t.n == 0 || t.m == 0 {
		c.Reason = fmt.Sprintf("There are %v values in the reference and %v now.", t.n, t.m)
		return c, nil
	}
	var result drift.Result
	var err error
	switch distinct := len(t.reference); {
	case t.n > small && numeric && distinct > few:
		moments := counting.MomentsOf(r)
		result, err = drift.Wasserstein1(r, k)
		c.Method, c.Score = MethodWasserstein, min(result.Statistic/max(moments.Std(), 0.001), math.MaxFloat64)
	case t.n > small:
		result, err = drift.JensenShannon(t.reference, t.current)
		c.Method, c.Score = MethodJensenShannon, result.Statistic*math.Sqrt(math.Ln2) // from base 2 to base e
	case numeric && distinct > few:
		result, err = drift.KolmogorovSmirnov(r, k)
		c.Method, c.Score = MethodKS, result.PValue
	case distinct > 2:
		c.Method, c.Score = MethodChiSquare, t.goodnessOfFit()
	default:
		result, err = t.twoProportions()
		c.Method, c.Score = MethodZ, result.PValue
	}
	c.Threshold = 0.05
	switch c.Method {
	case MethodWasserstein, MethodJensenShannon:
		c.Threshold = 0.1
		c.Drifted = c.Score >= c.Threshold
	case MethodKS:
		c.Drifted = c.Score <= c.Threshold
	default:
		c.Drifted = c.Score < c.Threshold
	}
	return c, err
}

func finite(values []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(values), func(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) })
}

func frequencies(values []float64) map[float64]int {
	counts := make(map[float64]int)
	for _, v := range values {
		counts[v]++
	}
	return counts
}

func levels(c drift.Column) map[string]int {
	counts := make(map[string]int)
	for row := range c.Len() {
		if name, present := c.Level(row); present {
			counts[name]++
		}
	}
	return counts
}

// table holds the counts of every value of either side.
type table struct {
	reference, current []float64
	n, m               float64 // sums
}

// tabulate counts every value of either side, in the order of the values.
func tabulate[K float64 | string](reference, current map[K]int) table {
	all := maps.Clone(reference)
	for v := range current {
		all[v] = reference[v]
	}
	var t table
	for _, v := range slices.Sorted(maps.Keys(all)) {
		r, c := float64(reference[v]), float64(current[v])
		t.reference, t.current = append(t.reference, r), append(t.current, c)
		t.n, t.m = t.n+r, t.m+c
	}
	return t
}

// goodnessOfFit returns the p-value of the current counts, given the shares of the reference.
func (t table) goodnessOfFit() float64 {
	x2 := 0.0
	for i, r := range t.reference {
		expected := r * t.m / t.n
		if expected == 0 {
			return 0
		}
		d := t.current[i] - expected
		x2 += d * d / expected
	}
	return nulldist.ChiSquare(x2, len(t.reference)-1)
}

// twoProportions tests the share of the second of two values.
func (t table) twoProportions() (drift.Result, error) {
	var r, c [2]int
	for i := range t.reference {
		r[i], c[i] = int(t.reference[i]), int(t.current[i])
	}
	return twosample.TwoProportionZ(r, c)
}
