// Package registry keeps the versions of a model and says which of them is in
// production: exactly one at every instant, or none before the first.
//
// A newcomer makes three calls: [Registry.Register] stores a version's artifact,
// [Registry.Transition] promotes it, and [NewLive] gives the serving code the model
// that is in production, following promotions without a restart.
//
// A transition names the version that the caller believes to be in production, and fails
// with [ErrConflict] if another is: two replicas can never both promote. Artifacts are
// bytes to this package; their SHA-256 is verified on every read. [Memory] serves tests
// and examples, the sub-package fileregistry is the embedded default, and the
// sub-package registrytest holds the promises that every registry keeps.
//
// Who writes another registry folds its history into a [State], which holds the rules,
// stores files with [Copy] and reads them with [Verify].
package registry
