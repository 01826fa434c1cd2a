//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows)

package osfile

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// TryLock fails on this operating system: what a lock protects would be damaged without it.
func TryLock(*os.File, bool) (bool, error) {
	return false, fmt.Errorf("no file locks on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// Unlock does nothing: there is no lock.
func Unlock(*os.File) error { return nil }
