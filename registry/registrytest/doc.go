// Package registrytest proves that a [registry.Registry] keeps the promises of the
// interface, and breaks one on purpose.
//
// Who implements a registry calls [Run] in a test. Who uses one wraps it in a [Faulty] to
// see what becomes of the own code when a call fails.
package registrytest
