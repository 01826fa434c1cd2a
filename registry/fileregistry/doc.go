// Package fileregistry keeps the versions of a model in a folder that any tool can read:
//
//	objects/<sha256>      every artifact and document, named by its content
//	events/00000001.json  every change, in order: a version registered, or a transition
//	tmp/                  what is being written
//
// A newcomer calls [Open] and uses the result as a [registry.Registry]. An operator looks
// at what crashes left behind with [Registry.Leftovers] and removes it with
// [Registry.Clean].
//
// # Guarantees
//
// Several processes may use the folder at once. A change is one event file, written and
// synced under another name and then linked to the next free number. The link fails if
// the number was taken, so one of any racing processes wins; the others see its change
// before they try again. What is in production is the sum of the events: no other file
// has to agree with them, and a process killed at any instruction leaves the change done
// or not done. Once Register or Transition returns without error, the change and all that
// it refers to survive a loss of power. Readers take no lock and wait for no writer of
// another process.
//
// Event files are never changed. Each ends with the SHA-256 of what is before, and holds
// the SHA-256 of the file before it, so damage, by accident or by editing, is
// [registry.ErrCorrupt] with the name of the file. The one loss that cannot be seen is
// that of the newest files, by a process that did not read them before.
//
// # Requirements
//
// The folder must be on one filesystem with hard links, atomic rename and folders that
// can be synced, as those of Unix systems are; where a link cannot be made, the error
// says so. On NFS, exclusive links hold between clients of one server, but a client that
// caches names may see a change late: mount with lookupcache=positive.
package fileregistry
