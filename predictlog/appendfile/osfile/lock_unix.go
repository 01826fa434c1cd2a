//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package osfile

import (
	"os"
	"syscall"
)

// TryLock reports whether it took the lock on the file: an exclusive lock, or one that is
// shared with other shared locks. It does not wait. The lock belongs to the open file and
// not to the process, so it also excludes a second open file of the same process. [Unlock],
// closing the file and the end of the process give the lock back.
func TryLock(file *os.File, exclusive bool) (bool, error) {
	how := syscall.LOCK_SH
	if exclusive {
		how = syscall.LOCK_EX
	}
	for {
		switch err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB); err {
		case nil:
			return true, nil
		case syscall.EWOULDBLOCK:
			return false, nil
		case syscall.EINTR:
		default:
			return false, os.NewSyscallError("flock", err)
		}
	}
}

// Unlock gives the lock on the file back.
func Unlock(file *os.File) error {
	return os.NewSyscallError("flock", syscall.Flock(int(file.Fd()), syscall.LOCK_UN))
}
