// Package fileregistry keeps the versions of a model in a folder that any tool can read:
//
//	log/00000001.json  every change, in order: a version registered, a transition, ...
//	blobs/<random>     every artifact and document; the log says which is which
//	*.tmp              what is being written
//
// A newcomer calls [Open] and uses the result as a [registry.Registry]. An operator looks
// at what crashes left behind with [registry.Ledger.Leftovers] and removes it with
// [registry.Ledger.Clean]. Names of blobs are random, for the reasons that package registry
// gives.
//
// [Log] and [Blobs] can be had by themselves: a Log also serves as the journal of package
// healing, and [Lease] lets one process of a machine at a time do what is to be done once.
//
// # Guarantees
//
// Several processes may use the folder at once. An entry is one file, written and synced
// under another name and then linked to the next free number. The link fails if the number
// was taken, so one of any racing processes wins; the others see its change before they
// try again. What is in production is the sum of the entries: no other file has to agree
// with them, and a process killed at any instruction leaves the change done or not done.
// Once a call returns without error, the change and all that it refers to survive a loss
// of power. Readers take no lock and wait for no writer of another process. A folder that
// cannot be written to can be read.
//
// Entry files are never changed, and each vouches for the one before it: damage, by
// accident or by editing, is [registry.ErrCorrupt] with the number of the entry, which is
// the name of the file. The one loss that cannot be seen is that of the newest entries, by
// a process that did not read them before. A process that runs looks for the next number
// only: that an entry in the middle is gone is found by who reads from the beginning, and
// by who appends.
//
// Files can be read and written by their owner alone.
//
// # Requirements
//
// The folder must be on one filesystem with hard links, atomic rename and folders that
// can be synced, as those of Unix systems are; where a link cannot be made, the error
// says so. On NFS, exclusive links hold between clients of one server, but a client that
// caches names may see a change late: mount with lookupcache=positive.
package fileregistry
