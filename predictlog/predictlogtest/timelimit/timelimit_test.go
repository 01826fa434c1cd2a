package timelimit_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog/predictlogtest/timelimit"
)

func TestRun(t *testing.T) {
	t.Parallel()
	require.NoError(t, timelimit.Run(t, time.Minute, func(context.Context) error { return nil }))
	broken := errors.New("broken")
	require.ErrorIs(t, timelimit.Run(t, time.Minute, func(context.Context) error { return broken }), broken)
}

func TestRun_Limit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		heeds := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		require.ErrorIs(t, timelimit.Run(t, time.Minute, heeds), context.DeadlineExceeded)
		forever := make(chan error)
		require.EqualError(t, timelimit.Run(t, time.Minute, func(context.Context) error { return <-forever }), "a method has not returned for 1m0s")
		close(forever)
	})
}

// ending is a test that a harness ends.
type ending struct {
	testing.TB
	skips bool
}

func (e ending) Skipped() bool { return e.skips }

func TestRun_HarnessEnds(t *testing.T) {
	t.Parallel()
	end := func(context.Context) error { runtime.Goexit(); return nil }
	require.EqualError(t, timelimit.Run(ending{t, false}, time.Minute, end), "the harness ended the test")
	require.NoError(t, timelimit.Run(ending{t, true}, time.Minute, end))
}
