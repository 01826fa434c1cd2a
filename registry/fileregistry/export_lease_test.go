package fileregistry

// HookLease returns the lease with such a function.
func HookLease(l *Lease, before func(operation, path string) error) *Lease {
	return &Lease{path: l.path, disk: disk{before}}
}
