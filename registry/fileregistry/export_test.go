package fileregistry

// OpenHooked is Open with a function that is called ahead of every change to the folder,
// which is not made if the function fails.
func OpenHooked(dir string, before func(operation, path string) error) (*Registry, error) {
	return open(dir, Config{}, disk{before})
}

// Event and its functions are what an event file holds.
type Event = event

var (
	Encode = encode
	Decode = decode
)
