// Package registrytest proves that a [registry.Registry], a [registry.Log] or
// [registry.Blobs] keep the promises of their interfaces, and breaks one on purpose.
//
// Who implements one of them calls [Run], [RunLog] or [RunBlobs] in a test, with a harness
// that says how to open it, to open it again, and to open a second one on the same data.
// All of the harness but New is optional; a promise that cannot be checked without the
// rest is named in the log of the test (go test -v). The file own_store_test.go shows a
// store of one's own from end to end, to be copied.
//
// Who uses a registry or a log wraps it in a [Faulty] or a [FaultyLog] to see what becomes
// of the own code when a call fails.
package registrytest
