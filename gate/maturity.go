package gate

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Maturity wants a share of the rows to be so old that their labels, early or late, have
// arrived. Early labels may differ from late labels, which flatters the model that is good
// at the early ones. A lower share is undecided; see [Check.Precondition].
//
// The age of a row is the time from its prediction to the comparison. It needs the
// evidence's At and Times.
type Maturity struct {
	// Age is from when on a row is mature; in JSON as text, such as "48h".
	Age time.Duration `json:"age"`
	// Share is the least share of mature rows, above 0 and at most 1.
	Share float64 `json:"share"`
	// Optional makes the verdict [Skipped], not [Errored], where the times are not known.
	Optional bool `json:"optional,omitempty"`
}

// validate returns every violation: an Age or a Share that is not above 0, a Share above 1.
func (c Maturity) validate() error {
	var f fields
	f.want(c.Age > 0, "Age", c.Age, "above 0")
	f.want(c.Share > 0 && c.Share <= 1, "Share", c.Share, "above 0, at most 1")
	return f.err()
}

// Check passes if enough of the rows are mature. The statistic is their share.
func (c Maturity) Check(e *Evidence) Check { return c.check(newView(e, false)) }

func (c Maturity) check(v view) Check {
	n := v.n
	check := Check{Criterion: "maturity", Proof: Condition, Precondition: true, Unit: UnitShare, Threshold: c.Share, N: n}
	mature, err := v.mature(c.Age)
	switch {
	case errors.Is(err, ErrInvalidEvidence):
		return check.unmeasured(err)
	case err != nil:
		return check.absent(c.Optional, "the evidence does not say how old the rows are")
	}
	if n > 0 {
		check.Statistic = float64(mature) / float64(n)
	}
	more := tell(shareText, c.Share, check.Statistic)
	of := fmt.Sprintf("%s of %s rows are %s old or older (%s), at least %s wanted",
		count(mature), count(n), days(c.Age), shareText(check.Statistic, more), shareText(c.Share, more))
	if n > 0 && check.Statistic >= c.Share {
		return check.with(Pass, "%s", of)
	}
	if c.Share < 1 {
		// Only more mature rows help: the young ones remain.
		check.Needed = max(n+1, int(math.Ceil(float64(n-mature)/(1-c.Share)-1e-9)))
	}
	return check.with(Undecided, "%s", of)
}
