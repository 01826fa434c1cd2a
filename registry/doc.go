// Package registry keeps the versions of a model and says which of them is in
// production: exactly one at every instant, or none before the first.
//
// A newcomer makes three calls: [Registry.Register] stores a version's artifact,
// [Registry.Transition] promotes it, and [NewLive] gives the serving code the model
// that is in production, following promotions without a restart.
//
// A transition names the version that the caller believes to be in production, and fails
// with [ErrConflict] if another is: two replicas can never both promote. A caller that
// holds a lease names its token, and fails with [ErrFenced] once another holds it. An
// artifact, one file or a folder, is bytes to this package; the SHA-256 of every file is
// verified whenever it is read.
//
// # Where versions are kept
//
// [Ledger] is our registry. It stands on two small seams: a [Log] of opaque entries, which
// gives each number to one writer only, and [Blobs], which keep the content of files. Who
// has a store of another kind writes these two and has a registry: the sub-package
// registrytest proves them. [NewMemory] serves tests and examples, the sub-package
// fileregistry is the embedded default. A registry that rules itself, as a server may,
// implements [Registry] directly, moves versions only as [Stage.CanBecome] says, and reads
// files with [Verify].
//
// Entries of the log form a [Chain]: each holds the hash of the one before it and its own,
// over the bytes as they are stored, so that damage is found at its place, whatever store
// did it. [RepairLog] keeps what is before the damage and sets the rest aside. The journal
// of package healing is a Chain too.
//
// # Why blobs have random names
//
// A blob is named at random, not by the hash of its content. The hash is known only at the
// end of a stream, so a name made of it takes a second pass or a copy. And versions with
// the same content would share a blob: whoever deletes the files of one version would have
// to prove that no other version, nor any that is being registered at this moment, needs
// them. With names of their own, deleting is free of races. What is lost is that equal
// artifacts take up space twice, and retraining hardly ever makes equal artifacts. The
// hash is in the log, where it cannot change together with the content.
package registry
