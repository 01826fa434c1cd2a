//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package fileregistry

import (
	"errors"
	"os"
	"syscall"
)

// tryLock opens the file and locks it until it is closed. It returns nil if another has it
// locked.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err {
	case nil:
		return f, nil
	case syscall.EWOULDBLOCK, syscall.EINTR:
		return nil, f.Close()
	default:
		return nil, errors.Join(os.NewSyscallError("flock", err), f.Close())
	}
}
