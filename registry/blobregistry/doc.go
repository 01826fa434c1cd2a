// Package blobregistry keeps the versions of a model, the journal and the lease of a loop in
// object storage (S3 and what speaks its protocol, Google Cloud Storage, Azure), without a
// database.
//
// A newcomer makes three calls: a driver of gocloud.dev/blob opens a bucket, [Open] checks
// the bucket, and [Bucket.Registry] returns the registry of a model. [Bucket.Log], under a
// name of its own, keeps a journal, and [Bucket.Lease] keeps two processes from training at
// the same time.
//
// The package rests on one ability of the store: to write an object only if its key does not
// exist (If-None-Match on S3). Each entry of a log is an object whose key is a number, and
// the process that wrote it has the number; each token of a lease is such an object too.
// Nothing is ever overwritten, so nothing is half written either, and a process may die at
// any instruction. Any number of processes may share a bucket.
//
// # What the store must do
//
// Two processes that write one key at the same time must not both succeed, and a written
// object must be found at once, also in a list. S3, Google Cloud Storage and Azure promise
// both. Stores that only resemble S3 may accept the condition and ignore it: [Open] refuses
// these. Open cannot see whether a store checks and writes in one step: ask its maker, or run
// the tests of this package against the store. A folder of files (the driver fileblob) does
// not across processes, and is refused: package fileregistry is for folders. Reads must come
// from the store itself, not from a cache or a CDN in front of it, which would show an old
// end of the log.
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
// entries are gone is damaged, and its chain reports this; a lease whose first claim is gone
// gives out no more tokens. Three rules are safe: one that aborts incomplete multipart
// uploads after a day, as [Bucket.Sweep] does; one that removes noncurrent versions; and one
// that deletes scratch/ after a day.
//
// A bucket may keep versions of objects. Nothing is overwritten, so the only cost is that
// deleted objects (files of deleted versions, renewals) take up space until a rule removes
// noncurrent versions. A bucket may lock objects (Object Lock): a default retention fits log/
// well, because nobody can then rewrite the history, and does no harm to the rest, where a
// deletion then only adds a marker. If deletion fails outright, a lease cannot be renewed.
//
// # Costs
//
// Asking a log for news when there are none takes two simultaneous requests for objects that
// do not exist, and no list: a serving process that asks every 30 seconds makes 172,800 such
// requests a month. New entries cost one request each and one list. A process that starts
// reads a log sixteen entries at a time. An append is one request; Open is five. Renewals of
// a lease are not in the log: each is six requests, three times a ttl, only while a loop is
// at work. Waiting for a lease is three requests each time, and seven when its holder renewed
// it since. An artifact costs one request for each part of [Config].PartSize.
//
// # What happens when a process dies
//
// Its entries exist or not. Nobody sees the content of a version that it was about to
// register: Sweep removes unfinished uploads, and [registry.Ledger.Clean] removes finished
// ones that belong to no version. Its lease is free one ttl after its last renewal. A process
// that asks repeatedly measures the ttl by its own clock, from when it first saw that
// renewal. A process that asks for the first time measures by the clock of the store, and
// adds two seconds, because stores tell times in seconds. A lease never compares the clocks
// of two machines; Clean and Sweep do, and their age parameter allows for it.
//
// A process that is stopped, and wakes up when another has the lease, can still write to the
// store. Its token keeps it from doing harm: log and registry refuse the token once the next
// holder has written anything. See [registry.Chain].
//
// A lost entry before a later entry is read as an empty one, which a chain reports as damage.
// A process looks for losses when it first reads a log and whenever it has read new entries,
// not at each poll. If a log lost several entries in a row right after those that a process
// has read, this process notices when it reads the log anew.
package blobregistry
