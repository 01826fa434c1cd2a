// Package healingtest checks that a [healing.Telemetry] and a [healing.Lease] keep their
// promises.
//
// The author of one calls [RunTelemetry] or [RunLease] from a test. The kit makes a new
// instance for each promise and quotes a broken promise. The log of the test names the
// promises that could not be checked because the harness lacks something.
package healingtest

import (
	"context"
	"testing"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog/predictlogtest/timelimit"
)

// promise is a promise of the interface, and its check.
type promise[T any] struct {
	name string
	text string // from the documentation of the interface
	kept func(ctx context.Context, t T) error

	needs need
}

// need is something that the check of a promise requires.
type need uint8

const (
	needsReopen need = 1 << iota
	needsSecond
	needsDamage
)

// missing names what the harness lacks for a promise, empty for nothing.
func (n need) missing(reopen, second, damage bool) string {
	switch {
	case n&needsReopen != 0 && !reopen:
		return "the harness has no Reopen"
	case n&needsSecond != 0 && !second:
		return "the harness has no Second"
	case n&needsDamage != 0 && !damage:
		return "the harness has no Damage"
	}
	return ""
}

// patience bounds the check of a promise. A longer check means a method that waits for ever.
const patience = time.Minute

// check returns an error if the promise is broken on t.
func (p promise[T]) check(tb testing.TB, t T, patience time.Duration) error {
	return timelimit.Run(tb, patience, func(ctx context.Context) error { return p.kept(ctx, t) })
}

// run checks every promise in a subtest. prepare makes the instance for the check, or says
// why the promise cannot be checked.
func run[T any](t *testing.T, promises []promise[T], prepare func(t testing.TB, p promise[T]) (T, string)) {
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			on, unchecked := prepare(t, p)
			if unchecked != "" {
				t.Logf("not checked, because %s: %s", unchecked, p.text)
				return
			}
			if err := p.check(t, on, patience); err != nil {
				t.Errorf("%v\nbroken promise: %s", err, p.text)
			}
		})
	}
}
