package gate

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// Fact is the numbers that a criterion took from single rows, or why there are none.
type Fact struct {
	Values []float64 `json:"values,omitempty"`
	// Error says why there is no value, Undefined that other rows might give one.
	Error     string `json:"error,omitempty"`
	Undefined bool   `json:"undefined,omitempty"`
}

// err returns the error as it was found.
func (f Fact) err() error {
	switch {
	case f.Error == "":
		return nil
	case f.Undefined:
		return &storedError{f.Error, metrics.ErrUndefined}
	}
	return errors.New(f.Error)
}

// storedError is an error that was written as text and read back.
type storedError struct {
	text string
	is   error
}

func (e *storedError) Error() string { return e.text }

func (e *storedError) Unwrap() error { return e.is }

// facts keeps what criteria take from the rows while a decision is made, or holds it
// when the decision is made again without them.
type facts struct {
	// of is the evidence that they are of. A copy of it points to them too, and may hold
	// other rows by now.
	of     *Evidence
	stored bool // there are no rows

	mu    sync.Mutex
	known map[string]Fact // guarded by mu
	// missing names what is not known and cannot be found without the rows.
	missing []string                        // guarded by mu
	tallies map[grouping]map[string][]Tally // guarded by mu
}

func newFacts(of *Evidence, known map[string]Fact) *facts {
	return &facts{of: of, known: known, tallies: map[grouping]map[string][]Tally{}}
}

// memo returns the facts of exactly this evidence, nil if there are none.
func (e *Evidence) memo() *facts {
	if e.facts == nil || e.facts.of != e {
		return nil
	}
	return e.facts
}

// fact returns the n numbers that find finds, or found when the decision was first made,
// in as many digits as they are known to. The key says what they are. Of an error only
// its text survives, and whether it is [metrics.ErrUndefined].
func (e *Evidence) fact(key string, n int, find func() ([]float64, error)) ([]float64, error) {
	known := e.memo()
	if known == nil {
		return settled(find())
	}
	f, ok := known.get(key)
	switch {
	case ok && f.Error != "":
		return nil, f.err()
	case ok && len(f.Values) == n:
		return f.Values, nil
	case known.stored:
		return nil, known.miss(key)
	}
	values, err := settled(find())
	known.note(key, values, err)
	return values, err
}

func settled(values []float64, err error) ([]float64, error) {
	for i, v := range values {
		values[i] = settle(v)
	}
	return values, err
}

func (f *facts) get(key string) (Fact, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found, ok := f.known[key]
	return found, ok
}

// note keeps what was found, unless JSON cannot hold it.
func (f *facts) note(key string, values []float64, err error) {
	found := Fact{Values: values}
	if err != nil {
		found = Fact{Error: err.Error(), Undefined: isUndefined(err)}
	}
	if f.stored || slices.ContainsFunc(found.Values, func(v float64) bool { return !isFinite(v) }) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known[key] = found
}

// miss notes that something cannot be found.
func (f *facts) miss(what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.missing = append(f.missing, what)
	return fmt.Errorf("%w: %s", ErrNeedsRows, what)
}

// The models, as facts name them.
const (
	productionName = "production"
	shadowName     = "shadow"
)

// measured holds the metrics of a model's probabilities or values, where the rows that
// they were measured on are gone.
type measured struct {
	name          string             // of the model
	values        map[Metric]float64 // of all its answers
	probabilities bool               // whether it gave some
	facts         *facts
}

func (m *measured) recall(metric Metric) (float64, error) {
	if v, ok := m.values[metric]; ok {
		return v, nil
	}
	key := m.name + " " + string(metric)
	if f, ok := m.facts.get(key); ok && f.Error != "" {
		return 0, f.err()
	}
	return 0, m.facts.miss(key)
}

// Processors differ in the last digits of what they compute: one may round x*y+z once and
// another twice, and their exponential functions differ. So that a decision is the same
// on all of them, what is measured and inferred is rounded before anything is decided
// from it, and what is computed from that is computed in steps that all round alike. In
// such steps float64(x*y) keeps a product from being fused with a sum.
const (
	// factDigits are those of what is measured: far fewer than the noise of a sum over
	// rows spoils, far more than a million rows mean.
	factDigits = 12
	// gainDigits are those of a metric that a difference of two is rounded to, and so less
	// than what the rounding of these left: 1/3 - 1/4 is 1/12.
	gainDigits = 11
	// inferenceDigits are those of p-values and intervals, in which that noise is
	// magnified: by the tilting of a million rows to some 1e-10.
	inferenceDigits = 8
)

// settle rounds what was measured.
func settle(v float64) float64 { return round(v, factDigits) }

// difference returns b - a.
func difference(a, b float64) float64 {
	return roundAs(b-a, max(math.Abs(a), math.Abs(b)), gainDigits)
}

// shareOf returns a difference as a share of what it is compared with.
func shareOf(difference, of float64) float64 {
	v := difference / math.Abs(of)
	return roundAs(v, max(1, math.Abs(v)), gainDigits)
}

// roundAs returns v with the decimals that the larger number has if it is rounded to so
// many significant digits.
func roundAs(v, larger float64, digits int) float64 {
	if v == 0 || !isFinite(v) {
		return v
	}
	digits += exponent(v) - exponent(larger)
	if digits < 1 {
		return 0
	}
	return round(v, digits)
}

// roundTo returns v with such decimals as [roundAs] gives it, rounded by math.Floor or
// math.Ceil. What is within a hundredth of the last digit counts as rounded, or a 0 with
// the noise of its computation would become a number.
func roundTo(v, larger float64, digits int, to func(float64) float64) float64 {
	if v == 0 || !isFinite(v) {
		return v
	}
	unit, err := strconv.ParseFloat(fmt.Sprintf("1e%d", exponent(larger)-digits+1), 64)
	units := v / unit
	if err != nil || !isFinite(units) {
		return v // next to the smallest number there is
	}
	whole := math.Round(units)
	if math.Abs(units-whole) > 0.01 {
		whole = to(units)
	}
	rounded := round(whole*unit, digits)
	if !isFinite(rounded) {
		return v // next to the largest
	}
	return rounded + 0 // not -0
}

// exponent returns that of v to the base 10.
func exponent(v float64) int {
	_, digits, _ := strings.Cut(strconv.FormatFloat(v, 'e', factDigits-1, 64), "e")
	e, _ := strconv.Atoi(digits)
	return e
}

// round returns v with so many significant digits.
func round(v float64, digits int) float64 {
	if v == 0 || !isFinite(v) {
		return v
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'e', digits-1, 64), 64)
	if err != nil {
		return v // next to the largest number there is
	}
	return rounded
}
