package pipeline

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

const (
	// clippedShare of the training rows lies outside of a numeric feature's range, on
	// either side, so that a handful of absurd values does not squeeze the rest together.
	clippedShare = 0.005
	// maxLevels bounds the indicators of a categorical column. Rarer categories share
	// the intercept.
	maxLevels = 30
)

// feature turns one column of a row into numbers for a linear model. A feature is fitted on
// training rows and stored with the model, so it is the same in training and in service.
type feature struct {
	Column string          `json:"column"`
	Kind   predictlog.Kind `json:"kind"`

	// A numeric value is clipped to [Low, High]. Then Mean is subtracted, and the difference
	// divided by Scale. A missing value counts as the mean.
	Low   float64 `json:"low,omitempty"`
	High  float64 `json:"high,omitempty"`
	Mean  float64 `json:"mean,omitempty"`
	Scale float64 `json:"scale,omitempty"`

	// A category becomes one indicator for each level. A category that is missing, or was
	// rare or absent in training, leaves all indicators at 0.
	Levels []string `json:"levels,omitempty"`
}

// fitFeatures returns one feature for each column of the dataset.
func fitFeatures(data labels.Dataset) []feature {
	features := make([]feature, data.Schema.Len())
	for i := range features {
		c := data.Schema.Column(i)
		features[i] = feature{Column: c.Name, Kind: c.Kind}
		if c.Kind == predictlog.Numeric {
			features[i].fitNumeric(data, i)
		} else {
			features[i].fitCategorical(data, i)
		}
	}
	return features
}

func (f *feature) fitNumeric(data labels.Dataset, column int) {
	values := make([]float64, 0, len(data.Examples))
	for _, e := range data.Examples {
		if x, ok := e.Record.Row[column].Number(); ok && !math.IsNaN(x) && !math.IsInf(x, 0) {
			values = append(values, x)
		}
	}
	f.Scale = 1
	if len(values) == 0 {
		return
	}
	slices.Sort(values)
	outside := int(clippedShare * float64(len(values)))
	f.Low, f.High = values[outside], values[len(values)-1-outside]
	if f.Low == f.High {
		// A value that is constant in training is clipped to the constant, so it does not
		// count when it starts to vary.
		f.Mean = f.Low
		return
	}
	n := float64(len(values))
	for _, x := range values {
		f.Mean += f.clip(x) / n
	}
	var variance float64
	for _, x := range values {
		d := f.clip(x) - f.Mean
		variance += d * d / n
	}
	if scale := math.Sqrt(variance); scale > 0 && !math.IsInf(scale, 0) {
		f.Scale = scale
	}
}

func (f *feature) fitCategorical(data labels.Dataset, column int) {
	count := map[string]int{}
	for _, e := range data.Examples {
		if level, ok := e.Record.Row[column].Category(); ok {
			count[level]++
		}
	}
	f.Levels = slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
	f.Levels = f.Levels[:min(len(f.Levels), maxLevels)]
	slices.Sort(f.Levels)
}

func (f *feature) clip(x float64) float64 { return min(max(x, f.Low), f.High) }

// width returns how many numbers the feature makes.
func (f *feature) width() int {
	if f.Kind == predictlog.Numeric {
		return 1
	}
	return len(f.Levels)
}

// encode writes the numbers of a value to x, which has the length of the feature's width
// and holds zeros.
func (f *feature) encode(x []float64, v predictlog.Value) {
	if number, ok := v.Number(); ok && !math.IsNaN(number) {
		x[0] = (f.clip(number) - f.Mean) / f.Scale
	}
	if level, ok := v.Category(); ok {
		if i, known := slices.BinarySearch(f.Levels, level); known {
			x[i] = 1
		}
	}
}

// width returns how many numbers a row becomes.
func width(features []feature) int {
	n := 0
	for i := range features {
		n += features[i].width()
	}
	return n
}

// encodeRow writes the numbers of a row to x, which has their length and holds zeros.
func encodeRow(features []feature, x []float64, row predictlog.Row) {
	for i := range features {
		n := features[i].width()
		features[i].encode(x[:n], row[i])
		x = x[n:]
	}
}
