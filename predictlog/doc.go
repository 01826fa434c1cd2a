// Package predictlog records what a model was asked, what it answered and under
// which version, so that the answer can later be joined with the truth.
//
// A newcomer makes three calls: [SchemaOf] derives the columns of a model's input
// from a Go struct, [NewRecorder] joins that to an [Appender] such as a [Store], and
// [Recorder.Middleware] wraps the handler that serves predictions. [Recorder.Run]
// does the writing, in a goroutine that the caller owns.
//
// Logging never fails a request: what happens when the queue is full is the policy
// named in [Config], and [Stats] counts what a policy loses. A record that is queued
// when the process is killed is lost; see [Recorder.Run]. Stores are
// append-only; a record that was stored is never changed. [MemoryStore] serves tests
// and examples, the sub-package csvlog is the embedded default, and the sub-package
// predictlogtest checks the promises that every store keeps. A store that keeps bytes, as
// a database does, writes them with a [Codec].
package predictlog
