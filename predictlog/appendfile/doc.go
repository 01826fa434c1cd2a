// Package appendfile keeps whole records in a file that only grows, shared by the
// goroutines of a process and by processes on one machine.
//
// A newcomer makes three calls: [Open] a [File], [File.Update] it to append, and
// [Snapshot] to read what is there. A caller that keeps an index of the file in memory
// is handed each committed record once, also those that other processes wrote.
//
// What it guarantees: one Update at a time over all processes, by an advisory lock of
// the operating system on the file itself, which a killed process releases. An Update
// that returned is on the disk (see [Config.NoSync]). One that failed leaves nothing.
// One that was killed leaves whole records and perhaps a torn one at the end, which the
// next Update copies to a file of its own, cuts off and reports, so that a torn record
// is neither read nor lost. Readers never see bytes that are not committed.
//
// The locks do not reach over network file systems that do not implement them.
package appendfile
