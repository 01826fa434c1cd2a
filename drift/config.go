package drift

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Correction is how the p-values of all columns are adjusted for their number.
type Correction string

// The corrections.
const (
	// BenjaminiHochberg bounds the expected share of false alarms among the alarms by
	// Alpha, and the chance of any alarm by Alpha if nothing drifted (Benjamini and
	// Hochberg, "Controlling the false discovery rate", 1995). It is the default.
	BenjaminiHochberg Correction = "bh"
	// NoCorrection tests every column at Alpha, so that the more columns there are, the
	// likelier is a false alarm.
	NoCorrection Correction = "none"
)

// Config tunes a [Detector]. The zero Config is valid; a zero field means its default, so
// "no floor" is written as a tiny positive number.
type Config struct {
	// Alpha is the significance level after correction. Default 0.05.
	Alpha float64 `json:"alpha"`
	// Correction adjusts for the number of columns. Default BenjaminiHochberg.
	Correction Correction `json:"correction"`
	// NumericEffect is the smallest D (see [KolmogorovSmirnov]) that is called drift of a
	// numeric column. Default 0.1: the distribution functions differ somewhere by ten
	// percentage points, as after a shift by a quarter of a standard deviation.
	NumericEffect float64 `json:"numeric_effect"`
	// CategoricalEffect is the smallest total variation (see [TotalVariation]) that is
	// called drift of a categorical column. Default 0.1: ten percent of the rows changed
	// category.
	CategoricalEffect float64 `json:"categorical_effect"`
	// RateEffect is the smallest change of the rate of missing, infinite or unseen values
	// that is called drift. Default 0.02: two percentage points.
	RateEffect float64 `json:"rate_effect"`
	// Detectable is the effect (D or total variation) that must be certain to be
	// significant before a column is called stable; with fewer rows it is insufficient.
	// A column whose own floor is larger uses that. Default 0.2.
	Detectable float64 `json:"detectable"`
	// MinRows is the number of rows below which no column is judged, however clear the
	// change. Default 30.
	MinRows int `json:"min_rows"`
	// DriftShare is the share of drifted columns from which the data set is called
	// drifted. Default 0.3.
	DriftShare float64 `json:"drift_share"`
	// Columns overrides settings of single columns, by name.
	Columns map[string]ColumnConfig `json:"columns,omitempty"`
}

// ColumnConfig overrides settings of one column. A zero field means that of [Config].
type ColumnConfig struct {
	// Effect replaces NumericEffect or CategoricalEffect.
	Effect float64 `json:"effect,omitempty"`
	// RateEffect replaces Config.RateEffect.
	RateEffect float64 `json:"rate_effect,omitempty"`
	// Ignore leaves the column out of the report.
	Ignore bool `json:"ignore,omitempty"`
}

func (c Config) withDefaults() Config {
	fill := func(field *float64, value float64) {
		if *field == 0 {
			*field = value
		}
	}
	fill(&c.Alpha, 0.05)
	fill(&c.NumericEffect, 0.1)
	fill(&c.CategoricalEffect, 0.1)
	fill(&c.RateEffect, 0.02)
	fill(&c.Detectable, 0.2)
	fill(&c.DriftShare, 0.3)
	if c.MinRows == 0 {
		c.MinRows = 30
	}
	if c.Correction == "" {
		c.Correction = BenjaminiHochberg
	}
	c.Columns = maps.Clone(c.Columns)
	return c
}

// validate reports every violation, joined. The defaults must be filled in.
func (c Config) validate(ref *Reference) error {
	var errs []error
	violated := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	share := func(name string, value float64) {
		if !(value > 0 && value <= 1) {
			violated("%s is %v, want above 0 and at most 1", name, value)
		}
	}
	if !(c.Alpha > 0 && c.Alpha < 1) {
		violated("Alpha is %v, want between 0 and 1", c.Alpha)
	}
	if c.Correction != BenjaminiHochberg && c.Correction != NoCorrection {
		violated("Correction is %q, want %q or %q", c.Correction, BenjaminiHochberg, NoCorrection)
	}
	share("NumericEffect", c.NumericEffect)
	share("CategoricalEffect", c.CategoricalEffect)
	share("RateEffect", c.RateEffect)
	share("Detectable", c.Detectable)
	share("DriftShare", c.DriftShare)
	if c.MinRows < 1 {
		violated("MinRows is %d, want at least 1", c.MinRows)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Columns)) {
		if _, known := ref.index[name]; !known {
			violated("Columns names %q, which the reference does not have; it has %q", name, ref.Names())
		}
		override := c.Columns[name]
		if override.Effect != 0 {
			share(fmt.Sprintf("Columns[%q].Effect", name), override.Effect)
		}
		if override.RateEffect != 0 {
			share(fmt.Sprintf("Columns[%q].RateEffect", name), override.RateEffect)
		}
	}
	return errors.Join(errs...)
}
