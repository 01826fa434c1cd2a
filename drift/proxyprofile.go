package drift

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// ProxyBucket is the profile of what was answered after From, up to and including To.
type ProxyBucket struct {
	From, To time.Time
	Profile  *Profile
}

// ProxyColumns says which columns of a [Reference] are what a model answered. At least one
// of Score and Class is given.
type ProxyColumns struct {
	// Score is the numeric column of the scores; see ProxySample.Scores, Lo, Hi and
	// Threshold.
	Score     string
	Lo, Hi    float64
	Threshold float64
	// Class is the categorical column of the predicted classes, Positive the one that
	// PositiveRate counts.
	Class    string
	Positive string
}

// ProxyProfiles is [ProxyMetrics] for answers that were counted in profiles, all of one
// reference, such as one for every five minutes. Buckets may come in any order.
//
// Min, Max, the shares of classes and the volume are exact; Mean and Std are as in [Numbers].
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
// profiles of different references ([ErrReferenceMismatch]), neither Score nor Class, a
// column that the reference does not have or is of the other kind, a Positive that is none
// of its levels, a range or a threshold as in [ProxyMetrics]. Without any profile there is no
// reference to find columns and levels in, so their names are not checked.
func ProxyProfiles(buckets []ProxyBucket, columns ProxyColumns) (Proxy, error) {
	ref, errs := checkBuckets(buckets)
	errs = append(errs, columns.check()...)
	a, wrong := newProxyAnswers(ref, columns)
	if err := errors.Join(append(errs, wrong...)...); err != nil {
		return Proxy{}, err
	}
	if len(buckets) == 0 {
		return Proxy{}, nil
	}
	for _, b := range buckets {
		a.add(b.Profile)
	}
	p := Proxy{Volume: int(a.rows)}
	if p.Volume == 0 {
		return p, nil
	}
	p.PositiveRate, _ = a.positiveRate()
	p.Classes = a.classShares()
	p.Scores = a.summarise()
	end := slices.MaxFunc(buckets, func(x, y ProxyBucket) int { return x.To.Compare(y.To) }).To
	for _, hours := range []int{1, 6, 24} {
		p.Trends = append(p.Trends, bucketTrend(buckets, a.empty(), end, hours))
	}
	return p, nil
}

// checkBuckets returns the first reference of the profiles, nil without any.
func checkBuckets(buckets []ProxyBucket) (ref *Reference, errs []error) {
	for i, b := range buckets {
		wrong := func(format string, args ...any) {
			errs = append(errs, &InputError{Sample: "buckets", Index: i, What: fmt.Sprintf(format, args...)})
		}
		if !b.To.After(b.From) {
			wrong("is from %v to %v, want an end after the beginning", b.From, b.To)
		}
		if b.Profile == nil || b.Profile.ref == nil {
			wrong("has no profile made by Reference.NewProfile")
			continue
		}
		if ref == nil {
			ref = b.Profile.ref
		}
		if err := sameReference(ref, b.Profile.ref); err != nil {
			errs = append(errs, err)
		}
	}
	return ref, errs
}

// check returns what is wrong with the columns whatever the reference.
func (c ProxyColumns) check() []error {
	errs := checkScale("ProxyColumns", c.Lo, c.Hi, c.Threshold)
	if c.Score == "" && c.Class == "" {
		errs = append(errs, &InputError{Sample: "ProxyColumns", Index: -1, What: "has neither Score nor Class, want at least one"})
	}
	return errs
}

// proxyAnswers adds up the answers of profiles.
type proxyAnswers struct {
	columns      ProxyColumns
	score, class int // positions in the reference, -1 without
	scoreCells   *cells
	classCells   *cells
	rows         int64
	scores       tally
	classes      tally
}

// newProxyAnswers finds the columns in the reference, if there is one. It returns what is
// wrong with their names.
func newProxyAnswers(ref *Reference, columns ProxyColumns) (a *proxyAnswers, errs []error) {
	a = &proxyAnswers{columns: columns, score: -1, class: -1}
	if ref == nil {
		return a, nil
	}
	find := func(field, name string, kind Kind) int {
		at, known := ref.index[name]
		switch {
		case name == "":
			return -1
		case !known:
			errs = append(errs, &InputError{Sample: "ProxyColumns." + field, Index: -1,
				What: fmt.Sprintf("is %q, want one of %q", name, ref.Names())})
			return -1
		case ref.cells[at].kind != kind:
			errs = append(errs, &InputError{Sample: "ProxyColumns." + field, Index: -1,
				What: fmt.Sprintf("is %q, which is %v, want a %v column", name, ref.cells[at].kind, kind)})
			return -1
		}
		return at
	}
	if a.score = find("Score", columns.Score, KindNumeric); a.score >= 0 {
		a.scoreCells = &ref.cells[a.score]
	}
	if a.class = find("Class", columns.Class, KindCategorical); a.class >= 0 {
		a.classCells = &ref.cells[a.class]
		if _, known := a.classCells.codes[columns.Positive]; columns.Positive != "" && !known {
			errs = append(errs, &InputError{Sample: "ProxyColumns.Positive", Index: -1,
				What: fmt.Sprintf("is %q, want one of %q", columns.Positive, a.classCells.levels)})
		}
	}
	return a.empty(), errs
}

// empty returns the same without answers.
func (a *proxyAnswers) empty() *proxyAnswers {
	e := *a
	e.rows = 0
	if e.score >= 0 {
		e.scores = newTally(e.scoreCells)
	}
	if e.class >= 0 {
		e.classes = newTally(e.classCells)
	}
	return &e
}

func (a *proxyAnswers) add(p *Profile) {
	a.rows += p.rows
	if a.score >= 0 {
		a.scores.merge(&p.tallies[a.score])
	}
	if a.class >= 0 {
		a.classes.merge(&p.tallies[a.class])
	}
}

// scored reports whether there are finite scores.
func (a *proxyAnswers) scored() bool { return a.score >= 0 && a.scores.Moments.N > 0 }

// positiveRate returns the rate, nil if it is not known, and of how many answers it is.
func (a *proxyAnswers) positiveRate() (share *float64, answers int64) {
	switch {
	case a.class >= 0 && a.columns.Positive != "" && a.classes.values() > 0:
		known := a.classes.values()
		positive := rate(a.classes.Cells[a.classCells.codes[a.columns.Positive]], known)
		return &positive, known
	case a.class < 0 && a.columns.Lo == 0 && a.columns.Hi == 0 && a.scored():
		threshold := a.columns.Threshold
		if threshold == 0 {
			threshold = 0.5
		}
		// A threshold belongs to what is above it, an edge to what is below.
		shares := a.scoreCells.spread(&a.scores, []float64{math.Nextafter(threshold, math.Inf(-1))})
		return &shares[1], a.scores.values()
	}
	return nil, 0
}

func (a *proxyAnswers) classShares() []ClassShare {
	if a.class < 0 || a.classes.values() == 0 {
		return nil
	}
	n := a.classes.values()
	var shares []ClassShare
	if unseen := a.classes.Unseen; unseen > 0 {
		shares = append(shares, ClassShare{Share: rate(unseen, n)})
	}
	for i, level := range a.classCells.levels {
		if count := a.classes.Cells[i]; count > 0 {
			shares = append(shares, ClassShare{Class: level, Share: rate(count, n)})
		}
	}
	return shares
}

// summarise returns nil without finite scores.
func (a *proxyAnswers) summarise() *ScoreSummary {
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
	entropy := 0.0
	for _, share := range a.scoreCells.spread(&a.scores, bounds) {
		entropy += entropyTerm(share)
	}
	outside := a.scoreCells.spread(&a.scores, []float64{math.Nextafter(lo, math.Inf(-1)), hi})
	m := &a.scores.Moments
	return &ScoreSummary{
		Mean:           m.Mean(),
		Std:            m.Std(),
		Min:            m.Min,
		P25:            a.scoreCells.quantile(&a.scores, 0.25),
		Median:         a.scoreCells.quantile(&a.scores, 0.5),
		P75:            a.scoreCells.quantile(&a.scores, 0.75),
		Max:            m.Max,
		Entropy:        max(entropy, 0),
		OutOfRangeRate: outside[0] + outside[2],
	}
}

// bucketTrend returns the trend over the buckets that lie in the window; total is empty.
func bucketTrend(buckets []ProxyBucket, total *proxyAnswers, end time.Time, hours int) Trend {
	begin := end.Add(-time.Duration(hours) * time.Hour)
	var scores, rates points
	for _, b := range buckets {
		if b.From.Before(begin) {
			continue
		}
		one := total.empty()
		one.add(b.Profile)
		total.add(b.Profile)
		at := b.From.Add(b.To.Sub(b.From) / 2).Sub(end).Hours()
		if one.scored() {
			scores.add(at, one.scores.Moments.Mean(), float64(one.scores.Moments.N))
		}
		if positive, answers := one.positiveRate(); positive != nil {
			rates.add(at, *positive, float64(answers))
		}
	}
	t := Trend{
		Hours:                     hours,
		N:                         int(total.rows),
		VolumePerHour:             float64(total.rows) / float64(hours),
		ScoreChangePerHour:        scores.slope(),
		PositiveRateChangePerHour: rates.slope(),
	}
	t.PositiveRate, _ = total.positiveRate()
	if total.scored() {
		mean := total.scores.Moments.Mean()
		t.MeanScore = &mean
	}
	return t
}
