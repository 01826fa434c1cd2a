package gate

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/selfheal-ml/selfheal/gate/internal/want"
	"github.com/selfheal-ml/selfheal/gate/internal/wire"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// MinSamples wants a least number of labelled rows, in all and of each class. Fewer rows are
// Undecided; see [Check.Precondition].
type MinSamples struct {
	Rows int `json:"rows"`
	// PerClass is the least number of rows with the class as truth, for each class of the
	// target, even a class that never occurs. A regression has no classes to count. Default 0.
	PerClass int `json:"per_class,omitempty"`
}

func (c MinSamples) validate() error {
	return errors.Join(
		want.That(c.Rows > 0, "Rows", c.Rows, "above 0"),
		want.That(c.PerClass >= 0, "PerClass", c.PerClass, "0 or more"),
	)
}

// Check passes if there are enough rows. The statistic is the number of rows. If only the
// rarest class has too few rows, the statistic is the number of rows of that class.
func (c MinSamples) Check(e *Evidence) Check { return c.check(newView(e, false)) }

func (c MinSamples) check(v view) Check {
	n := v.n
	check := Check{
		Criterion: "samples", Proof: Condition, Precondition: true, Unit: UnitRows,
		Statistic: float64(n), Threshold: float64(c.Rows), N: n,
	}
	if n < c.Rows {
		check.Needed = c.Rows
		return check.with(Undecided, "%s labelled rows are too few, at least %s wanted", count(n), count(c.Rows))
	}
	if c.PerClass == 0 || metrics.Classes(v.Target) == 0 {
		return check.with(Pass, "%s labelled rows, at least %s wanted", count(n), count(c.Rows))
	}
	class, rows := rarest(v)
	if rows >= c.PerClass {
		return check.with(Pass, "%s labelled rows, at least %s wanted; %s of the rarest class %q, at least %s wanted",
			count(n), count(c.Rows), count(rows), class, count(c.PerClass))
	}
	check.Statistic, check.Threshold = float64(rows), float64(c.PerClass)
	// The estimate assumes that the class keeps its share.
	if needed := math.Ceil(float64(n) * float64(c.PerClass) / float64(rows)); needed <= math.MaxInt32 {
		check.Needed = int(needed)
	}
	return check.with(Undecided, "%s of %s labelled rows are of class %q, which is too few: at least %s wanted",
		count(rows), count(n), class, count(c.PerClass))
}

// rarest returns the class with the fewest rows, the first of equals, and its number of rows.
func rarest(v view) (class string, rows int) {
	counts := v.truths()
	k := slices.Index(counts, slices.Min(counts))
	if len(v.Target.Classes) == 0 {
		return strconv.Itoa(k), counts[k]
	}
	return v.Target.Classes[k], counts[k]
}

// MinCoverage wants a least share of the period's predictions to be labelled, because early
// labels may differ from late labels. A lower share is Undecided; see [Check.Precondition].
type MinCoverage struct {
	Share float64 `json:"share"` // above 0, at most 1
}

func (c MinCoverage) validate() error {
	return want.That(c.Share > 0 && c.Share <= 1, "Share", c.Share, "above 0, at most 1")
}

// Check passes if enough of the predictions are labelled.
func (c MinCoverage) Check(e *Evidence) Check { return c.check(newView(e, false)) }

func (c MinCoverage) check(v view) Check {
	have := v.Coverage
	check := Check{
		Criterion: "label coverage", Proof: Condition, Precondition: true, Unit: UnitShare,
		Statistic: have.Share(), Threshold: c.Share, N: have.Labelled,
	}
	more := tell(shareText, c.Share, have.Share())
	of := fmt.Sprintf("%s of %s predictions are labelled (%s), at least %s wanted",
		count(have.Labelled), count(have.Predictions), shareText(have.Share(), more), shareText(c.Share, more))
	if have.Share() >= c.Share && have.Predictions > 0 {
		return check.with(Pass, "%s", of)
	}
	check.Needed = int(math.Ceil(float64(c.Share*float64(have.Predictions)) - 1e-9)) // 0.07 * 100 is above 7
	return check.with(Undecided, "%s", of)
}

// Maturity wants a least share of the rows to be so old that their labels, early or late, have
// arrived. Early labels may differ from late ones, which flatters a model that is good at the
// early ones. A lower share is Undecided; see [Check.Precondition].
//
// The age of a row is the time from its prediction to the comparison, taken from the
// evidence's Times and At.
type Maturity struct {
	// Age is the age from which a row is mature; in JSON a text, such as "48h".
	Age time.Duration `json:"age"`
	// Share is the least share of mature rows, above 0 and at most 1.
	Share float64 `json:"share"`
	// Optional makes the verdict [Skipped] instead of [Errored] if the times are unknown.
	Optional bool `json:"optional,omitempty"`
}

// MarshalJSON writes the Age as text, such as "48h0m0s".
func (c Maturity) MarshalJSON() ([]byte, error) { return wire.MarshalStruct(c, 0) }

// UnmarshalJSON reads what [Maturity.MarshalJSON] wrote, as strictly as [ParsePolicy]. An
// error leaves c unchanged.
func (c *Maturity) UnmarshalJSON(data []byte) error { return wire.UnmarshalStruct(data, c, 0) }

func (c Maturity) validate() error {
	return errors.Join(
		want.That(c.Age > 0, "Age", c.Age, "above 0"),
		want.That(c.Share > 0 && c.Share <= 1, "Share", c.Share, "above 0, at most 1"),
	)
}

// Check passes if enough rows are mature. The statistic is the share of mature rows.
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
		// Only more mature rows help, because the young rows remain.
		check.Needed = max(n+1, int(math.Ceil(float64(n-mature)/(1-c.Share)-1e-9)))
	}
	return check.with(Undecided, "%s", of)
}

// Cooldown wants a time to pass between promotions. Until then it is Undecided, not failed:
// nothing is wrong with the shadow. The statistic is in hours.
type Cooldown struct {
	Period time.Duration `json:"period"` // in JSON as text, such as "168h"
}

// MarshalJSON writes the Period as text, such as "168h0m0s".
func (c Cooldown) MarshalJSON() ([]byte, error) { return wire.MarshalStruct(c, 0) }

// UnmarshalJSON reads what [Cooldown.MarshalJSON] wrote, as strictly as [ParsePolicy]. An
// error leaves c unchanged.
func (c *Cooldown) UnmarshalJSON(data []byte) error { return wire.UnmarshalStruct(data, c, 0) }

func (c Cooldown) validate() error {
	return want.That(c.Period > 0, "Period", c.Period, "above 0")
}

// Check passes if the last promotion was long enough ago. It is Skipped if the time of the
// last promotion is unknown, or if there was none.
func (c Cooldown) Check(e *Evidence) Check { return c.check(newView(e, false)) }

func (c Cooldown) check(v view) Check {
	check := Check{Criterion: "cooldown", Proof: Condition, Unit: UnitHours, Threshold: c.Period.Hours(), N: v.n}
	if v.LastPromotion.IsZero() {
		check.Statistic = math.NaN()
		if v.first {
			return check.with(Skipped, "no model was promoted before")
		}
		return check.with(Skipped, "the last promotion is not known")
	}
	since := v.at.Sub(v.LastPromotion)
	check.Statistic = since.Hours()
	if since >= c.Period {
		return check.with(Pass, "the last promotion was %s ago, at least %s wanted", days(since), days(c.Period))
	}
	return check.with(Undecided, "the last promotion was %s ago, at least %s wanted: not before %s",
		days(since), days(c.Period), v.LastPromotion.Add(c.Period).UTC().Format(time.RFC3339))
}
