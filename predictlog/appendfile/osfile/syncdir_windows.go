package osfile

// SyncDir does nothing: Windows cannot sync a folder, and NTFS journals its names.
func SyncDir(string) error { return nil }
