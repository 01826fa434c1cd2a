package predictlogtest

import (
	"testing"
	"time"
)

// Check runs the case of this name without reporting to tb, and returns what it finds.
func Check(tb testing.TB, name string, h Harness) error {
	h.patience = 2 * time.Second
	for _, c := range cases {
		if c.name == name {
			return h.check(tb, c)
		}
	}
	return nil
}

// CheckAppender is Check of [RunAppender].
func CheckAppender(tb testing.TB, name string, h AppenderHarness) error {
	for _, c := range appenderCases {
		if c.name == name {
			return c.check(tb, h)
		}
	}
	return nil
}
