// Package registrytest checks that a [registry.Registry], a [registry.Log] or
// [registry.Blobs] keep the promises of their interfaces, and makes them fail on purpose.
//
// The author of an implementation calls [Run], [RunLog] or [RunBlobs] in a test, with a
// harness that opens the store, opens it again, and opens a second handle on the same data.
// Only New is required. The log of the test (go test -v) names promises that could not be
// checked without another field. The file own_store_test.go shows a whole store of this kind,
// to be copied.
//
// The author of code that uses a registry or a log wraps it in a [Faulty] or a [FaultyLog] to
// see how the code behaves when a call fails.
package registrytest
