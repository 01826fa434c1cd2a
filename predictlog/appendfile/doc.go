// Package appendfile keeps whole records in a file that only grows, shared by the
// goroutines of a process and by processes on one machine.
//
// A newcomer makes three calls: [Open] a [File], [File.Update] it to append, and [Snapshot]
// to read it. A caller that keeps an index of the file in memory gets each committed record
// once, including those of other processes.
//
// The guarantees are as follows. One Update runs at a time over all processes, by an advisory
// lock of the operating system on the file itself, which a killed process releases. After an
// Update has returned, its records are on the disk (see [Config.NoSync]). A failed Update
// leaves nothing. A killed Update leaves whole records and perhaps a torn one at the end. The
// next Update copies the torn record to a file of its own, cuts it off and reports it, so a
// torn record is neither read nor lost. Readers never see bytes that are not committed.
//
// The locks do not reach over network file systems that do not implement them.
package appendfile
