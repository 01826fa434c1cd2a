// Package mlflowregistry keeps the versions of a model on an MLflow server, where people and
// MLflow's own clients see them, and where they may promote them too.
//
// A newcomer calls [Open] and uses the result as a [registry.Registry]. The server is one of
// MLflow 3 that serves artifacts, as "mlflow server" does by default; tests run against
// 3.17.2. Address and login come from the Config or from the environment variables that
// MLflow's clients read.
//
// # What is where
//
//   - What is in production is the alias "champion" of the registered model: it is read, and
//     nothing else. The newest candidate has the alias "challenger", the version that a
//     rollback goes back to has the alias "previous".
//   - A version is a model version, and has a run, named by its key: parameters are the tags
//     of the draft, metrics are its metrics. Files are artifacts of the run under their own
//     names, or below ".selfheal" where MLflow refuses the name. A version whose folder holds
//     what Python saved, a file MLmodel among it, can be loaded by mlflow.pyfunc.load_model.
//   - What is attached later, such as a decision, is an artifact below "attached" and metrics
//     of the run. What is observed of the live model is a metric "live/NAME" of the run.
//   - The stage of a version is its tag "selfheal.stage", and the tag "selfheal.transition"
//     says who moved it there, when, why and by which decision. These two are copies for
//     people. The history is kept in tags "selfheal.event.NUMBER" of the registered model,
//     which outlive the deletion of a version.
//   - Sizes and SHA-256 of the files are in the tag "selfheal.version", or, if that would
//     get long, in the artifact .selfheal/manifest.json, whose SHA-256 is in the tag. It is
//     written last. MLflow keeps no checksum and lets every client overwrite an artifact, so
//     every reading is verified.
//
// # What is promised
//
// An alias belongs to one version, and MLflow moves it in one step: at every instant, and
// whatever dies, exactly one version is in production, or none. A promotion writes its event
// first and moves the alias last, so after the death of a process it happened whole or not at
// all, and to repeat it with its Key completes it. Versions are registered once for each key,
// by any number of processes. Requests that fail in a way that may pass are repeated, and
// none that could make a second run, version or event is repeated before it was asked
// whether the first one arrived.
//
// MLflow has no compare-and-set. What a transition expects to be in production, and its
// fencing token, are compared twice, the second time one request before the alias moves.
// So:
//
//   - Goroutines that share a [Registry] need nothing else: one of several promotions at the
//     same time succeeds, and the history has every one.
//   - Processes that transition only under a lease, and pass its token, get the same. The
//     lease comes from another seam, such as files or a database. A holder that was paused
//     longer than its lease lasts is refused when it wakes up, unless it was paused between
//     the second comparison and the move of the alias: that one write cannot be stopped. It
//     is found as if another client had made it.
//   - Without a lease two processes may both be told that their promotion succeeded. The one
//     whose alias was moved last is in production. The other promotion, or its event, may be
//     lost from the history.
//   - Other clients take no part in leases. If one of them moves the alias, or deletes it or
//     the version that has it, the next call that looks at what is in production finds
//     that: for a [registry.Live] this is its next poll. It is then in production, is an
//     event with the Actor [ForeignActor], and is reported to Config.OnForeign and to the
//     logger, once, by the process that finds it: a process that looks later finds the event.
//     Changes that follow each other faster than anybody looks are one event. A promotion
//     that expected otherwise is a conflict.
//
// Registrations, attachments and observations need no lease.
//
// # What other clients may do
//
// They may register versions: these have an empty Key, and a loop never touches them by
// itself. They may set "champion" to any version. The files of a version that another client
// registered are not opened until [Registry.Adopt], or a promotion made here, has kept their
// SHA-256, unless Config.TrustForeign allows it. They may set tags and aliases of their own,
// and log to the runs. They must not change tags that begin with "selfheal.": the history is
// as trustworthy as the rights that the server gives. A damaged tag is
// [registry.ErrCorrupt] and is named by the error; deleting it loses that one event.
package mlflowregistry
