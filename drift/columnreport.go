package drift

import (
	"fmt"
	"slices"
)

// ColumnReport is the result for one column.
type ColumnReport struct {
	Name    string  `json:"name"`
	Kind    Kind    `json:"kind"`
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason"` // one sentence
	// Notes are sentences of the caller about the data of the column. Detect leaves Notes
	// empty; the caller fills in Notes before writing the report.
	Notes []string `json:"notes,omitempty"`
	// NeededRows is about how many current rows would decide an insufficient column.
	// NeededRows is 0 if the reference is too small for any number of current rows.
	NeededRows int `json:"needed_rows,omitempty"`
	// Detectable is the smallest observed D, or total variation, that is certain to be
	// significant at these numbers of rows, or 1 if no change is certain to be.
	Detectable float64 `json:"detectable"`
	// Tests holds the tests that were made, the test of the values first. A rate of 0 on both
	// sides is not tested.
	Tests []Test `json:"tests,omitempty"`
	// Reference and Current describe the two sides.
	Reference Side `json:"reference"`
	Current   Side `json:"current"`
	// Distances is nil if a side has no values.
	Distances *Distances `json:"distances,omitempty"`
	// Histogram is the picture of the distributions. It is empty if a side has no values.
	Histogram []Bin `json:"histogram,omitempty"`
}

// Test is one comparison of a column with its reference.
type Test struct {
	Name Method `json:"name"`
	// Statistic is D, X², or the difference of the rates, current minus reference.
	Statistic float64 `json:"statistic"`
	PValue    float64 `json:"p_value"`
	// AdjustedPValue is PValue after Bonferroni's correction over the tests of the column and
	// Config.Correction over the columns.
	AdjustedPValue float64 `json:"adjusted_p_value"`
	// Observed is the effect in the observed shares: D, the total variation, the distance
	// named by Name, or the absolute difference of the rates. Noise makes Observed larger; few
	// rows and many levels make more noise.
	//
	// EffectSize estimates the true effect and is compared with the floor. Without a change,
	// EffectSize is about 0 whatever the numbers of rows and levels. With many rows EffectSize
	// is close to Observed. With few rows EffectSize is more often too small than too large.
	// The total variation and the Wasserstein distance are cross-validated: one part of the
	// rows says which levels gained, the other part says how much, averaged over all
	// divisions. For a PSI, and for the squares of D and of the other distances, the mean
	// without any change is subtracted. A difference of rates is not corrected.
	EffectSize float64 `json:"effect_size"`
	Observed   float64 `json:"observed"`
	// CI is an interval of the true effect at the level 1-Config.Alpha, without correction for
	// the number of columns. CI contains EffectSize. Lo is 0 if the uncorrected PValue is
	// above Alpha. Hi is the largest float64 if levels are too rare to bound a PSI from above.
	// The comment of each [Method] says how its interval is computed. The interval of a rate
	// is Newcombe's (method 10).
	CI         CI      `json:"ci"`
	Floor      float64 `json:"floor"` // the smallest effect that is called drift
	NReference int     `json:"n_reference"`
	NCurrent   int     `json:"n_current"`
	// Drifted means EffectSize >= Floor and AdjustedPValue <= Config.Alpha.
	Drifted bool `json:"drifted"`
}

// Side describes a column on one side of the comparison.
type Side struct {
	Rows   int `json:"rows"`
	Values int `json:"values"` // rows that are not missing
	// MissingRate is a share of the rows. Other rates are shares of the values, or 0 if there
	// are none.
	MissingRate  float64 `json:"missing_rate"`
	InfiniteRate float64 `json:"infinite_rate"`
	// UnseenRate is the share of values that the reference does not have. On the side of the
	// reference, UnseenRate is the share of values whose level occurs once. This is the rate
	// to expect without any change (Good, 1953).
	UnseenRate float64 `json:"unseen_rate"`
	// OutOfRangeRate is the share of finite values outside the range of the reference.
	OutOfRangeRate float64  `json:"out_of_range_rate"`
	Numbers        *Numbers `json:"numbers,omitempty"` // nil without finite values
}

// Numbers summarises finite values. Min and Max are exact. Mean and Std come from values rounded
// to about 2^-47 of the spread of the reference. Quantiles are interpolated within their cells.
type Numbers struct {
	Mean float64 `json:"mean"`
	Std  float64 `json:"std"` // divisor n
	Min  float64 `json:"min"`
	P05  float64 `json:"p05"`
	P25  float64 `json:"p25"`
	P50  float64 `json:"p50"`
	P75  float64 `json:"p75"`
	P95  float64 `json:"p95"`
	Max  float64 `json:"max"`
}

// Distances holds further measures of the change. The verdict does not use them.
type Distances struct {
	// PSI and JensenShannon (base 2, a distance) compare the levels, or at most ten groups of
	// cells that hold about equal shares of the reference.
	PSI           float64 `json:"psi"`
	JensenShannon float64 `json:"jensen_shannon"`
	// Wasserstein1 is in the units of the column. Values are spread evenly within their cell.
	// Wasserstein1 is nil for a categorical column, or if a side has no finite values.
	Wasserstein1 *float64 `json:"wasserstein_1,omitempty"`
}

// Bin is one bar of the picture of a column.
type Bin struct {
	Label string `json:"label"`
	// A bin holds the values x with Lo < x <= Hi, or a single value if Lo equals Hi. A bound
	// that the bin does not have is nil. Both bounds are nil if the bin is no interval.
	Lo *float64 `json:"lo,omitempty"`
	Hi *float64 `json:"hi,omitempty"`
	// Levels is the number of levels that the bin sums up, or 0 if the bin sums up none.
	Levels int `json:"levels,omitempty"`
	// Reference and Current are shares of the values, and sum to 1 over the bins.
	Reference float64 `json:"reference"`
	Current   float64 `json:"current"`
}

// Method names a way to compare a column with its reference. [Methods] describes each Method.
type Method string

// Verdict is the judgement on a column or on the data set. The zero Verdict is Invalid.
type Verdict uint8

const (
	// Invalid means that a column cannot be judged, because neither side has values.
	Invalid Verdict = iota
	// Insufficient means too few rows to decide, see ColumnReport.NeededRows.
	Insufficient
	// Stable means no change that is both significant and large enough to matter, on enough
	// rows to find a change of [Config].Detectable in the values. Smaller changes of the
	// values and changes of the rates may have been missed. The reason says how large these
	// changes can be, from the intervals of the tests.
	Stable
	// Drifted means a change that is both significant and large enough to matter.
	Drifted
)

var verdictNames = [...]string{Invalid: "invalid", Insufficient: "insufficient", Stable: "stable", Drifted: "drifted"}

// String returns "invalid", "insufficient", "stable" or "drifted".
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return fmt.Sprintf("Verdict(%d)", v)
}

// MarshalText returns the name of the verdict; an unknown verdict is an error.
func (v Verdict) MarshalText() ([]byte, error) {
	if int(v) >= len(verdictNames) {
		return nil, fmt.Errorf("drift: unknown verdict %d", v)
	}
	return []byte(verdictNames[v]), nil
}

// UnmarshalText reads the output of [Verdict.MarshalText].
func (v *Verdict) UnmarshalText(text []byte) error {
	i := slices.Index(verdictNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("drift: unknown verdict %q, want one of %q", text, verdictNames)
	}
	*v = Verdict(i)
	return nil
}
