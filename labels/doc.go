// Package labels keeps the truth about predictions, which arrives late, and joins it with the
// predictions.
//
// A newcomer makes three calls: [Handler] takes labels over HTTP, [Join] pairs the
// predictions of a time window with their labels, and [Cover] returns the share of
// predictions that have a label.
//
// Labels are idempotent: the same label again, at whatever later point, is a no-op. A label
// with another truth or another Time is a new revision, and the label with the latest Time
// wins. A label may come before its prediction; it is kept and joined once the prediction is
// there. A label that cannot be the truth of its prediction is kept too, and is marked and
// counted as a misfit: it stops neither the feed nor a join.
//
// The time of arrival is kept with each label. [JoinAsOf] and [CollectAsOf] therefore know
// which labels were known at an earlier moment, such as the moment at which a model was
// trained.
//
// [MemoryStore] serves tests and examples, the sub-package csvlabels is the embedded default,
// and the sub-package labelstest checks the promises that every store keeps.
package labels
