// Package timelimit lets a test kit give up on a method that does not return.
package timelimit

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// Run calls kept with a context that ends after limit, and returns the error of kept. If
// kept has not returned soon after the limit, Run returns an error and leaves the
// goroutine of kept behind. If kept ends the test with tb.FailNow, that is an error; if kept
// skips the test, that is none.
func Run(tb testing.TB, limit time.Duration, kept func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(tb.Context(), limit)
	defer cancel()
	result := make(chan error, 1)
	go func() {
		err := errors.New("the harness ended the test")
		defer func() {
			if tb.Skipped() {
				err = nil
			}
			result <- err
		}()
		err = kept(ctx)
	}()
	select {
	case err := <-result:
		return err
	case <-time.After(limit + limit/10):
		return fmt.Errorf("a method has not returned for %v", limit)
	}
}
