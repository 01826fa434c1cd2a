// Package csvlog keeps predictions in CSV files that any tool reads: the embedded
// default of [predictlog.Store].
//
// A newcomer makes one call, [Open], and has a store in a folder. Goroutines and
// processes on one machine may share the folder, each with a Store of its own.
//
// # Files
//
// There is a file for each UTC day and schema, such as 2026-11-23.1f0c94b2.csv, where
// 1f0c94b2 is the beginning of the schema's fingerprint. A changed schema starts a new file,
// even in the middle of a day; schemas.jsonl holds each schema that was ever used, so that
// older files can be read. The first row of a file names its columns:
//
//	id,time,model,version,income,region,class,p(0),p(1),latency_us,violations,tags
//
// The columns of the schema keep their names, but a name that another column of the file has
// gets an underscore at its end: time becomes time_ (and time_ then becomes time__). A
// regression has value in the place of class and p(...). time is RFC 3339 in UTC with
// microseconds, latency_us is in microseconds, violations and tags are JSON. Files follow RFC
// 4180, in UTF-8, with "\n" at the end of a row. An empty cell is missing; a quoted empty
// cell "" is the empty category. Numbers are the shortest that read back as the same float64;
// NaN, +Inf, -Inf and -0 are kept.
//
// Files may be edited by hand while no store is open on the folder, as long as their first
// row stays: "\r\n", empty rows, a byte order mark and needless quotes are read too. A row
// with a cell that cannot be read is passed over by scans and reported, with the file, the
// line, the column and what was expected. The row remains in the file, and its ID is taken.
// Many such rows in a file are an error, see [Store.Scan]. A last row without a line end
// counts as torn.
//
// # Guarantees
//
// With [SyncBatch], Append returns once its records are on the disk. A failed Append leaves
// nothing. If the process is killed meanwhile, none, some or all of the records remain, each
// whole, and repeating the Append completes it: stored records are no-ops. A torn record is
// set aside, see [appendfile]; it is neither read nor lost. A taken ID is found among the
// records of its UTC day, including those of other processes and schemas; the same ID on
// another day is another record. A Scan holds no lock while it yields, and no Append waits
// for it. [Store.Prune] removes whole days.
package csvlog
