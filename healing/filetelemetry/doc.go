// Package filetelemetry keeps the telemetry of healing in a folder: a folder for each series,
// a file for each UTC day, a line for each point. A person can read the line of a pass; data
// that are not text are in base64.
//
// Goroutines of a process and processes of one machine may share the folder. After a Put has
// returned, its points are on the disk (see [Config.NoSync]). A Put whose process was killed
// is there as a whole or not at all, even if its points are of several days or series. A
// point is replaced by appending it again: its last line counts, and now and then a file that
// is more than half outdated is written anew. A line whose bytes have changed is reported
// with its file and number, and costs no other line.
//
// A Scan opens only the files of the days that the query names. With PointQuery.Last it opens
// the newest files first, and no more than it needs. [Store.Prune] removes whole days.
package filetelemetry
