package looptest_test

import (
	"testing"
	"testing/synctest"

	"github.com/selfheal-ml/selfheal/internal/looptest"
)

// The story holds on what is known to be right.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := looptest.Memory()
		looptest.Run(t, func() looptest.Stores { return s })
	})
}
