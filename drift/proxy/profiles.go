package proxy

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/counting"
)

// Bucket is the profile of what was answered after From, up to and including To.
type Bucket struct {
	From, To time.Time
	Profile  *drift.Profile
}

// Columns says which columns of a [drift.Reference] are what a model answered. At least one
// of Score and Class is given.
type Columns struct {
	// Score is the numeric column of the scores; see Sample.Scores, Lo, Hi and
	// Threshold.
	Score     string
	Lo, Hi    float64
	Threshold float64
	// Class is the categorical column of the predicted classes, Positive the one that
	// PositiveRate counts.
	Class    string
	Positive string
}

// MeasureProfiles is [Measure] for answers that were counted in profiles, all of one
// reference, such as one for every five minutes. Buckets may come in any order.
//
// Min, Max, the shares of classes and the volume are exact; Mean and Std are as in [drift.Numbers].
// Quartiles, entropy and the rates beyond a threshold or a range spread the values of a cell
// evenly over it: they are off by no more than the share of the cells that a boundary falls
// into.
//
// The windows of the trends end at the latest To. A bucket that does not lie in a window as
// a whole is left out of it. Changes are slopes over the middles of the buckets, weighted
// by the answers that have a score, or a class. Class shares are of the answers that are not
// missing; a class "" stands for those that the reference does not have. No buckets, or no
// rows, give a Volume of 0.
//
// Every mistake is reported, joined: a bucket without a profile or with To not after From,
// profiles of different references ([drift.ErrReferenceMismatch]), neither Score nor Class, a
// column that the reference does not have or is of the other kind, a Positive that is none
// of its levels, a range or a threshold as in [Measure]. Without any profile there is no
// reference to find columns and levels in, so their names are not checked.
func MeasureProfiles(buckets []Bucket, columns Columns) (Metrics, error) {
	ref, errs := checkBuckets(buckets)
	errs = append(errs, columns.check()...)
	l, wrong := newLayout(ref, columns)
	if err := errors.Join(append(errs, wrong...)...); err != nil {
		return Metrics{}, err
	}
	counted, err := answersOf(buckets, l)
	if err != nil {
		return Metrics{}, err
	}
	total := answers{columns: l}
	for _, a := range counted {
		total.merge(a)
	}
	p := Metrics{Volume: total.rows}
	if p.Volume == 0 {
		return p, nil
	}
	p.PositiveRate, _ = total.positiveRate()
	p.Classes = total.classShares()
	p.Scores = total.summarise()
	end := slices.MaxFunc(buckets, func(x, y Bucket) int { return x.To.Compare(y.To) }).To
	for _, hours := range []int{1, 6, 24} {
		p.Trends = append(p.Trends, bucketTrend(buckets, counted, l, end, hours))
	}
	return p, nil
}

// checkBuckets returns the first reference of the profiles, nil without any.
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

// check returns what is wrong with the columns whatever the reference.
func (c Columns) check() []error {
	errs := checkScale("Columns", c.Lo, c.Hi, c.Threshold)
	if c.Score == "" && c.Class == "" {
		errs = append(errs, &drift.InputError{Sample: "Columns", Index: -1, What: "has neither Score nor Class, want at least one"})
	}
	return errs
}

// answers are those that profiles counted, added up.
type answers struct {
	columns *layout
	rows    int
	scores  counts
	classes counts
}

// layout says how the columns of the answers are counted.
type layout struct {
	Columns
	score, class *drift.ColumnLayout // nil without
	axis         counting.Axis       // of the scores
	positive     int                 // cell of the positive class, -1 without
}

// newLayout finds the columns in the reference, if there is one. It returns what is wrong with
// their names.
func newLayout(ref *drift.Reference, columns Columns) (l *layout, errs []error) {
	l = &layout{Columns: columns, positive: -1}
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

// counts are those of one column.
type counts struct {
	cells                  []int64
	negInf, posInf, unseen int64
	moments                counting.Moments
}

// countsOf returns the counts of a column in a profile; none without a column.
func countsOf(p *drift.Profile, column *drift.ColumnLayout) (counts, error) {
	if column == nil {
		return counts{}, nil
	}
	c, err := p.Counts(column.Name)
	k := counts{cells: c.Cells, negInf: c.NegInf, posInf: c.PosInf, unseen: c.Unseen}
	if err == nil && column.Kind == drift.KindNumeric {
		k.moments = counting.Moments{Min: c.Min, Max: c.Max, Centre: column.Centre}
		for _, n := range c.Cells {
			k.moments.N += n
		}
		k.moments.Sum.SetUnits(c.Sum, column.Exponent)
		k.moments.Squares.SetUnits(c.Squares, 2*column.Exponent)
	}
	return k, err
}

func (c *counts) merge(other *counts) {
	if c.cells == nil {
		c.cells = make([]int64, len(other.cells))
	}
	for i, n := range other.cells {
		c.cells[i] += n
	}
	c.negInf, c.posInf, c.unseen = c.negInf+other.negInf, c.posInf+other.posInf, c.unseen+other.unseen
	c.moments.Merge(&other.moments)
}

// values returns the number of answers that are not missing.
func (c *counts) values() int64 {
	n := c.negInf + c.posInf + c.unseen
	for _, count := range c.cells {
		n += count
	}
	return n
}

// answersOf returns the answers that each of the buckets counted.
func answersOf(buckets []Bucket, l *layout) ([]*answers, error) {
	all := make([]*answers, len(buckets))
	for i, b := range buckets {
		scores, err := countsOf(b.Profile, l.score)
		if err != nil {
			return nil, err
		}
		classes, err := countsOf(b.Profile, l.class)
		if err != nil {
			return nil, err
		}
		all[i] = &answers{columns: l, rows: b.Profile.Rows(), scores: scores, classes: classes}
	}
	return all, nil
}

func (a *answers) merge(other *answers) {
	a.rows += other.rows
	a.scores.merge(&other.scores)
	a.classes.merge(&other.classes)
}

// scored reports whether there are finite scores.
func (a *answers) scored() bool { return a.scores.moments.N > 0 }

// spread returns the shares of the scores on the intervals that the bounds divide.
func (a *answers) spread(at ...float64) []float64 {
	s := &a.scores
	return a.columns.axis.Spread(s.cells, s.negInf, s.posInf, &s.moments, at)
}

// positiveRate returns the rate, nil if it is not known, and the number of answers that it is
// a share of.
func (a *answers) positiveRate() (share *float64, known int64) {
	l := a.columns
	switch {
	case l.positive >= 0 && a.classes.values() > 0:
		known = a.classes.values()
		rate := float64(a.classes.cells[l.positive]) / float64(known)
		return &rate, known
	case l.class == nil && l.Lo == 0 && l.Hi == 0 && a.scored():
		threshold := l.Threshold
		if threshold == 0 {
			threshold = 0.5
		}
		// A threshold belongs to what is above it, an edge to what is below.
		return &a.spread(math.Nextafter(threshold, math.Inf(-1)))[1], a.scores.values()
	}
	return nil, 0
}

func (a *answers) classShares() []ClassShare {
	n := float64(a.classes.values())
	var shares []ClassShare
	if unseen := a.classes.unseen; unseen > 0 {
		shares = append(shares, ClassShare{Share: float64(unseen) / n})
	}
	for i, count := range a.classes.cells {
		if count > 0 {
			shares = append(shares, ClassShare{Class: a.columns.class.Levels[i], Share: float64(count) / n})
		}
	}
	return shares
}

// summarise returns nil without finite scores.
func (a *answers) summarise() *ScoreSummary {
	if !a.scored() {
		return nil
	}
	lo, hi := a.columns.Lo, a.columns.Hi
	if lo == 0 && hi == 0 {
		hi = 1
	}
	var bounds []float64
	for i := 1; i < entropyBins; i++ {
		bounds = append(bounds, math.Nextafter(lo+(hi-lo)*float64(i)/entropyBins, math.Inf(-1)))
	}
	outside := a.spread(math.Nextafter(lo, math.Inf(-1)), hi)
	m := &a.scores.moments
	quantile := func(q float64) float64 { return a.columns.axis.Quantile(a.scores.cells, m, q) }
	return newSummary(m, quantile, a.spread(bounds...), outside[0]+outside[2])
}

// bucketTrend returns the trend over the buckets that lie in the window.
func bucketTrend(buckets []Bucket, counted []*answers, l *layout, end time.Time, hours int) Trend {
	begin := end.Add(-time.Duration(hours) * time.Hour)
	total := answers{columns: l}
	var scores, rates points
	for i, b := range buckets {
		if b.From.Before(begin) {
			continue
		}
		one := counted[i]
		total.merge(one)
		at := b.From.Add(b.To.Sub(b.From) / 2).Sub(end).Hours()
		if one.scored() {
			scores.add(at, one.scores.moments.Mean(), float64(one.scores.moments.N))
		}
		if positive, known := one.positiveRate(); positive != nil {
			rates.add(at, *positive, float64(known))
		}
	}
	var mean *float64
	if total.scored() {
		of := total.scores.moments.Mean()
		mean = &of
	}
	rate, _ := total.positiveRate()
	return newTrend(hours, total.rows, mean, rate, &scores, &rates)
}
