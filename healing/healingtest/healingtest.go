// Package healingtest checks that a [healing.Telemetry] and a [healing.Lease] keep their
// promises.
//
// Whoever writes one makes one call from a test, [RunTelemetry] or [RunLease]: it makes a
// new one for each promise and, where a promise is broken, quotes it. Promises that cannot
// be checked, because the harness lacks what that takes, are named in the log of the test.
package healingtest

import (
	"context"
	"testing"
	"time"

	"github.com/selfheal-ml/selfheal/internal/timelimit"
)

// promise is something that every implementation must keep, and how to find out.
type promise[T any] struct {
	name string
	text string // from the documentation of the interface
	kept func(ctx context.Context, t T) error

	needs need
}

// need is what a promise cannot be checked without.
type need uint8

const (
	needsReopen need = 1 << iota
	needsSecond
	needsDamage
)

// missing names what is not there of what a promise needs, empty if nothing is missing.
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

// patience is how long a promise may take to be checked. More is a method that waits for
// what will not happen.
const patience = time.Minute

// check returns an error if the promise is broken on t.
func (p promise[T]) check(tb testing.TB, t T, patience time.Duration) error {
	return timelimit.Run(tb, patience, func(ctx context.Context) error { return p.kept(ctx, t) })
}

// run checks every promise in a subtest. prepare makes what it is checked on, or says why
// it cannot be checked.
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
