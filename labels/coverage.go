package labels

import (
	"iter"
	"slices"
	"time"
)

// Count counts predictions: all of them, those with a label that can be used, and those with
// a label that cannot.
type Count struct {
	Predictions int `json:"predictions"`
	Labelled    int `json:"labelled"`
	Misfits     int `json:"misfits"` // see [Example.Misfit]; not among Labelled
}

// Share returns the labelled share, in [0, 1]; 0 without predictions.
func (c Count) Share() float64 {
	if c.Predictions == 0 {
		return 0
	}
	return float64(c.Labelled) / float64(c.Predictions)
}

// Coverage says how much of a set of predictions is labelled, and how late labels are.
type Coverage struct {
	Count
	// ByVersion splits the count by model version.
	ByVersion map[string]Count `json:"by_version"`
	// DelayP50 and DelayP90 are quantiles (nearest rank) of the time from a prediction to its
	// winning label, without misfits; in JSON they are nanoseconds. Both are 0 if nothing is
	// labelled. A label that came before its prediction has no delay.
	DelayP50 time.Duration `json:"delay_p50"`
	DelayP90 time.Duration `json:"delay_p90"`
}

// Cover consumes examples, as [Join] and [JoinAsOf] yield them, and returns their coverage or
// the first error of the sequence.
func Cover(examples iter.Seq2[Example, error]) (Coverage, error) {
	c := Coverage{ByVersion: map[string]Count{}}
	var delays []time.Duration
	for e, err := range examples {
		if err != nil {
			return Coverage{}, err
		}
		version := c.ByVersion[e.Record.Version]
		version.Predictions++
		c.Predictions++
		switch {
		case e.Labelled:
			version.Labelled++
			c.Labelled++
			delays = append(delays, max(0, e.Label.Time.Sub(e.Record.Time)))
		case e.Misfit != nil:
			version.Misfits++
			c.Misfits++
		}
		c.ByVersion[e.Record.Version] = version
	}
	slices.Sort(delays)
	c.DelayP50, c.DelayP90 = nearestRank(delays, 50), nearestRank(delays, 90)
	return c, nil
}

// nearestRank returns the smallest of the sorted delays that is not below percent of them; 0
// without delays.
func nearestRank(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*percent+99)/100-1] // in integers: no quantile is off by rounding
}
