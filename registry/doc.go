// Package registry keeps the versions of a model and says which of them is in production:
// exactly one at every instant, or none before the first promotion.
//
// A newcomer makes three calls: [Registry.Register] stores a version's artifact,
// [Registry.Transition] promotes the version, and [NewLive] gives the serving code the model
// in production, following promotions without a restart.
//
// A transition names the version that the caller believes to be in production, and fails with
// [ErrConflict] if another is: two replicas can never both promote. A caller that holds a
// lease passes its token, and fails with [ErrFenced] once another holds the lease. An
// artifact, one file or a folder, is bytes to this package; every reading of a file verifies
// its SHA-256.
//
// # Where versions are kept
//
// [Ledger] is our registry. It uses two small interfaces: a [Log] of opaque entries, which
// gives each number to one writer only, and [Blobs], which keep the content of files. A host
// with a store of another kind implements these two and has a registry: the sub-package
// registrytest checks them. [NewMemory] serves tests and examples, the sub-package
// fileregistry is the embedded default. A registry with rules of its own, such as a server,
// implements [Registry] directly, moves versions only as [Stage.CanBecome] says, and reads
// files with [Verify].
//
// Entries of the log form a [Chain]: each holds the hash of the entry before it and its own
// hash, over the stored bytes, so damage is found at its place, in whatever store.
// [RepairLog] keeps what is before the damage and sets the rest aside. The journal of package
// healing is a Chain too.
//
// # Why blobs have random names
//
// The name of a blob is random and not the hash of its content. The hash is known only at the
// end of a stream, so a name made from it takes a second pass or a copy. Moreover, versions
// with the same content would share a blob: deleting the files of one version would need a
// proof that no other version, and none that is being registered at this moment, needs them.
// With random names, deleting is free of races. The price is that equal artifacts take up
// space twice, and retraining hardly ever makes equal artifacts. The hash is in the log,
// where it cannot change together with the content.
package registry
