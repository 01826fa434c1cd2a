package gate

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/selfheal-ml/selfheal/gate/internal/digits"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// ErrNeedsRows means that a decision can be made again only from its evidence: see
// [RecomputeFrom].
var ErrNeedsRows = errors.New("gate: needs the rows of the evidence")

// Fact holds numbers that a criterion took from single rows, or says why there are none.
type Fact struct {
	Values []float64 `json:"values,omitempty"`
	// Error says why there is no value. Undefined says that other rows might give one.
	Error     string `json:"error,omitempty"`
	Undefined bool   `json:"undefined,omitempty"`
}

// err returns the stored error, or nil. It wraps [metrics.ErrUndefined] if Undefined is set.
func (f Fact) err() error {
	switch {
	case f.Error == "":
		return nil
	case f.Undefined:
		return &storedError{f.Error, metrics.ErrUndefined}
	}
	return errors.New(f.Error)
}

type storedError struct {
	text string
	is   error
}

func (e *storedError) Error() string { return e.text }

func (e *storedError) Unwrap() error { return e.is }

// facts keeps the facts of a decision, computed or stored.
type facts struct {
	mu    sync.Mutex
	known map[string]Fact // guarded by mu
	// missing names the facts that only the rows could give.
	missing []string // guarded by mu
}

func (f *facts) get(key string) (Fact, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found, ok := f.known[key]
	return found, ok
}

// note keeps a fact, unless JSON cannot hold it.
func (f *facts) note(key string, values []float64, err error) {
	if slices.ContainsFunc(values, func(v float64) bool { return !digits.IsFinite(v) }) {
		return
	}
	found := Fact{Values: values}
	if err != nil {
		found = Fact{Error: validText(err.Error()), Undefined: isUndefined(err)}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known[key] = found
}

// miss notes a missing fact and returns an [ErrNeedsRows].
func (f *facts) miss(what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.missing = append(f.missing, what)
	return fmt.Errorf("%w: %s", ErrNeedsRows, what)
}
