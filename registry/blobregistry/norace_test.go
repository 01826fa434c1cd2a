//go:build !race

package blobregistry_test

// raceDetector says whether the race detector watches, which takes memory of its own.
const raceDetector = false
