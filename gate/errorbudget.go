package gate

import (
	"fmt"
	"math"
	"time"

	"github.com/selfheal-ml/selfheal/gate/internal/wire"
)

// rounding is the share by which a sum of granted shares may exceed the whole.
const rounding = 1e-9

// ErrorBudget is the error rate granted for one decision; package budget makes it. The
// criterion is Undecided if the grant is 0. The statistic is the grant. A policy with an
// ErrorBudget is valid only if its MaxAlpha is at most the grant.
type ErrorBudget struct {
	// At is the time of the decision. The evidence must be of the same time.
	At time.Time `json:"at"`
	// Alpha is the grant, 0 if the budget is spent. Next is the time of the next grant.
	Alpha float64   `json:"alpha"`
	Next  time.Time `json:"next,omitzero"`
	// Spent is the part of Total that was charged within the Horizon before At.
	Spent   float64       `json:"spent"`
	Total   float64       `json:"total"`
	Horizon time.Duration `json:"horizon"` // in JSON as text, such as "8760h"
}

// MarshalJSON writes the Horizon as text, such as "8760h0m0s".
func (c ErrorBudget) MarshalJSON() ([]byte, error) { return wire.MarshalStruct(c, 0) }

// UnmarshalJSON reads what [ErrorBudget.MarshalJSON] wrote, as strictly as [ParsePolicy]. An
// error leaves c unchanged.
func (c *ErrorBudget) UnmarshalJSON(data []byte) error { return wire.UnmarshalStruct(data, c, 0) }

// validate names every violation: an Alpha that is neither 0 nor from 1e-5 to the rest of
// Total, a Total outside (0, 1), a negative or infinite Spent, a Horizon that is not above 0,
// and a Next before At if nothing is granted.
func (c ErrorBudget) validate() error {
	var f fields
	f.want(c.Total > 0 && c.Total < 1, "Total", c.Total, "between 0 and 1")
	f.want(finiteFrom(c.Spent, 0), "Spent", c.Spent, "0 or more")
	f.want(c.Horizon > 0, "Horizon", c.Horizon, "above 0")
	left := max(0, c.Total-c.Spent)
	f.want(c.Alpha == 0 || c.Alpha >= minAlpha && c.Alpha <= left+c.Total*rounding, "Alpha", c.Alpha,
		fmt.Sprintf("0, or %v to the %.3g that is left", minAlpha, left))
	if c.Alpha == 0 {
		f.want(!c.Next.Before(c.At), "Next", c.Next, "At or later")
	}
	return f.err()
}

func (c ErrorBudget) grant() float64 { return c.Alpha }

// Check passes if an error rate was granted for the time of the evidence.
func (c ErrorBudget) Check(e *Evidence) Check { return c.check(newView(e, false)) }

func (c ErrorBudget) check(v view) Check {
	check := Check{
		Criterion: "error budget", Proof: Condition, Unit: UnitProbability,
		Statistic: c.Alpha, Threshold: math.NaN(), N: v.n,
	}
	spent := fmt.Sprintf("%.3g of %.3g within %s is spent", c.Spent, c.Total, days(c.Horizon))
	switch {
	case !v.at.Equal(c.At):
		return check.with(Errored, "granted for a decision at %s, but the evidence is of %s", c.At.Format(time.RFC3339), v.at.UTC().Format(time.RFC3339))
	case c.Alpha > 0:
		return check.with(Pass, "this decision may err with a probability of %.3g; %s", c.Alpha, spent)
	}
	return check.with(Undecided, "%s, so nothing is promoted before %s", spent, c.Next.Format(time.RFC3339))
}
