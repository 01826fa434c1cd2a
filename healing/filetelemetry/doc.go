// Package filetelemetry keeps the telemetry of healing in a folder: a folder for each
// series, a file for each UTC day, a line for each point. A pass is a line that a person can
// read; what is not text is in base64.
//
// The folder is shared safely by the goroutines of a process and by the processes of one
// machine. A Put that returned is on the disk (see [Config.NoSync]); one whose process was
// killed is there as a whole or not at all, also if its points are of several days or
// series. To replace a point is to append it again: the last line of it counts, and a file
// more than half of which is outdated is written anew now and then. A line that is not
// what was written is reported with its file and number, and costs no other.
//
// A Scan opens only the files of the days that it is asked for; with PointQuery.Last, the
// newest first, and no more of them than it needs. [Store.Prune] removes whole days.
package filetelemetry
