// Package healing keeps a deployed model healthy: it monitors the predictions, retrains
// in the shadow when the world has moved, promotes the shadow if the gate says so, and
// rolls back what turns out to do harm.
//
// A newcomer makes three calls: [New] puts the parts together, [Loop.Run] drives them,
// and [Loop.Handler] shows what happens. A job that is started by cron or a workflow
// engine calls [Loop.Tick] instead of Run.
//
// What is true at any instant is what the [Journal] says. A retraining is a [Run]: a
// sequence of steps, each of which is recorded, with all that is needed to explain and
// repeat it, when it is done. [Loop.Advance] does one step. A process may die between or
// within steps, and any other process goes on: effects outside the journal (a version
// registered, a promotion) carry the run's ID as their idempotency key, so none happens
// twice. Several processes may drive the same journal; the journal's compare-and-set
// lets one of them record each step. Work may then be done twice, but never counted
// twice: there is no lease yet.
//
// The package starts no goroutine outside Run, and is silent unless given a logger.
package healing
