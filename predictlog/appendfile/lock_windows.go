package appendfile

import (
	"os"
	"syscall"
	"unsafe"
)

const (
	lockfileFailImmediately = 1
	lockfileExclusiveLock   = 2
	errorLockViolation      = syscall.Errno(33)
)

var (
	kernel32         = syscall.NewLazyDLL("kernel32.dll")
	procLockFileEx   = kernel32.NewProc("LockFileEx")
	procUnlockFileEx = kernel32.NewProc("UnlockFileEx")
)

// lockedByte is the byte that is locked. Windows keeps others from reading and writing a
// locked byte, so it is one that no file reaches.
func lockedByte() *syscall.Overlapped {
	return &syscall.Overlapped{Offset: 0xfffffffe, OffsetHigh: 0x7fffffff}
}

// tryLock reports whether it took the lock.
func tryLock(file *os.File, mode lockMode) (bool, error) {
	flags := uintptr(lockfileFailImmediately)
	if mode == exclusive {
		flags |= lockfileExclusiveLock
	}
	ok, _, err := procLockFileEx.Call(file.Fd(), flags, 0, 1, 0, uintptr(unsafe.Pointer(lockedByte())))
	switch {
	case ok != 0:
		return true, nil
	case err == errorLockViolation || err == syscall.ERROR_IO_PENDING:
		return false, nil
	}
	return false, os.NewSyscallError("LockFileEx", err)
}

func unlockFile(file *os.File) error {
	ok, _, err := procUnlockFileEx.Call(file.Fd(), 0, 1, 0, uintptr(unsafe.Pointer(lockedByte())))
	if ok != 0 {
		return nil
	}
	return os.NewSyscallError("UnlockFileEx", err)
}
