package gate

import (
	"errors"
	"fmt"
	"slices"
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
	stored bool // there are no rows

	mu    sync.Mutex
	known map[string]Fact // guarded by mu
	// missing names what is not known and cannot be found without the rows.
	missing []string // guarded by mu
	// tallies are those of all rows, and of columns by their first value's address.
	tallies map[*string]map[string][]Tally // guarded by mu
}

func newFacts(known map[string]Fact) *facts {
	return &facts{known: known, tallies: map[*string]map[string][]Tally{}}
}

// fact returns the n numbers that find finds, or found when the decision was first made.
// The key says what they are. Of an error only its text survives, and whether it is
// [metrics.ErrUndefined].
func (e *Evidence) fact(key string, n int, find func() ([]float64, error)) ([]float64, error) {
	if e.facts == nil {
		return find()
	}
	f, ok := e.facts.get(key)
	switch {
	case ok && f.Error != "":
		return nil, f.err()
	case ok && len(f.Values) == n:
		return f.Values, nil
	case e.facts.stored:
		return nil, e.facts.miss(key)
	}
	values, err := find()
	e.facts.note(key, values, err)
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
	name          string             // of the model, empty if the answers are only some of its
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
