// Package proxy describes the answers of a model without labels: how many answers, how many of
// them positive, how widely spread, and how all of this changes. [Measure] takes the answers.
// [MeasureProfiles] takes profiles of package drift that counted the answers.
package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/counting"
)

// Sample holds the answers of a model, without the truth. Scores, Classes and Times have one
// element for each answer. A slice that is not known is nil.
type Sample struct {
	// Scores are the probabilities of the positive class of a binary model, or the predictions
	// of a regression. Every score is finite. While Lo and Hi are 0, every score is in [0, 1].
	Scores []float64
	// Lo and Hi are the range of the scores of a regression in the reference. The entropy is
	// taken over this range. If both are 0, scores are probabilities.
	Lo, Hi float64
	// Classes are the predicted classes of a classifier.
	Classes []string
	// Positive is the class that PositiveRate counts, or "" for no positive class.
	Positive string
	// Threshold is the smallest probability that counts as positive without Classes. Default 0.5.
	Threshold float64
	// Times are the times of the answers, in any order. The windows of the trends end at End,
	// by default the latest of Times.
	Times []time.Time
	End   time.Time
}

// Metrics holds the proxy metrics of a sample. All numbers are finite; an unknown one is nil.
type Metrics struct {
	Volume int `json:"volume"` // number of answers
	// PositiveRate is the share of positive answers. PositiveRate is nil for a regression, and
	// for classes without a positive class.
	PositiveRate *float64 `json:"positive_rate,omitempty"`
	// Classes are the predicted classes and their shares, ordered by name.
	Classes []ClassShare `json:"classes,omitempty"`
	// Scores is nil without scores.
	Scores *ScoreSummary `json:"scores,omitempty"`
	// Trends covers 1, 6 and 24 hours. Trends is nil without times.
	Trends []Trend `json:"trends,omitempty"`
}

// ClassShare is the share of the answers with one class.
type ClassShare struct {
	Class string  `json:"class"`
	Share float64 `json:"share"`
}

// ScoreSummary describes the scores. Quartiles are interpolated linearly between order
// statistics (type 7 of Hyndman and Fan, 1996).
type ScoreSummary struct {
	Mean   float64 `json:"mean"`
	Std    float64 `json:"std"` // divisor n
	Min    float64 `json:"min"`
	P25    float64 `json:"p25"`
	Median float64 `json:"median"`
	P75    float64 `json:"p75"`
	Max    float64 `json:"max"`
	// Entropy, in bits, is the entropy of the shares of ten bins of equal width between Lo and
	// Hi: 0 if all scores are in one bin, 3.32 if all bins hold equally many. Scores outside
	// are counted in the outermost bins.
	Entropy float64 `json:"entropy"`
	// OutOfRangeRate is the share of scores below Lo or above Hi.
	OutOfRangeRate float64 `json:"out_of_range_rate"`
}

// Trend describes a window of time that ends at Sample.End, which belongs to the window.
// Changes are slopes of the least-squares line over time, in units per hour. Changes are nil
// if the window has fewer than two different times.
type Trend struct {
	Hours         int     `json:"hours"` // length of the window
	N             int     `json:"n"`     // answers in the window
	VolumePerHour float64 `json:"volume_per_hour"`
	// MeanScore and PositiveRate describe the window. Each is nil if it is not known.
	MeanScore                 *float64 `json:"mean_score,omitempty"`
	PositiveRate              *float64 `json:"positive_rate,omitempty"`
	ScoreChangePerHour        *float64 `json:"score_change_per_hour,omitempty"`
	PositiveRateChangePerHour *float64 `json:"positive_rate_change_per_hour,omitempty"`
}

// Measure describes the answers of a model. The order of the answers makes no difference
// beyond rounding. An empty sample gives a Volume of 0.
//
// All mistakes are joined, each an [*drift.InputError]. Mistakes are: slices of different
// length, a score that is not finite or not a probability, a range that is empty or not
// finite, a threshold outside [0, 1], a time that is zero or after End.
func Measure(sample Sample) (Metrics, error) {
	if err := sample.check(); err != nil {
		return Metrics{}, err
	}
	p := Metrics{Volume: sample.volume()}
	if p.Volume == 0 {
		return p, nil
	}
	positive := sample.positives()
	if positive != nil {
		p.PositiveRate = meanOf(positive)
	}
	p.Classes = classShares(sample.Classes)
	if len(sample.Scores) > 0 {
		p.Scores = sample.summarise()
	}
	if len(sample.Times) > 0 {
		for _, hours := range trendHours {
			p.Trends = append(p.Trends, sample.trend(hours, positive))
		}
	}
	return p, nil
}

func (s *Sample) volume() int { return max(len(s.Scores), len(s.Classes), len(s.Times)) }

func (s *Sample) probabilities() bool { return s.Lo == 0 && s.Hi == 0 }

func (s *Sample) check() error {
	var errs []error
	wrong := func(field string, index int, format string, args ...any) {
		errs = append(errs, &drift.InputError{Sample: "Sample." + field, Index: index, What: fmt.Sprintf(format, args...)})
	}
	n := s.volume()
	for _, slice := range []struct {
		field  string
		length int
	}{{"Scores", len(s.Scores)}, {"Classes", len(s.Classes)}, {"Times", len(s.Times)}} {
		if slice.length != 0 && slice.length != n {
			wrong(slice.field, -1, "has %d elements, want %d as in the longest slice", slice.length, n)
		}
	}
	errs = append(errs, checkScale("Sample", s.Lo, s.Hi, s.Threshold)...)
	for i, x := range s.Scores {
		switch {
		case math.IsNaN(x) || math.IsInf(x, 0):
			wrong("Scores", i, "is %v, want a finite number", x)
		case s.probabilities() && (x < 0 || x > 1):
			wrong("Scores", i, "is %v, want a probability; set Lo and Hi if it is none", x)
		}
	}
	for i, t := range s.Times {
		switch {
		case t.IsZero():
			wrong("Times", i, "is not set")
		case !s.End.IsZero() && t.After(s.End):
			wrong("Times", i, "is %v, want at most End, %v", t, s.End)
		}
	}
	return errors.Join(errs...)
}

func checkScale(owner string, lo, hi, threshold float64) []error {
	var errs []error
	if width := hi - lo; (lo != 0 || hi != 0) && !(width > 0 && !math.IsInf(width, 0)) {
		errs = append(errs, &drift.InputError{Sample: owner + ".Lo", Index: -1,
			What: fmt.Sprintf("and Hi are %v and %v, want a finite range, or both 0 for probabilities", lo, hi)})
	}
	if !(threshold >= 0 && threshold <= 1) {
		errs = append(errs, &drift.InputError{Sample: owner + ".Threshold", Index: -1,
			What: fmt.Sprintf("is %v, want 0 (0.5) to 1", threshold)})
	}
	return errs
}

// positives returns 1 for a positive answer and 0 for any other, or nil if not known.
func (s *Sample) positives() []float64 {
	var isPositive func(i int) bool
	switch {
	case len(s.Classes) > 0 && s.Positive != "":
		isPositive = func(i int) bool { return s.Classes[i] == s.Positive }
	case len(s.Classes) == 0 && len(s.Scores) > 0 && s.probabilities():
		threshold := cmp.Or(s.Threshold, defaultThreshold)
		isPositive = func(i int) bool { return s.Scores[i] >= threshold }
	default:
		return nil
	}
	positive := make([]float64, s.volume())
	for i := range positive {
		if isPositive(i) {
			positive[i] = 1
		}
	}
	return positive
}

func classShares(classes []string) []ClassShare {
	counts := make(map[string]int)
	for _, class := range classes {
		counts[class]++
	}
	var shares []ClassShare
	for _, class := range slices.Sorted(maps.Keys(counts)) {
		shares = append(shares, ClassShare{Class: class, Share: float64(counts[class]) / float64(len(classes))})
	}
	return shares
}

func (s *Sample) summarise() *ScoreSummary {
	lo, hi := scale(s.Lo, s.Hi)
	sorted := slices.Sorted(slices.Values(s.Scores))
	var m counting.Moments
	var counts [entropyBins]int
	outside := 0
	for _, x := range sorted {
		m.Add(x)
		counts[int(min(max((x-lo)/(hi-lo)*entropyBins, 0), entropyBins-1))]++
		if x < lo || x > hi {
			outside++
		}
	}
	n := float64(len(sorted))
	shares := make([]float64, len(counts))
	for i, c := range counts {
		shares[i] = float64(c) / n
	}
	return newSummary(&m, func(q float64) float64 { return counting.QuantileOf(sorted, q) }, shares, float64(outside)/n)
}

// newSummary describes scores. bins are the shares of the bins of the entropy.
func newSummary(m *counting.Moments, quantile func(q float64) float64, bins []float64, outside float64) *ScoreSummary {
	entropy := 0.0
	for _, share := range bins {
		if share > 0 {
			entropy -= share * math.Log2(share)
		}
	}
	return &ScoreSummary{
		Mean:           m.Mean(),
		Std:            m.Std(),
		Min:            m.Min,
		P25:            quantile(0.25),
		Median:         quantile(0.5),
		P75:            quantile(0.75),
		Max:            m.Max,
		Entropy:        max(entropy, 0), // the shares sum to 1 but for rounding
		OutOfRangeRate: outside,
	}
}

const (
	defaultThreshold = 0.5
	entropyBins      = 10 // that the entropy is taken over
)

var trendHours = []int{1, 6, 24}

// scale returns the range of the scores. The range of probabilities is given as 0 and 0.
func scale(lo, hi float64) (float64, float64) {
	if lo == 0 && hi == 0 {
		return 0, 1
	}
	return lo, hi
}

// meanOf returns the mean, or nil without values.
func meanOf(values []float64) *float64 {
	if len(values) == 0 {
		return nil
	}
	var m counting.Moments
	for _, x := range values {
		m.Add(x)
	}
	mean := m.Mean()
	return &mean
}

func (s *Sample) trend(hours int, positive []float64) Trend {
	end := s.End
	if end.IsZero() {
		end = slices.MaxFunc(s.Times, time.Time.Compare)
	}
	begin := end.Add(-time.Duration(hours) * time.Hour)
	n := 0
	var scores, rates points
	for i, t := range s.Times {
		if !t.After(begin) {
			continue
		}
		n++
		at := t.Sub(end).Hours()
		if len(s.Scores) > 0 {
			scores.add(at, s.Scores[i], 1)
		}
		if positive != nil {
			rates.add(at, positive[i], 1)
		}
	}
	return newTrend(hours, n, meanOf(scores.y), meanOf(rates.y), &scores, &rates)
}

// newTrend returns the trend of n answers from their means and their points over time.
func newTrend(hours, n int, score, rate *float64, scores, rates *points) Trend {
	return Trend{
		Hours:                     hours,
		N:                         n,
		VolumePerHour:             float64(n) / float64(hours),
		MeanScore:                 score,
		PositiveRate:              rate,
		ScoreChangePerHour:        scores.slope(),
		PositiveRateChangePerHour: rates.slope(),
	}
}

// points are weighted values over time.
type points struct{ x, y, weight []float64 }

func (p *points) add(x, y, weight float64) {
	p.x, p.y, p.weight = append(p.x, x), append(p.y, y), append(p.weight, weight)
}

// slope returns the slope of the least-squares line of y over x, or nil if there is no slope.
func (p *points) slope() *float64 {
	if len(p.x) == 0 || slices.Min(p.x) == slices.Max(p.x) {
		return nil
	}
	meanX, meanY := stat.Mean(p.x, p.weight), stat.Mean(p.y, p.weight)
	var xy, xx float64
	for i, weight := range p.weight {
		dx := p.x[i] - meanX
		xy += weight * dx * (p.y[i] - meanY)
		xx += weight * dx * dx
	}
	b := xy / xx
	if math.IsNaN(b) || math.IsInf(b, 0) {
		return nil
	}
	return &b
}
