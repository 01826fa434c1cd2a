package fileregistry

import (
	"os"
	"syscall"
)

// errorSharingViolation is what Windows says of a file that another has open for itself.
const errorSharingViolation = syscall.Errno(32)

// tryLock opens the file for itself alone until it is closed. It returns nil if another has
// it open.
func tryLock(path string) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err == errorSharingViolation {
		return nil, nil
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), path), nil
}
