// Package sequential tests a hypothesis about a stream of values after each value. The chance
// of a false alarm is bounded however often one looks.
//
// [NewBetting] begins a test, [Betting.Add] takes the next value, and [Betting.Rejected] says
// whether the null hypothesis is rejected. The state can be stored as JSON and continued.
package sequential

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/selfheal-ml/selfheal/gate/internal/want"
	"github.com/selfheal-ml/selfheal/gate/internal/wire"
)

// ErrInvalidState means that the stored state of a [Betting] cannot be continued.
var ErrInvalidState = errors.New("sequential: invalid betting state")

// bettingSchema is raised when the JSON of a [Betting] changes its meaning.
const bettingSchema = 1

// BettingConfig tunes a [Betting]. The zero BettingConfig is valid.
type BettingConfig struct {
	// Null is the largest mean of the values under the null hypothesis, in (0, 1). Default
	// 0.5, which means "no difference" for values (d+1)/2 of differences d. For a tolerated
	// mean difference t use (1+t)/2.
	Null float64 `json:"null"`
	// Alpha is the chance of ever rejecting a true null hypothesis. Default 0.05.
	Alpha float64 `json:"alpha"`
	// Lambdas are the bets, each in (0, 1/Null). The starting wealth is divided equally among
	// the bets, which keeps the guarantee whichever bet is best. Small bets find small
	// excesses, large bets are fast. Default 0.025, 0.05, 0.1, 0.2, 0.4 and 0.8, over Null.
	Lambdas []float64 `json:"lambdas"`
}

// Betting tests whether the mean of a stream of values in [0, 1] exceeds a bound, after each
// value and for as long as one likes. It is the e-process of a gambler who bets on a mean
// above the bound (Waudby-Smith & Ramdas 2023, "Estimating means of bounded random variables
// by betting"). If the mean of each value, given the values before, is at most Null, the
// wealth ever reaches 1/Alpha with a probability of at most Alpha, whenever one looks (Ville's
// inequality). The values need be neither identically distributed nor independent.
//
// To prove harm from paired losses, take the loss differences d in [-1, 1] and add (d+1)/2.
//
// The wealth is the mean over the bets of the product of 1 + lambda*(x - Null), kept as
// logarithms. A Betting is not safe for concurrent use. It can be written as JSON at any time
// and continues from there to the bit. Use [NewBetting]: the zero Betting takes no value.
type Betting struct {
	cfg     BettingConfig
	n       int
	logs    []float64 // the logarithm of each bet's wealth, starting at 0
	highest float64   // the logarithm of the highest wealth so far
}

// NewBetting returns a Betting before its first value, or an error that names every violation
// in the config.
func NewBetting(cfg BettingConfig) (*Betting, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("sequential: invalid BettingConfig: %w", err)
	}
	return &Betting{cfg: cfg, logs: make([]float64, len(cfg.Lambdas))}, nil
}

func (c BettingConfig) withDefaults() BettingConfig {
	c.Null = cmp.Or(c.Null, 0.5)
	c.Alpha = cmp.Or(c.Alpha, 0.05)
	if len(c.Lambdas) == 0 {
		for _, share := range []float64{0.025, 0.05, 0.1, 0.2, 0.4, 0.8} {
			c.Lambdas = append(c.Lambdas, share/c.Null)
		}
	}
	c.Lambdas = slices.Clone(c.Lambdas)
	return c
}

func (c BettingConfig) validate() error {
	errs := []error{
		want.That(c.Null > 0 && c.Null < 1, "Null", c.Null, "between 0 and 1"),
		want.That(c.Alpha > 0 && c.Alpha < 1, "Alpha", c.Alpha, "between 0 and 1"),
	}
	wanted := fmt.Sprintf("between 0 and 1/Null, which is %.4g", 1/c.Null)
	for i, lambda := range c.Lambdas {
		errs = append(errs, want.That(lambda > 0 && lambda*c.Null < 1, fmt.Sprintf("Lambdas[%d]", i), lambda, wanted))
	}
	return errors.Join(errs...)
}

// Config returns the config with its defaults filled in.
func (b *Betting) Config() BettingConfig {
	c := b.cfg
	c.Lambdas = slices.Clone(c.Lambdas)
	return c
}

var errNoBets = errors.New("sequential: betting: no bets, want a Betting made by NewBetting")

// Add takes the next value. A value outside [0, 1] or NaN is an error and changes nothing. Any
// value is an error for the zero Betting.
func (b *Betting) Add(x float64) error {
	if len(b.logs) == 0 {
		return errNoBets
	}
	if !(x >= 0 && x <= 1) { // also true for NaN
		return fmt.Errorf("sequential: betting: value %d is %v, want 0 to 1", b.n, x)
	}
	for i, lambda := range b.cfg.Lambdas {
		b.logs[i] += math.Log1p(lambda * (x - b.cfg.Null))
	}
	b.n++
	b.highest = max(b.highest, b.logWealth())
	return nil
}

// N returns the number of values added.
func (b *Betting) N() int { return b.n }

// Evalue returns the wealth: 1 at the start, at most [math.MaxFloat64]. A large wealth is
// evidence against the null hypothesis.
func (b *Betting) Evalue() float64 { return min(math.Exp(b.logWealth()), math.MaxFloat64) }

// PValue returns 1 over the highest wealth so far, a p-value that is valid at any time.
func (b *Betting) PValue() float64 { return math.Exp(-b.highest) }

// Rejected reports whether the wealth ever reached 1/Alpha. A rejection is final.
func (b *Betting) Rejected() bool { return b.highest >= -math.Log(b.cfg.Alpha) }

func (b *Betting) logWealth() float64 {
	if len(b.logs) == 0 {
		return 0
	}
	top := slices.Max(b.logs) // keeps the powers from overflowing
	var sum float64
	for _, l := range b.logs {
		sum += math.Exp(l - top)
	}
	return top + math.Log(sum/float64(len(b.logs)))
}

type bettingJSON struct {
	Config    BettingConfig `json:"config"`
	N         int           `json:"n"`
	LogWealth []float64     `json:"log_wealth"`
	Highest   float64       `json:"highest_log_wealth"`
}

// MarshalJSON writes the config and the state. The zero Betting is an error.
func (b *Betting) MarshalJSON() ([]byte, error) {
	if len(b.logs) == 0 {
		return nil, errNoBets
	}
	return wire.MarshalStruct(bettingJSON{b.cfg, b.n, b.logs, b.highest}, bettingSchema)
}

// UnmarshalJSON reads what [Betting.MarshalJSON] wrote. Anything else is an error that wraps
// [ErrInvalidState] and leaves b unchanged.
func (b *Betting) UnmarshalJSON(data []byte) error {
	var stored bettingJSON
	if err := wire.UnmarshalStruct(data, &stored, bettingSchema); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalidState, err)
	}
	lambdas, logs := stored.Config.Lambdas, stored.LogWealth
	if err := errors.Join(
		want.That(len(lambdas) > 0, "lambdas", lambdas, "one or more"),
		want.That(len(logs) == len(lambdas), "log_wealth", logs, "one for each of lambdas"),
		want.That(stored.N >= 0, "n", stored.N, "0 or more"),
		want.That(stored.Highest >= 0, "highest_log_wealth", stored.Highest, "0 or more"),
		stored.Config.validate(),
	); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalidState, err)
	}
	*b = Betting{cfg: stored.Config, n: stored.N, logs: logs, highest: stored.Highest}
	return nil
}
