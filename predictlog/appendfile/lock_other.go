//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows)

package appendfile

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// tryLock fails: appending without a lock would mix the records of two processes.
func tryLock(*os.File, lockMode) (bool, error) {
	return false, fmt.Errorf("no file locks on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func unlockFile(*os.File) error { return nil }
