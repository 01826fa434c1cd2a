// Package healing keeps a deployed model healthy: it monitors the predictions, retrains
// in the shadow when the world has moved, promotes the shadow if the gate says so, and
// rolls back what turns out to do harm.
//
// A newcomer makes three calls: [New] puts the parts together, [Loop.Run] drives them,
// and [Loop.Handler] shows what happens. A job that is started by cron or a workflow
// engine calls [Loop.Tick] instead of Run.
//
// # What is recorded
//
// The journal is the truth at every instant: a [registry.Log] with the orders, runs and
// decisions of one model, chained by hashes over the stored bytes. A retraining is a [Run]:
// a sequence of steps. Each finished step is recorded with all that is needed to explain and
// repeat it. [Loop.Advance] does one step. A process may die between or within steps, and
// any other process goes on: effects outside the journal (a version registered, a promotion)
// carry the run's ID as their idempotency key, so none happens twice. [ReadJournal] reads a
// journal for an audit.
//
// What the monitor measures is [Telemetry]: passes, and profiles of short buckets of time.
// Telemetry is no part of the journal and may be pruned by age.
//
// # What is monitored
//
// The [Monitor] compares the predictions of the version in production, and of no other, with
// the reference that the version carries: after a promotion the window fills up anew. The
// monitor counts predictions in buckets of five minutes, keeps the buckets, and adds up a
// window from them, so a pass costs the same whatever the traffic. The monitor also describes
// the answers of the version and compares them with its answers to rows that it was not
// trained on, see [AnswersOf]. Answers are shown and trigger nothing. [Monitor.Buckets] hands
// the buckets out.
//
// # Several processes
//
// Several processes may drive the same parts. The journal's compare-and-set lets one of them
// record each step. With a [Lease] one of them does the work, so each training happens once.
// The token of the lease goes into journal and registry: a process that was paused, and lost
// the lease without knowing, is refused with [registry.ErrFenced] when it wakes up.
//
// # Several models
//
// A loop is about one model, which [Parts.Model] names. Loops may share the stores of
// predictions, labels and telemetry; each has a registry, a journal and a lease of its own.
// [Handler] shows all loops on one page.
//
// # When records are damaged
//
// A damaged journal is reported with the number of the damaged entry, on the page too. The
// monitor goes on, no run starts, and a person can still roll back: see [Loop.Rollback]. A
// process reads an entry once: the next process that starts finds later damage.
// [RepairJournal] keeps what can be verified and sets the rest aside. Damaged telemetry is
// passed over, reported and measured again.
//
// The package starts no goroutine that outlives the call, and is silent unless given a
// logger.
package healing
