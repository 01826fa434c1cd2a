// Package csvlabels keeps labels in one CSV file, for services that want no database.
//
// A newcomer makes one call: [Open], whose [Store] is a [labels.Store] and a [labels.Pruner].
// The file only grows, except in [Store.Prune]. It has a header, follows RFC 4180 and can be
// read with any tool:
//
//	prediction_id,class,value,time,arrived
//	0197a2b4-7c3e-7d7e-b5a1-0123456789ab,yes,,2025-06-01T12:00:00.000000Z,2025-06-08T03:00:00.000000Z
//	0197a2b4-7c3f-7d7e-b5a1-0123456789ab,,12.5,2025-06-01T12:00:01.000000Z,2025-06-08T03:00:00.000000Z
//
// Either class or value is empty. Times are written in UTC to the microsecond and read in any
// zone of RFC 3339. Labels arrive one after the other, at the time of the machine: a label
// that a reader did not see arrives later than the reading.
//
// Any number of processes on one machine may have the file open: once an Append has returned
// in one process, the next call of every other process sees its labels. These labels survive
// a killed process and, unless [Config.NoSync] is set, a power failure. A process that is
// killed within Append leaves whole labels, and perhaps a part of one at the end, which the
// next Append sets aside in a file of its own and reports.
//
// Every label is indexed in memory for as long as the store is open, however old it is, in
// 130 to 160 bytes if prediction IDs are UUIDs; see [labels.Index]. Ten million labels take
// up to 1.6 GB of memory and about 1 GB of disk. Append costs one fsync, whatever the number
// of labels, so a feed should send many at once.
//
// If another file takes the place of the file, by a Prune or otherwise, the next call reads
// the new file. A file that was removed, or made shorter in place, is an error that wraps
// [appendfile.ErrChanged], because labels may be lost.
//
// The file may be edited while it is not open. A cell that cannot be read is a [*CellError],
// on which every method fails until the cell is mended. A last line that does not end in a
// newline counts as torn.
package csvlabels
