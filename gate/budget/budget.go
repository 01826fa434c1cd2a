// Package budget bounds the chance of any false promotion over a year of decisions.
//
// [Budget.Apply] gives a policy the share of one decision, and [Budget.Charge] takes that
// share from the budget.
package budget

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/internal/want"
	"github.com/selfheal-ml/selfheal/gate/internal/wire"
)

// Budget bounds the probability of any false promotion over time; see MaxAlpha of
// [gate.Policy] for what a false promotion is. Without a budget, a policy that errs in 5 % of
// its decisions errs at least once in 93 % of the years of 52 decisions. Under a Budget, Total
// is the bound for each span as long as Horizon, wherever the span begins.
//
// A Budget divides Total among a number of decisions: each may err with Total/Decisions.
//
//	policy, err := budget.Apply(gate.Standard(), now)
//	decision := gate.Evaluate(policy, evidence)      // evidence of the same time
//	budget, err = budget.Charge(decision)            // store it before acting on the decision
//
// A decision is charged if its criteria were tested and did not promote the shadow. While too
// little of Total is left, Apply grants nothing, and nothing is promoted.
//
// Proof: Let the rows of each decision be independent of the rows of earlier decisions, given
// the models. Take the first false promotion of a span. Every earlier decision of the span
// about a shadow that should not be promoted was charged, or could not promote. So the grants
// of these decisions sum up to Total at most, and the probability that any of them promotes is
// at most Total (Boole's inequality). Not charging promotions is the "online fallback" of Tian
// & Ramdas (2021), "Online control of the familywise error rate". If at most Decisions
// decisions are made within a horizon, the rows need not be independent.
//
// The zero Budget is valid, and a Budget can be written as JSON at any time. Its methods do
// not modify it. Decisions must be made one after the other.
type Budget struct {
	// Total is the bound, in (0, 1). Default 0.05.
	Total float64 `json:"total"`
	// Horizon is the span that Total holds for. Default 365 days.
	Horizon time.Duration `json:"horizon"` // in JSON as text, such as "8760h0m0s"
	// Decisions is the number of decisions that share Total. Default 60: a weekly decision for
	// a year, and a few more.
	Decisions int `json:"decisions"`
	// Charges are the charges within the last Horizon, in order of time.
	Charges []Charge `json:"charges"`
}

// Charge is what one decision took from a [Budget].
type Charge struct {
	At    time.Time `json:"at"`
	Alpha float64   `json:"alpha"`
}

const (
	defaultTotal     = 0.05
	defaultHorizon   = 365 * 24 * time.Hour
	defaultDecisions = 60
	// minShare is the smallest error rate that the criteria of package gate accept.
	minShare = 1e-5
	// slack is the share by which a sum of shares may exceed the whole.
	slack = 1e-9
	// budgetSchema is raised when the JSON of a [Budget] changes its meaning.
	budgetSchema = 1
)

func (b Budget) withDefaults() Budget {
	b.Total = cmp.Or(b.Total, defaultTotal)
	b.Horizon = cmp.Or(b.Horizon, defaultHorizon)
	b.Decisions = cmp.Or(b.Decisions, defaultDecisions)
	return b
}

// Validate names every violation: a Total outside (0, 1), a negative Horizon or Decisions, a
// share below 1e-5, and charges that are not positive or not in order of time.
func (b Budget) Validate() error {
	b = b.withDefaults()
	share := b.share()
	errs := []error{
		want.That(b.Total > 0 && b.Total < 1, "Total", b.Total, "between 0 and 1"),
		want.That(b.Horizon > 0, "Horizon", b.Horizon, "above 0"),
		want.That(b.Decisions > 0, "Decisions", b.Decisions, "above 0"),
		want.That(share >= minShare && share < 0.5, "Total/Decisions", share, fmt.Sprintf("%v to 0.5", minShare)),
	}
	for i, c := range b.Charges {
		errs = append(errs,
			want.That(c.Alpha > 0 && c.Alpha < 1, fmt.Sprintf("Charges[%d].Alpha", i), c.Alpha, "between 0 and 1"),
			want.That(i == 0 || c.At.After(b.Charges[i-1].At), fmt.Sprintf("Charges[%d].At", i), c.At, "later than that before"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("budget: invalid: %w", err)
	}
	return nil
}

func (b Budget) share() float64 { return b.Total / float64(b.Decisions) }

// spent returns the sum of the charges within the horizon before at.
func (b Budget) spent(at time.Time) float64 {
	var sum float64
	for _, c := range b.Charges {
		if c.At.Add(b.Horizon).After(at) {
			sum += c.Alpha
		}
	}
	return sum
}

// grants reports whether a decision at this time gets a share. The slack allows for rounding.
func (b Budget) grants(at time.Time) bool {
	return b.spent(at)+b.share() <= b.Total*(1+slack)
}

// Apply returns the policy for a decision at a time. Its MaxAlpha is lowered to the granted
// share. A [gate.ErrorBudget] is put before its Criteria, which passes if a share was granted.
// A first deployment is not a comparison and needs no budget.
//
// It is an error if the budget is invalid, if the time is not later than the last charge, or
// if the policy's Criteria cannot keep the share, as when no criterion proves the shadow
// better.
func (b Budget) Apply(policy gate.Policy, at time.Time) (gate.Policy, error) {
	if err := b.checkTime(at); err != nil {
		return gate.Policy{}, err
	}
	b = b.withDefaults()
	capped, err := policy.CapAlpha(b.share())
	if err != nil {
		return gate.Policy{}, fmt.Errorf("budget: policy %q: %w", policy.Name, err)
	}
	c := gate.ErrorBudget{At: utc(at), Spent: b.spent(at), Total: b.Total, Horizon: b.Horizon}
	if b.grants(at) {
		c.Alpha, policy = b.share(), capped
	} else {
		c.Next = b.next(at)
	}
	policy.Criteria = slices.Concat([]gate.Criterion{c}, policy.Criteria)
	return policy, nil
}

// next returns when a share will be granted again.
func (b Budget) next(at time.Time) time.Time {
	for _, c := range b.Charges {
		if free := c.At.Add(b.Horizon); free.After(at) && b.grants(free) {
			return utc(free)
		}
	}
	return utc(at)
}

// Charge returns the budget after a decision under the policy of [Budget.Apply]. A decision is
// not charged if it promotes, if it is a first deployment, or if a [gate.Condition] did not
// pass: the decision would then not have promoted any shadow. (A condition must therefore not
// depend on how well the models did on these rows.)
//
// It is an error if a decision promotes without a grant, or was granted more than the budget
// has left: such a decision was made under another budget, or under none.
func (b Budget) Charge(d gate.Decision) (Budget, error) {
	if err := b.checkTime(d.At); err != nil {
		return b, err
	}
	alpha := granted(d)
	switch {
	case d.First:
		return b, nil
	case alpha == 0 && d.Outcome == gate.Promote:
		return b, errors.New("budget: the decision promotes without a grant")
	case alpha == 0, d.Outcome == gate.Promote, slices.ContainsFunc(d.Checks, prevents):
		return b, nil
	}
	full := b.withDefaults()
	if full.spent(d.At)+alpha > full.Total*(1+slack) {
		return b, fmt.Errorf("budget: the decision was granted %v, but of %v %v is spent", alpha, full.Total, full.spent(d.At))
	}
	b.Charges = append(slices.DeleteFunc(slices.Clone(b.Charges), func(c Charge) bool {
		return !c.At.Add(full.Horizon).After(d.At)
	}), Charge{At: d.At, Alpha: alpha})
	return b, nil
}

// checkTime returns an error if the budget is invalid or a charge is not before the time.
func (b Budget) checkTime(at time.Time) error {
	if err := b.Validate(); err != nil {
		return err
	}
	if n := len(b.Charges); n > 0 && !at.After(b.Charges[n-1].At) {
		return fmt.Errorf("budget: a decision at %s, want one later than that charged at %s",
			at.UTC().Format(time.RFC3339Nano), b.Charges[n-1].At.UTC().Format(time.RFC3339Nano))
	}
	return nil
}

func granted(d gate.Decision) float64 {
	for _, c := range d.Checks {
		if c.Criterion == errorBudget && c.Verdict == gate.Pass {
			return c.Statistic
		}
	}
	return 0
}

// prevents reports whether a check rules out a promotion whatever the models did.
func prevents(c gate.Check) bool {
	return c.Proof == gate.Condition && c.Verdict != gate.Pass && c.Verdict != gate.Skipped
}

// MarshalJSON writes the budget with its defaults filled in.
func (b Budget) MarshalJSON() ([]byte, error) {
	b = b.withDefaults()
	if b.Charges == nil {
		b.Charges = []Charge{}
	}
	return wire.MarshalStruct(b, budgetSchema)
}

// UnmarshalJSON reads what [Budget.MarshalJSON] wrote. It is an error if a field is unknown,
// missing, null or repeated, if the schema version differs, if the budget is invalid, or if a
// field with a default is 0. An error leaves b unchanged.
func (b *Budget) UnmarshalJSON(data []byte) error {
	var read Budget
	if err := wire.UnmarshalStruct(data, &read, budgetSchema); err != nil {
		return fmt.Errorf("budget: %w", err)
	}
	if read.Total == 0 || read.Horizon == 0 || read.Decisions == 0 {
		return fmt.Errorf("budget: total is %v, horizon %v and decisions %d, want none of them 0: only in Go that is a default", read.Total, read.Horizon, read.Decisions)
	}
	if read.Charges == nil {
		return errors.New("budget: charges is null, want a list: without it all that was spent would be forgotten")
	}
	if err := read.Validate(); err != nil {
		return err
	}
	*b = read
	return nil
}

const errorBudget = "error budget"

func utc(t time.Time) time.Time { return t.UTC().Round(0) }
