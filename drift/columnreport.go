package drift

import (
	"fmt"
	"slices"
)

// ColumnReport is what is known of one column.
type ColumnReport struct {
	Name    string  `json:"name"`
	Kind    Kind    `json:"kind"`
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason"` // one sentence
	// Notes are sentences of the caller about the column's data, to fill in before the
	// report is written; Detect leaves them empty.
	Notes []string `json:"notes,omitempty"`
	// NeededRows, of an insufficient column, is about how many current rows would decide;
	// 0 if no number would, because the reference has too few.
	NeededRows int `json:"needed_rows,omitempty"`
	// Detectable is the smallest observed D, or total variation, that is certain to be
	// significant at these numbers of rows; 1 if no change is certain to be.
	Detectable float64 `json:"detectable"`
	// Tests are the tests that were made, the test of the values first. A rate that is 0 on
	// both sides is not tested.
	Tests []Test `json:"tests,omitempty"`
	// Reference and Current describe the two sides.
	Reference Side `json:"reference"`
	Current   Side `json:"current"`
	// Distances between the distributions; nil if a side has no values.
	Distances *Distances `json:"distances,omitempty"`
	// Histogram is the picture of the distributions; empty if a side has no values.
	Histogram []Bin `json:"histogram,omitempty"`
}

// Test is one comparison of a column with its reference.
type Test struct {
	Name Method `json:"name"`
	// Statistic is D, X², or the difference of the rates, current less reference.
	Statistic float64 `json:"statistic"`
	PValue    float64 `json:"p_value"`
	// AdjustedPValue is the p-value after Bonferroni's correction over the tests of the
	// column and Config.Correction over the columns.
	AdjustedPValue float64 `json:"adjusted_p_value"`
	// Observed is the effect in the observed shares: D, the total variation, the distance
	// that Name says, or the absolute difference of the rates. Noise makes Observed larger,
	// the more so the fewer the rows and the more the levels.
	//
	// EffectSize is an estimate of the true effect, and is compared with the floor. EffectSize
	// is about 0 if nothing changed, whatever the numbers of rows and levels. With many rows
	// EffectSize is about Observed, and with few rows rather too small than too large. The
	// total variation and the Wasserstein distance are cross-validated: one part of the rows
	// says which levels gained, the other how much, on average over all divisions. From a PSI,
	// and from the squares of D and of the other distances, the mean without any change is
	// subtracted. A difference of rates is taken as it is.
	EffectSize float64 `json:"effect_size"`
	Observed   float64 `json:"observed"`
	// CI is an interval of the true effect at the level 1-Config.Alpha, without correction
	// for the number of columns. CI contains EffectSize. Lo is 0 if PValue, without correction
	// too, is above Alpha. Hi is the largest float64 if levels are so rare that nothing bounds a
	// PSI from above.
	//
	// The comment of each [Method] says how its interval is computed. The interval of a rate is
	// Newcombe's (method 10).
	CI         CI      `json:"ci"`
	Floor      float64 `json:"floor"` // the smallest effect that is called drift
	NReference int     `json:"n_reference"`
	NCurrent   int     `json:"n_current"`
	// Drifted says that the effect is at least the floor and the adjusted p-value at most
	// Alpha.
	Drifted bool `json:"drifted"`
}

// Side describes a column on one side of the comparison.
type Side struct {
	Rows   int `json:"rows"`
	Values int `json:"values"` // rows that are not missing
	// MissingRate is a share of the rows; the other rates are shares of the values. A rate is
	// 0 if there are no rows or values.
	MissingRate  float64 `json:"missing_rate"`
	InfiniteRate float64 `json:"infinite_rate"`
	// UnseenRate is the share of values that the reference does not have. On the side of the
	// reference, UnseenRate is the share of values whose level occurs once. This is the rate to
	// expect without any change, because each of these values is unseen by the rest (Good,
	// 1953).
	UnseenRate float64 `json:"unseen_rate"`
	// OutOfRangeRate is the share of finite values below the smallest or above the
	// largest of the reference.
	OutOfRangeRate float64  `json:"out_of_range_rate"`
	Numbers        *Numbers `json:"numbers,omitempty"` // nil without finite values
}

// Numbers summarises finite values. Min and Max are exact. Mean and Std are computed from values
// that are rounded to a unit of about 2^-47 of the reference's spread. The quantiles are interpolated within cells, so they lie in
// the right cell.
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

// Distances are further measures of the same change, for comparison with other tools; the
// verdict does not use them.
type Distances struct {
	// PSI and JensenShannon (base 2, a distance) are taken on at most ten groups of cells
	// that hold about equally much of the reference, or on the levels.
	PSI           float64 `json:"psi"`
	JensenShannon float64 `json:"jensen_shannon"`
	// Wasserstein1 is in the units of the column, values being spread evenly within a
	// cell; nil if the column is not numeric or a side has no finite values.
	Wasserstein1 *float64 `json:"wasserstein_1,omitempty"`
}

// Bin is one bar of the picture of a column.
type Bin struct {
	Label string `json:"label"`
	// Lo and Hi bound the values x of the bin, Lo < x <= Hi, or are both the only value;
	// Lo or Hi is nil if the bin has no such bound, and both are nil if the bin is no interval.
	Lo *float64 `json:"lo,omitempty"`
	Hi *float64 `json:"hi,omitempty"`
	// Levels is the number of levels that the bin sums up; 0 if it is a single one, or
	// none.
	Levels int `json:"levels,omitempty"`
	// Reference and Current are shares of the values; they sum to 1 over the bins.
	Reference float64 `json:"reference"`
	Current   float64 `json:"current"`
}

// Method names a way to compare a column with its reference. What is known of each is
// listed by [Methods].
type Method string

// Verdict is what a [Report] says of a column or of the data set. The zero Verdict is
// Invalid.
type Verdict uint8

// The verdicts.
const (
	// Invalid columns cannot be judged: neither side has values.
	Invalid Verdict = iota
	// Insufficient is too few rows to tell: see the rows needed.
	Insufficient
	// Stable is no change that is both significant and large enough to matter, on enough
	// rows to find one of [Config].Detectable in the values. Smaller ones, also those between
	// the floor and Detectable, and changes of the rates, may have been missed: the reason
	// says how large they can be, from the intervals of the tests.
	Stable
	// Drifted is a change that is both significant and large enough to matter.
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

// UnmarshalText reads what [Verdict.MarshalText] wrote.
func (v *Verdict) UnmarshalText(text []byte) error {
	i := slices.Index(verdictNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("drift: unknown verdict %q, want one of %q", text, verdictNames)
	}
	*v = Verdict(i)
	return nil
}
