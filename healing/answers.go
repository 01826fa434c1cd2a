package healing

import (
	"math"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// answers gathers what a model answered, for the proxy metrics.
type answers struct {
	target   predictlog.Target
	times    []time.Time
	classes  []string
	scores   []float64
	unscored bool // an answer came without a score, so scores does not run in parallel
}

// add takes the answer of a record, if it has one.
func (a *answers) add(r predictlog.Record) {
	if !r.Answered() {
		return
	}
	a.times = append(a.times, r.Time)
	switch {
	case a.target.Task == predictlog.Regression:
		a.score(r.Output.Value)
		return
	case a.target.Task == predictlog.Binary && len(r.Output.Probabilities) == 2:
		a.score(r.Output.Probabilities[1])
	default:
		a.unscored = true
	}
	a.classes = append(a.classes, r.Output.Class)
}

// score takes a score; one that is not finite spoils all, but not the pass.
func (a *answers) score(x float64) {
	a.scores = append(a.scores, x)
	a.unscored = a.unscored || math.IsNaN(x) || math.IsInf(x, 0)
}

// proxy returns the metrics as of end, nil if there were no answers. The entropy of a
// regression is taken over the range of the window's own answers.
func (a *answers) proxy(end time.Time) (*drift.Proxy, error) {
	if len(a.times) == 0 {
		return nil, nil
	}
	sample := drift.ProxySample{Times: a.times, End: end, Classes: a.classes, Scores: a.scores}
	if a.unscored {
		sample.Scores = nil
	}
	if a.target.Task == predictlog.Binary {
		sample.Positive = a.target.Positive()
	}
	if a.target.Task == predictlog.Regression && sample.Scores != nil {
		sample.Lo, sample.Hi = slices.Min(a.scores), slices.Max(a.scores)
		if width := sample.Hi - sample.Lo; width == 0 || math.IsInf(width, 0) {
			sample.Scores, sample.Lo, sample.Hi = nil, 0, 0 // no range to speak of
		}
	}
	p, err := drift.ProxyMetrics(sample)
	if err != nil {
		return nil, err
	}
	return &p, nil
}
