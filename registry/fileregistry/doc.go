// Package fileregistry keeps the versions of a model in a folder that any tool can read:
//
//	log/00000001.json  every change, in order: a version registered, a transition, ...
//	blobs/<random>     every artifact and document; the log says which is which
//	*.tmp              what is being written
//
// A newcomer calls [Open] and uses the result as a [registry.Registry]. An operator lists the
// remains of crashes with [registry.Ledger.Leftovers] and removes them with
// [registry.Ledger.Clean]. Package registry says why the names of blobs are random.
//
// [Log] and [Blobs] can be used alone: a Log also serves as the journal of package healing,
// and [Lease] lets one process of a machine at a time do the work.
//
// # Guarantees
//
// Several processes may use the folder at once. An entry is one file, written and synced
// under another name and then linked to the next free number. The link fails if the number is
// taken, so one of several racing processes wins; the others see its change before they try
// again. The state of the registry is the sum of the entries: no other file has to agree with
// them, and a process killed at any instruction leaves the change done or not done. Once a
// call returns without error, the change and all its files survive a loss of power. Readers
// take no lock and wait for no writer of another process. A folder that cannot be written to
// can be read.
//
// Entry files are never changed, and each vouches for the one before it: damage, by accident
// or by editing, is [registry.ErrCorrupt] with the number of the entry, which is the name of
// the file. Only the loss of the newest entries is invisible, and only to a process that did
// not read them before. A running process looks for the next number only. A missing entry in
// the middle is found by a process that reads from the beginning or appends.
//
// Only the owner of the files can read and write them.
//
// # Requirements
//
// The folder must be on one filesystem with hard links, atomic rename and folders that
// can be synced, as those of Unix systems are; where a link cannot be made, the error
// says so. On NFS, exclusive links hold between clients of one server, but a client that
// caches names may see a change late: mount with lookupcache=positive.
package fileregistry
