//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package appendfile

import (
	"os"
	"syscall"
)

// tryLock reports whether it took the lock. flock belongs to the open file, not to the
// process, so it also excludes two Files of one process.
func tryLock(file *os.File, mode lockMode) (bool, error) {
	how := syscall.LOCK_SH
	if mode == exclusive {
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

func unlockFile(file *os.File) error {
	return os.NewSyscallError("flock", syscall.Flock(int(file.Fd()), syscall.LOCK_UN))
}
