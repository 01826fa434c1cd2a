package drift

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Correction is how p-values are adjusted for the number of columns.
type Correction string

// The corrections.
const (
	// BenjaminiHochberg, the default, bounds the expected share of false alarms among the alarms
	// by Alpha. If nothing drifted, it bounds the probability of any alarm by Alpha (Benjamini
	// and Hochberg, "Controlling the false discovery rate", 1995). The bound is proven for
	// columns that are independent or rise together (Benjamini and Yekutieli, "The control of
	// the false discovery rate in multiple testing under dependency", 2001). Under any other
	// dependence of m columns the bound is larger by a factor of at most 1 + 1/2 + ... + 1/m.
	BenjaminiHochberg Correction = "bh"
	// NoCorrection tests every column at Alpha. More columns then make a false alarm likelier.
	NoCorrection Correction = "none"
)

// Config tunes a [Detector]. The zero Config is valid. A zero field means its default, so "no
// floor" is written as a tiny positive number.
type Config struct {
	// Alpha is the significance level after correction. Default 0.05.
	Alpha float64 `json:"alpha"`
	// Correction adjusts for the number of columns. Default BenjaminiHochberg.
	Correction Correction `json:"correction"`
	// NumericMethod and CategoricalMethod compare the values of a column. Each is one of
	// [Methods] that fits the kind. Default [MethodKS] and [MethodChiSquare].
	NumericMethod     Method `json:"numeric_method"`
	CategoricalMethod Method `json:"categorical_method"`
	// NumericEffect is the smallest effect, on the scale of NumericMethod, that is called
	// drift of a numeric column. Default 0.1 for [MethodKS]: the distribution functions differ
	// somewhere by ten percentage points, as after a shift by a quarter of a standard
	// deviation. [Methods] has the other defaults.
	NumericEffect float64 `json:"numeric_effect"`
	// CategoricalEffect is the smallest effect, on the scale of CategoricalMethod, that is
	// called drift of a categorical column. Default 0.1: ten percent of the rows changed
	// category. Floors are compared with [Test].EffectSize, which is an effect without noise.
	CategoricalEffect float64 `json:"categorical_effect"`
	// RateEffect is the smallest change that is called drift of the rate of missing, infinite
	// or unseen values, or of numbers outside the range of the reference. Default 0.02: two
	// percentage points.
	RateEffect float64 `json:"rate_effect"`
	// Detectable is the size of the observed D, or total variation, that must be certain to be
	// significant before a column is called stable. Otherwise the column is insufficient. A
	// larger floor on the same scale replaces Detectable. Default 0.2.
	Detectable float64 `json:"detectable"`
	// MinRows is the number of rows below which no column is judged. Default 30.
	MinRows int `json:"min_rows"`
	// DriftShare is the share of drifted columns from which the data set is called drifted.
	// Default 0.3. Three of ten independent columns drift by chance in less than 0.1 % of
	// passes. With one to three columns a single drifted column is enough. Then a false alarm
	// of a column, in up to Alpha of the passes, is a false alarm of the data set.
	DriftShare float64 `json:"drift_share"`
	// Columns overrides settings of single columns, by name.
	Columns map[string]ColumnConfig `json:"columns,omitempty"`
}

// ColumnConfig overrides settings of one column. A zero field means the setting of [Config].
type ColumnConfig struct {
	// Method replaces NumericMethod or CategoricalMethod, and the floor by its own default.
	Method Method `json:"method,omitempty"`
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
	if c.NumericMethod == "" {
		c.NumericMethod = MethodKS
	}
	if c.CategoricalMethod == "" {
		c.CategoricalMethod = MethodChiSquare
	}
	if m, err := methodNamed(c.NumericMethod, KindNumeric); err == nil {
		fill(&c.NumericEffect, m.Floor)
	}
	if m, err := methodNamed(c.CategoricalMethod, KindCategorical); err == nil {
		fill(&c.CategoricalEffect, m.Floor)
	}
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
	floor := func(name string, value float64, m *method) {
		if err := m.checkFloor(value); err != nil {
			violated("%s %w", name, err)
		}
	}
	compared := func(field, effect string, name Method, value float64, kind Kind) {
		m, err := methodNamed(name, kind)
		if err != nil {
			violated("%s %w", field, err)
			return
		}
		floor(effect, value, m)
	}
	compared("NumericMethod", "NumericEffect", c.NumericMethod, c.NumericEffect, KindNumeric)
	compared("CategoricalMethod", "CategoricalEffect", c.CategoricalMethod, c.CategoricalEffect, KindCategorical)
	share("RateEffect", c.RateEffect)
	share("Detectable", c.Detectable)
	share("DriftShare", c.DriftShare)
	if c.MinRows < 1 {
		violated("MinRows is %d, want at least 1", c.MinRows)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Columns)) {
		override := c.Columns[name]
		at, known := ref.index[name]
		if !known {
			violated("Columns names %q, which the reference does not have; it has %q", name, ref.Names())
			continue
		}
		kind := ref.cells[at].kind
		m, err := methodNamed(c.methodName(name, kind), kind)
		switch {
		case err != nil && override.Method != "":
			violated("Columns[%q].Method %w", name, err)
		case err == nil && override.Effect != 0:
			floor(fmt.Sprintf("Columns[%q].Effect", name), override.Effect, m)
		}
		if override.RateEffect != 0 {
			share(fmt.Sprintf("Columns[%q].RateEffect", name), override.RateEffect)
		}
	}
	return errors.Join(errs...)
}

// methodName returns the name of the method in effect for a column.
func (c Config) methodName(column string, kind Kind) Method {
	switch name := c.Columns[column].Method; {
	case name != "":
		return name
	case kind == KindNumeric:
		return c.NumericMethod
	default:
		return c.CategoricalMethod
	}
}

// method returns the method in effect for a column. The Config must be valid.
func (c Config) method(column *cells) *method {
	m, _ := methodNamed(c.methodName(column.name, column.kind), column.kind)
	return m
}

// effectFloor and rateFloor return the floors in effect for a column.
func (c Config) effectFloor(column *cells) float64 {
	override := c.Columns[column.name]
	switch {
	case override.Effect > 0:
		return override.Effect
	case override.Method != "":
		return c.method(column).Floor
	case column.kind == KindNumeric:
		return c.NumericEffect
	default:
		return c.CategoricalEffect
	}
}

func (c Config) rateFloor(column *cells) float64 {
	if floor := c.Columns[column.name].RateEffect; floor > 0 {
		return floor
	}
	return c.RateEffect
}

// adjust returns the p-value of a test after correction for the columns. family holds the
// sorted p-values of all columns. For Benjamini and Hochberg the result is the smallest m
// p(j)/j, where p(j) is the j-th smallest of m p-values and at least p. A test that is not the
// strongest of its column is adjusted as if it were the strongest. This rejects no column that
// the strongest test would not reject.
func (c Correction) adjust(p float64, family []float64) float64 {
	if c == NoCorrection {
		return p
	}
	m := float64(len(family))
	adjusted := 1.0
	at, found := slices.BinarySearch(family, p)
	if !found {
		// The entry of the column is among the at smallest p-values, and p takes its place.
		adjusted = min(adjusted, m*p/float64(at))
	}
	for i := at; i < len(family); i++ {
		adjusted = min(adjusted, m*family[i]/float64(i+1))
	}
	return adjusted
}

// strictest returns the level at which a p-value is significant whatever the others are.
func (c Correction) strictest(alpha float64, columns int) float64 {
	if c == NoCorrection {
		return alpha
	}
	return alpha / float64(columns)
}
