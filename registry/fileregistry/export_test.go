package fileregistry

import "github.com/selfheal-ml/selfheal/registry"

// OpenHooked is Open with a function that is called ahead of every change to the folder,
// which is not made if the function fails.
func OpenHooked(dir string, before func(operation, path string) error) (*registry.Ledger, error) {
	return open(dir, Config{}, disk{before})
}

// OpenLogHooked and OpenBlobsHooked are OpenLog and OpenBlobs with such a function.
func OpenLogHooked(dir string, before func(operation, path string) error) (*Log, error) {
	return openLog(dir, disk{before})
}

func OpenBlobsHooked(dir string, before func(operation, path string) error) (*Blobs, error) {
	return openBlobs(dir, disk{before})
}
