package gate

import (
	"fmt"
	"time"

	"github.com/selfheal-ml/selfheal/gate/internal/wire"
)

// MaxLatency wants the shadow to answer fast enough, as measured by the replay for both models
// on the same rows at the same time. The limit is the larger of Relative times production's
// latency and Absolute. With both set, a shadow slower than production still passes if it is
// within Absolute. It is a [PointEstimate].
//
// The statistic is the shadow's latency and the threshold the limit, both in seconds per row.
type MaxLatency struct {
	// Relative bounds the shadow's latency as a multiple of production's: 1.5 is half as much
	// again. On a first deployment only Absolute counts.
	Relative float64 `json:"relative,omitempty"`
	// Absolute bounds the shadow's latency in any case; in JSON a text, such as "20ms".
	Absolute time.Duration `json:"absolute,omitzero"`
	// Mean judges [Latency.Mean] instead of [Latency.P95].
	Mean bool `json:"mean,omitempty"`
	// Optional makes the verdict [Skipped] instead of [Errored] if latencies were not
	// measured, for example in evidence from columns of scores.
	Optional bool `json:"optional,omitempty"`
}

// MarshalJSON writes the Absolute as text, such as "20ms".
func (c MaxLatency) MarshalJSON() ([]byte, error) { return wire.MarshalStruct(c, 0) }

// UnmarshalJSON reads what [MaxLatency.MarshalJSON] wrote, as strictly as [ParsePolicy]. An
// error leaves c unchanged.
func (c *MaxLatency) UnmarshalJSON(data []byte) error { return wire.UnmarshalStruct(data, c, 0) }

func (c MaxLatency) validate() error {
	var f fields
	f.want(finiteFrom(c.Relative, 0), "Relative", c.Relative, "0 or more")
	f.want(c.Absolute >= 0, "Absolute", c.Absolute, "0 or more")
	f.want(c.Relative != 0 || c.Absolute != 0, "Relative", c.Relative, "above 0 because Absolute is not set")
	return f.err()
}

// Check passes if the shadow is within the limit.
func (c MaxLatency) Check(e *Evidence) Check { return c.check(newView(e, false)) }

func (c MaxLatency) check(v view) Check {
	check := Check{Criterion: "latency", Proof: PointEstimate, N: v.n, Unit: UnitSeconds, Threshold: c.Absolute.Seconds(), AtMost: true}
	production, shadow := v.ProductionLatency.P95, v.ShadowLatency.P95
	takes := "95 % of the shadow's batches take at most"
	if c.Mean {
		production, shadow = v.ProductionLatency.Mean, v.ShadowLatency.Mean
		takes = "the shadow takes on average"
	}
	compares := !v.first && c.Relative > 0
	wanted := fmt.Sprintf("at most %s wanted", readable(c.Absolute))
	switch {
	case shadow == 0:
		return check.absent(c.Optional, "the evidence does not say how long the shadow takes")
	case compares && production == 0:
		return check.absent(c.Optional, "the evidence does not say how long production takes")
	case v.first && c.Absolute == 0:
		return check.noProduction()
	case compares:
		check.Threshold = max(check.Threshold, c.Relative*production.Seconds())
		wanted = fmt.Sprintf("at most %.3g times production's %s wanted", c.Relative, readable(production))
		if c.Absolute > 0 {
			wanted += fmt.Sprintf(", or %s", readable(c.Absolute))
		}
	}
	check.Statistic = shadow.Seconds()
	verdict := Fail
	if check.Statistic <= check.Threshold {
		verdict = Pass
	}
	return check.with(verdict, "%s %s per row, %s", takes, readable(shadow), wanted)
}
