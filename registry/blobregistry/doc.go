// Package blobregistry keeps the versions of a model, the journal and the lease of a loop in
// object storage (S3 and what speaks its protocol, Google Cloud Storage, Azure), without a
// database.
//
// A newcomer makes three calls: a driver of gocloud.dev/blob opens a bucket, [Open] sees
// whether it can be relied on, and [Bucket.Registry] returns the registry of a model.
// [Bucket.Log] is what a journal is kept in, under a name of its own, and [Bucket.Lease] is
// what keeps two processes from training at the same time.
//
// All of it stands on one ability of the store: to write an object only if its key does not
// exist (If-None-Match on S3). Each entry of a log is an object with a number for a key, and
// whoever wrote it has the number; each token of a lease is such an object too. Nothing is
// ever overwritten, so that nothing is half written either, and a process may die at any
// instruction. Any number of processes may share a bucket.
//
// # What the store must do
//
// Two processes that write one key at the same time must not both succeed, and what was
// written must be found at once, also in a list. S3, Google Cloud Storage and Azure promise
// both. Stores that only resemble S3 may accept the condition and ignore it: [Open] refuses
// these. It cannot see whether a store checks and writes in one step: ask its maker, or run
// the tests of this package against it. A folder of files (the driver fileblob) does not
// across processes, and is refused: package fileregistry is for folders. Reads must come
// from the store itself, not from a cache or a CDN before it, which would show an old end of
// the log.
//
// The process needs the rights to get, put, list and delete objects, and on S3 to list and
// abort multipart uploads. A bucket may be shared with others through blob.PrefixedBucket.
//
// # What lies in the bucket
//
//	log/NAME/00000000000000000001          an entry; never deleted
//	blob/NAME/RANDOM                       a file of a version; deleted with it
//	lease/NAME/claim/00000000000000000001  a token; never deleted
//	lease/NAME/sign/TOKEN/...              renewals and releases; deleted by later holders
//	scratch/RANDOM                         a question to the store; deleted at once
//
// # Lifecycle rules, versions and locks
//
// A rule that deletes by age must never match log/, blob/ or lease/: a log whose first
// entries are gone is damaged, and its chain says so; a lease whose first claim is gone
// gives out no more tokens. Safe are a rule that aborts incomplete multipart uploads after a
// day, which does what [Bucket.Sweep] does, one that removes noncurrent versions, and one
// that deletes scratch/ after a day.
//
// A bucket may keep versions of objects. As nothing is overwritten, all that this costs is
// that what was deleted (files of deleted versions, renewals) takes up space until a rule
// removes noncurrent versions. A bucket may lock objects (Object Lock): a default retention
// fits log/ well, as it makes the history one that nobody can rewrite, and does no harm to
// the rest, in which deletion then only adds a marker. Where deletion fails outright, a
// lease cannot be renewed.
//
// # Costs
//
// To ask a log for news when there are none is two requests for objects that are not there,
// at the same time, and no list: a serving process that asks every 30 seconds makes 172,800
// such requests a month. New entries cost one request each and one list. A process that
// starts reads a log sixteen entries at a time. An append is one request; Open is five.
// Renewals of a lease are not in the log: each is six requests, thrice a ttl, only while a
// loop is at work. Waiting for a lease is three requests each time it is asked for, and seven
// when its holder renewed it since. An artifact costs one request for each part of
// [Config].PartSize.
//
// # What happens when a process dies
//
// Its entries are there or not. The content of a version that it was about to register is
// not seen by anybody; Sweep removes what was sent of it, and [registry.Ledger.Clean] what
// was sent wholly but is no version's. Its lease is free one ttl after its last renewal: a
// process that asks repeatedly measures that by its own clock, from when it first saw that
// renewal, and one that just came by the clock of the store, to which it adds two seconds,
// for stores tell times in seconds. A lease never compares the clocks of two machines; Clean
// and Sweep do, and allow for it by the age that they are given.
//
// A process that is stopped, and wakes up when another has the lease, can still write to
// the store. What keeps it from doing harm is its token: log and registry refuse it once the
// next holder has written anything. See [registry.Chain].
//
// An entry that was lost, although later ones are there, is read as an empty one, which a
// chain reports as damage. Losses are looked for when a process first reads a log and
// whenever it has read new entries, not at each poll: of a log that lost several entries in a
// row right behind those that a process has read, this process learns when it reads anew.
package blobregistry
