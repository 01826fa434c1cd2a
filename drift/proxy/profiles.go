package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/counting"
)

// Bucket is the profile of the answers given after From, up to and including To.
type Bucket struct {
	From, To time.Time
	Profile  *drift.Profile
}

// Columns names the columns of a [drift.Reference] that hold the answers of a model. At least
// one of Score and Class is given.
type Columns struct {
	// Score is the numeric column of the scores. Lo, Hi and Threshold are as in [Sample].
	Score     string
	Lo, Hi    float64
	Threshold float64
	// Class is the categorical column of the predicted classes. PositiveRate counts Positive.
	Class    string
	Positive string
}

// MeasureProfiles is [Measure] for answers counted in profiles, such as one profile for every
// five minutes. All profiles must be of one reference. Buckets may come in any order.
//
// Min, Max, the shares of classes and the volume are exact. Mean and Std are as in
// [drift.Numbers]. For the quartiles, the entropy, and the rates beyond a threshold or a
// range, values are spread evenly within their cell. The error of a share is at most the share
// of the cells that contain a boundary.
//
// The windows of the trends end at the latest To. A bucket that is only partly inside a window
// is left out. Changes are slopes over the middles of the buckets, weighted by the number of
// answers with a score, or with a class. Class shares are shares of the answers that are not
// missing. The class "" stands for all classes that the reference does not have. Without
// buckets or rows the Volume is 0.
//
// All mistakes are joined. Mistakes are: a bucket without a profile or with To not after From;
// profiles of different references ([drift.ErrReferenceMismatch]); neither Score nor Class; a
// column that the reference does not have or that is of the other kind; a Positive that is not a
// level; a range or a threshold as in [Measure]. Names are checked only if there is a profile.
func MeasureProfiles(buckets []Bucket, columns Columns) (Metrics, error) {
	ref, errs := checkBuckets(buckets)
	errs = append(errs, columns.check()...)
	l, wrong := newLayout(ref, columns)
	if err := errors.Join(append(errs, wrong...)...); err != nil || len(buckets) == 0 {
		return Metrics{}, err
	}
	total, err := merged(buckets, l)
	if err != nil || total.rows == 0 {
		return Metrics{}, err
	}
	p := Metrics{Volume: total.rows, Classes: total.classShares(), Scores: total.summarise()}
	p.PositiveRate, _ = total.positiveRate()
	end := slices.MaxFunc(buckets, func(x, y Bucket) int { return x.To.Compare(y.To) }).To
	for _, hours := range trendHours {
		trend, err := bucketTrend(buckets, l, end, hours)
		if err != nil {
			return Metrics{}, err
		}
		p.Trends = append(p.Trends, trend)
	}
	return p, nil
}

// checkBuckets returns the first reference of the profiles, or nil without profiles.
func checkBuckets(buckets []Bucket) (ref *drift.Reference, errs []error) {
	for i, b := range buckets {
		wrong := func(format string, args ...any) {
			errs = append(errs, &drift.InputError{Sample: "buckets", Index: i, What: fmt.Sprintf(format, args...)})
		}
		if !b.To.After(b.From) {
			wrong("is from %v to %v, want an end after the beginning", b.From, b.To)
		}
		if b.Profile == nil || b.Profile.Reference() == nil {
			wrong("has no profile made by Reference.NewProfile")
			continue
		}
		other := b.Profile.Reference()
		if ref == nil {
			ref = other
		}
		if first, print := ref.Fingerprint(), other.Fingerprint(); first != print {
			errs = append(errs, fmt.Errorf("%w: %s and %s", drift.ErrReferenceMismatch, first, print))
		}
	}
	return ref, errs
}

// check returns the mistakes in the columns that do not depend on the reference.
func (c Columns) check() []error {
	errs := checkScale("Columns", c.Lo, c.Hi, c.Threshold)
	if c.Score == "" && c.Class == "" {
		errs = append(errs, &drift.InputError{Sample: "Columns", Index: -1, What: "has neither Score nor Class, want at least one"})
	}
	return errs
}

type layout struct {
	Columns
	ref          *drift.Reference
	score, class *drift.ColumnLayout // nil without
	axis         counting.Axis       // of the scores
	positive     int                 // cell of the positive class, -1 without
}

// newLayout finds the columns in ref, if given, and returns the mistakes in the names.
func newLayout(ref *drift.Reference, columns Columns) (l *layout, errs []error) {
	l = &layout{Columns: columns, ref: ref, positive: -1}
	if ref == nil {
		return l, nil
	}
	all := ref.Layout()
	find := func(field, name string, kind drift.Kind) *drift.ColumnLayout {
		if name == "" {
			return nil
		}
		at := slices.IndexFunc(all, func(c drift.ColumnLayout) bool { return c.Name == name })
		what := fmt.Sprintf("is %q, want one of %q", name, ref.Names())
		if at >= 0 {
			if all[at].Kind == kind {
				return &all[at]
			}
			what = fmt.Sprintf("is %q, which is %v, want a %v column", name, all[at].Kind, kind)
		}
		errs = append(errs, &drift.InputError{Sample: "Columns." + field, Index: -1, What: what})
		return nil
	}
	if l.score = find("Score", columns.Score, drift.KindNumeric); l.score != nil {
		l.axis = counting.Axis{Edges: l.score.Edges}
	}
	if l.class = find("Class", columns.Class, drift.KindCategorical); l.class != nil && columns.Positive != "" {
		if l.positive = slices.Index(l.class.Levels, columns.Positive); l.positive < 0 {
			errs = append(errs, &drift.InputError{Sample: "Columns.Positive", Index: -1,
				What: fmt.Sprintf("is %q, want one of %q", columns.Positive, l.class.Levels)})
		}
	}
	return l, errs
}

type answers struct {
	*layout
	rows            int
	scores, classes drift.ColumnCounts // without a column nothing is counted
	moments         counting.Moments   // of the finite scores
}

func merged(buckets []Bucket, l *layout) (*answers, error) {
	total := l.ref.NewProfile()
	for _, b := range buckets {
		if err := total.Merge(b.Profile); err != nil {
			return nil, err
		}
	}
	return answersOf(total, l)
}

func answersOf(p *drift.Profile, l *layout) (*answers, error) {
	a := &answers{layout: l, rows: p.Rows()}
	var err error
	if l.class != nil {
		if a.classes, err = p.Counts(l.class.Name); err != nil {
			return nil, err
		}
	}
	if l.score == nil {
		return a, nil
	}
	if a.scores, err = p.Counts(l.score.Name); err != nil {
		return nil, err
	}
	c := &a.scores
	a.moments = counting.Moments{N: a.values(c) - c.NegInf - c.PosInf, Min: c.Min, Max: c.Max, Centre: l.score.Centre}
	a.moments.Sum.SetUnits(c.Sum, l.score.Exponent)
	a.moments.Squares.SetUnits(c.Squares, 2*l.score.Exponent)
	return a, nil
}

// values returns the number of answers with a value in the column.
func (a *answers) values(of *drift.ColumnCounts) int64 { return int64(a.rows) - of.Missing }

func (a *answers) scored() bool { return a.moments.N > 0 }

// spread returns the shares of the scores on the intervals between the bounds.
func (a *answers) spread(at ...float64) []float64 {
	s := &a.scores
	return a.axis.Spread(s.Cells, s.NegInf, s.PosInf, &a.moments, at)
}

// positiveRate returns the rate of positive answers, nil if unknown, and the number of answers
// that the rate is a share of.
func (a *answers) positiveRate() (share *float64, known int64) {
	switch {
	case a.positive >= 0 && a.values(&a.classes) > 0:
		known = a.values(&a.classes)
		rate := float64(a.classes.Cells[a.positive]) / float64(known)
		return &rate, known
	case a.class == nil && a.Lo == 0 && a.Hi == 0 && a.scored():
		// A threshold belongs to the scores above it, an edge to the cell below it.
		threshold := cmp.Or(a.Threshold, defaultThreshold)
		return &a.spread(math.Nextafter(threshold, math.Inf(-1)))[1], a.values(&a.scores)
	}
	return nil, 0
}

func (a *answers) classShares() []ClassShare {
	n := float64(a.values(&a.classes))
	var shares []ClassShare
	if unseen := a.classes.Unseen; unseen > 0 {
		shares = append(shares, ClassShare{Share: float64(unseen) / n})
	}
	for i, count := range a.classes.Cells {
		if count > 0 {
			shares = append(shares, ClassShare{Class: a.class.Levels[i], Share: float64(count) / n})
		}
	}
	return shares
}

// summarise returns nil without finite scores.
func (a *answers) summarise() *ScoreSummary {
	if !a.scored() {
		return nil
	}
	lo, hi := scale(a.Lo, a.Hi)
	var bounds []float64
	for i := 1; i < entropyBins; i++ {
		bounds = append(bounds, math.Nextafter(lo+(hi-lo)*float64(i)/entropyBins, math.Inf(-1)))
	}
	outside := a.spread(math.Nextafter(lo, math.Inf(-1)), hi)
	quantile := func(q float64) float64 { return a.axis.Quantile(a.scores.Cells, &a.moments, q) }
	return newSummary(&a.moments, quantile, a.spread(bounds...), outside[0]+outside[2])
}

// bucketTrend returns the trend over the buckets inside the window.
func bucketTrend(buckets []Bucket, l *layout, end time.Time, hours int) (Trend, error) {
	begin := end.Add(-time.Duration(hours) * time.Hour)
	var inside []Bucket
	var scores, rates points
	for _, b := range buckets {
		if b.From.Before(begin) {
			continue
		}
		inside = append(inside, b)
		one, err := answersOf(b.Profile, l)
		if err != nil {
			return Trend{}, err
		}
		at := b.From.Add(b.To.Sub(b.From) / 2).Sub(end).Hours()
		if one.scored() {
			scores.add(at, one.moments.Mean(), float64(one.moments.N))
		}
		if positive, known := one.positiveRate(); positive != nil {
			rates.add(at, *positive, float64(known))
		}
	}
	total, err := merged(inside, l)
	if err != nil {
		return Trend{}, err
	}
	var mean *float64
	if total.scored() {
		of := total.moments.Mean()
		mean = &of
	}
	rate, _ := total.positiveRate()
	return newTrend(hours, total.rows, mean, rate, &scores, &rates), nil
}
