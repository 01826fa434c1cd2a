// Package mlflowregistry keeps the versions of a model on an MLflow server, where people and
// MLflow's own clients see them, and where they may promote them too.
//
// A newcomer calls [Open] and uses the result as a [registry.Registry]. The server is MLflow
// 3 and serves artifacts, as "mlflow server" does by default; tests run against 3.17.2.
// Address and login come from the Config or from the environment variables that MLflow's
// clients read.
//
// # What is where
//
//   - The alias "champion" of the registered model names the version in production; nothing
//     else is read. The newest candidate has the alias "challenger". The version to which a
//     rollback goes back has the alias "previous".
//   - A version is a model version with a run, whose name is the key. The tags of the draft
//     are the parameters of the run, and the metrics of the draft are its metrics. Files are
//     artifacts of the run under their own names, or below ".selfheal" where MLflow refuses
//     the name. If the folder of a version was saved by Python and holds a file MLmodel,
//     mlflow.pyfunc.load_model can load the version.
//   - A later attachment, such as a decision, becomes artifacts below "attached" and metrics
//     of the run. An observation of the live model becomes a metric "live/NAME" of the run.
//   - The stage of a version is its tag "selfheal.stage". The tag "selfheal.transition" says
//     who moved the version there, when, why and by which decision. These two are copies for
//     people. The history is kept in tags "selfheal.event.NUMBER" of the registered model,
//     which outlive the deletion of a version.
//   - Sizes and SHA-256 of the files are in the tag "selfheal.version" or, if that would get
//     long, in the artifact .selfheal/manifest.json, whose SHA-256 is in the tag. The tag is
//     written last. MLflow keeps no checksum and lets every client overwrite an artifact, so
//     every reading is verified.
//
// # What is promised
//
// An alias belongs to one version, and MLflow moves it in one step: at every instant, and
// whatever dies, exactly one version is in production, or none. A promotion writes its event
// first and moves the alias last. After the death of a process it happened whole or not at
// all, and a repetition with its Key completes it. Versions are registered once for each key,
// by any number of processes. Requests whose failure may pass are repeated. A request that
// could make a second run, version or event is repeated only after asking whether the first
// one arrived.
//
// MLflow has no compare-and-set. The expected version in production, and the fencing token of
// a transition, are compared twice, the second time one request before the alias moves. So:
//
//   - Goroutines that share a [Registry] need nothing else: one of several promotions at the
//     same time succeeds, and the history has every one.
//   - Processes that transition only under a lease, and pass its token, get the same. The
//     lease comes from another store, such as files or a database. A holder that was paused
//     longer than its lease lasts is refused when it wakes up, unless it was paused between
//     the second comparison and the move of the alias: that one write cannot be stopped. It
//     looks like a change by another client.
//   - Without a lease two processes may both be told that their promotion succeeded. The
//     version whose alias was moved last is in production. The other promotion, or its
//     event, may be lost from the history.
//   - Other clients take no part in leases. One of them may move the alias, delete it or
//     delete its version. The next call that looks at production finds this; for a
//     [registry.Live] that is its next poll. The new state is then in production and becomes
//     an event with the Actor [ForeignActor]. The process that finds it reports it once to
//     Config.OnForeign and to the logger; a process that looks later finds the event.
//     Several changes between two looks are one event. A promotion that expected another
//     version is a conflict.
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
// as trustworthy as the rights that the server gives. A damaged tag is [registry.ErrCorrupt],
// and the error names the tag; deleting the tag loses that one event.
package mlflowregistry
