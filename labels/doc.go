// Package labels keeps the truth about predictions, which arrives late, and joins it
// with what was predicted.
//
// A newcomer makes three calls: [Handler] takes labels over HTTP, [Join] pairs the
// predictions of a time window with their labels, and [Cover] says what share of them
// has one.
//
// Labels are idempotent: the same label again, at whatever later point, is a no-op. One
// with another truth or another Time is a new revision, and the label with the latest
// Time wins. A label may come before its prediction; it is kept and joined once the
// prediction shows up. One that cannot be the truth of its prediction is kept too, and
// is marked and counted as a misfit: it stops neither the feed nor a join.
//
// When a label arrived is kept with it. So [JoinAsOf] and [CollectAsOf] can tell what was
// known at an earlier moment, such as that at which a model was trained.
//
// [MemoryStore] serves tests and examples, the sub-package csvlabels is the embedded
// default, and the sub-package labelstest holds the promises that every store keeps.
package labels
