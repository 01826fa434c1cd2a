package drift

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// EvidentlyConfig tunes [EvidentlyPreset]. The zero EvidentlyConfig is valid.
type EvidentlyConfig struct {
	// DriftShare is the share of drifted columns from which the data set is called
	// drifted. Default 0.5.
	DriftShare float64
}

// EvidentlyReport is what [EvidentlyPreset] says.
type EvidentlyReport struct {
	// Drifted says that Share is at least DriftShare.
	Drifted    bool    `json:"drifted"`
	Share      float64 `json:"share"` // of drifted columns among those with a score
	DriftShare float64 `json:"drift_share"`
	// Columns are in the order of the reference.
	Columns []EvidentlyColumn `json:"columns"`
}

// EvidentlyColumn is what [EvidentlyPreset] says of one column.
type EvidentlyColumn struct {
	Name   string          `json:"name"`
	Method EvidentlyMethod `json:"method"`
	// Score is a p-value or a distance, depending on Method; 0 if Reason says why there
	// is none.
	Score     float64 `json:"score"`
	Threshold float64 `json:"threshold"`
	Drifted   bool    `json:"drifted"`
	Reason    string  `json:"reason,omitempty"`
}

// EvidentlyMethod is a method by the name that Evidently gives it.
type EvidentlyMethod string

// The methods that Evidently chooses from for numbers and categories. The first three give
// a p-value and call one below 0.05 drift (of the first, 0.05 too), the others a distance
// and call 0.1 or more drift.
const (
	EvidentlyKS            EvidentlyMethod = "ks"            // two-sided Kolmogorov-Smirnov
	EvidentlyChiSquare     EvidentlyMethod = "chisquare"     // goodness of fit to the reference's shares
	EvidentlyZ             EvidentlyMethod = "z"             // two proportions, pooled
	EvidentlyWasserstein   EvidentlyMethod = "wasserstein"   // in standard deviations of the reference, at least 0.001
	EvidentlyJensenShannon EvidentlyMethod = "jensenshannon" // a distance, natural logarithm
)

// EvidentlyPreset compares raw columns as the DataDriftPreset of Evidently 0.7 does by
// default, for those who migrate and want to see their old numbers beside the new. For
// anything else use a [Detector].
//
// Missing and infinite values are dropped. Then, by the number of reference values and of
// distinct values on both sides:
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
//   - chisquare takes the reference's shares for the truth, not for a sample: at 500 against
//     500 rows it calls 29 % of all columns without any change drifted, at 100 against 1000
//     86 %. One value that is unseen in the reference makes its p-value 0.
//   - jensenshannon calls any sample of 100 rows of 30 equally frequent categories drifted.
//   - A change of the rate of missing or infinite values is not seen.
//   - The p-value of ks is exact where [KolmogorovSmirnov]'s is. Evidently has SciPy's, which
//     above 10,000 current values is an approximation; the third digit may differ.
//   - Nothing is corrected for the number of columns, and ks calls the smallest change
//     drift on large samples.
//
// Where Evidently fails on a column without a value on one side, that column has a Reason
// here and is not counted. Columns are matched by name; types are not guessed, and text,
// dates and lists are not compared. Every mistake in the columns, as in [Profile.Add], and
// a DriftShare outside (0, 1] is reported, joined.
func EvidentlyPreset(reference, current []Column, cfg EvidentlyConfig) (EvidentlyReport, error) {
	if cfg.DriftShare == 0 {
		cfg.DriftShare = 0.5
	}
	report := EvidentlyReport{DriftShare: cfg.DriftShare, Columns: []EvidentlyColumn{}}
	pairs, err := pairColumns(reference, current)
	if !(cfg.DriftShare > 0 && cfg.DriftShare <= 1) {
		err = errors.Join(err, fmt.Errorf("drift: invalid EvidentlyConfig: DriftShare is %v, want above 0 and at most 1", cfg.DriftShare))
	}
	if err != nil {
		return EvidentlyReport{}, err
	}
	scored, drifted := 0, 0
	for _, pair := range pairs {
		c := pair.evidently()
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

// columnPair is a column on both sides.
type columnPair struct{ reference, current Column }

// pairColumns matches the columns by name, in the order of the reference. Every mistake is
// reported, joined.
func pairColumns(reference, current []Column) ([]columnPair, error) {
	_, errs := checkColumns(reference)
	_, currentErrs := checkColumns(current)
	errs = append(errs, currentErrs...)
	if len(reference) == 0 {
		errs = append(errs, &InputError{Sample: "reference", Index: -1, What: "has no columns"})
	}
	byName := make(map[string]Column, len(current))
	for _, c := range current {
		byName[c.name] = c
	}
	var pairs []columnPair
	for _, r := range reference {
		c, given := byName[r.name]
		switch {
		case !given:
			errs = append(errs, &InputError{Sample: fmt.Sprintf("column %q", r.name), Index: -1,
				What: fmt.Sprintf("is missing; the reference has %q, current has %q", names(reference), names(current))})
		case r.kind != c.kind:
			errs = append(errs, &InputError{Sample: fmt.Sprintf("column %q", r.name), Index: -1,
				What: fmt.Sprintf("is %v, want %v as in the reference", c.kind, r.kind)})
		}
		pairs = append(pairs, columnPair{r, c})
	}
	return pairs, errors.Join(errs...)
}

func (p columnPair) evidently() EvidentlyColumn {
	const few, small = 5, 1000
	c := EvidentlyColumn{Name: p.reference.name}
	var n, m int
	var table countPair
	var r, k []float64
	if p.reference.kind == KindNumeric {
		r, k = finite(p.reference.numbers), finite(p.current.numbers)
		n, m = len(r), len(k)
		table = tabulate(frequencies(r), frequencies(k))
	} else {
		reference, current := p.reference.frequencies(), p.current.frequencies()
		table = tabulate(reference, current)
		n, m = int(table.n), int(table.m)
	}
	if n == 0 || m == 0 {
		c.Reason = fmt.Sprintf("There are %d values in the reference and %d now.", n, m)
		return c
	}
	distinct := len(table.r)
	switch numeric := p.reference.kind == KindNumeric; {
	case n > small && numeric && distinct > few:
		c.Method, c.Threshold = EvidentlyWasserstein, 0.1
		var moments moments
		for _, x := range r {
			moments.add(x)
		}
		c.Score = min(wasserstein1(r, k)/max(moments.std(), 0.001), math.MaxFloat64)
		c.Drifted = c.Score >= c.Threshold
	case n > small:
		c.Method, c.Threshold = EvidentlyJensenShannon, 0.1
		c.Score = table.jensenShannon() * math.Sqrt(math.Ln2) // from base 2 to base e
		c.Drifted = c.Score >= c.Threshold
	case numeric && distinct > few:
		c.Method, c.Threshold = EvidentlyKS, 0.05
		c.Score = ksSamplePValue(ksDistance(r, k), n, m)
		c.Drifted = c.Score <= c.Threshold
	case distinct > 2:
		c.Method, c.Threshold = EvidentlyChiSquare, 0.05
		c.Score = table.goodnessOfFit()
		c.Drifted = c.Score < c.Threshold
	default:
		c.Method, c.Threshold = EvidentlyZ, 0.05
		c.Score = table.twoProportions()
		c.Drifted = c.Score < c.Threshold
	}
	return c
}

// finite returns the finite values, sorted.
func finite(values []float64) []float64 {
	var kept []float64
	for _, x := range values {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			kept = append(kept, x)
		}
	}
	slices.Sort(kept)
	return kept
}

func frequencies[K comparable](values []K) map[K]int {
	counts := make(map[K]int)
	for _, v := range values {
		counts[v]++
	}
	return counts
}

// frequencies returns how often each level occurs.
func (c Column) frequencies() map[string]int {
	if !c.coded() {
		return frequencies(c.texts)
	}
	counts := make(map[string]int)
	for _, code := range c.codes {
		if code >= 0 {
			counts[c.levels[code]]++
		}
	}
	return counts
}

// tabulate returns the counts of every value of either side, in the order of the values.
func tabulate[K float64 | string](reference, current map[K]int) countPair {
	all := maps.Clone(reference)
	for v := range current {
		all[v] = reference[v]
	}
	var r, c []int
	for _, v := range slices.Sorted(maps.Keys(all)) {
		r, c = append(r, reference[v]), append(c, current[v])
	}
	return pairCounts(r, c)
}

// goodnessOfFit is the p-value of the current counts if the reference's shares were the
// truth.
func (p countPair) goodnessOfFit() float64 {
	x2 := 0.0
	for i := range p.r {
		expected := p.r[i] * p.m / p.n
		if expected == 0 {
			return 0
		}
		x2 += (p.c[i] - expected) * (p.c[i] - expected) / expected
	}
	return chiSquareSurvival(x2, len(p.r)-1)
}

// twoProportions is the p-value of the pooled z-test on the share of all but the first of
// at most two cells.
func (p countPair) twoProportions() float64 {
	if len(p.r) < 2 {
		return 1
	}
	a, b := p.r[1]/p.n, p.c[1]/p.m
	pooled := (p.r[1] + p.c[1]) / (p.n + p.m)
	z := (a - b) / math.Sqrt(pooled*(1-pooled)*(1/p.n+1/p.m))
	return normalTwoSided(z)
}
