//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package fileregistry

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// tryLock fails: a lease without a lock could have two holders.
func tryLock(string) (*os.File, error) {
	return nil, fmt.Errorf("no file locks on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
