package osfile

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

// lockedByte returns the byte that is locked. Windows keeps others from reading and writing
// a locked byte, so this byte lies beyond the end of any file.
func lockedByte() *syscall.Overlapped {
	return &syscall.Overlapped{Offset: 0xfffffffe, OffsetHigh: 0x7fffffff}
}

// TryLock reports whether it took the lock on the file: an exclusive lock, or one that is
// shared with other shared locks. It does not wait. The lock belongs to the open file and
// not to the process, so it also excludes a second open file of the same process. [Unlock],
// closing the file and the end of the process give the lock back.
func TryLock(file *os.File, exclusive bool) (bool, error) {
	flags := uintptr(lockfileFailImmediately)
	if exclusive {
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

// Unlock gives the lock on the file back.
func Unlock(file *os.File) error {
	ok, _, err := procUnlockFileEx.Call(file.Fd(), 0, 1, 0, uintptr(unsafe.Pointer(lockedByte())))
	if ok != 0 {
		return nil
	}
	return os.NewSyscallError("UnlockFileEx", err)
}
