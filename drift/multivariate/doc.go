// Package multivariate compares all columns of two batches of rows at once. It sees changes of
// how columns go together, which no test of single columns can see.
//
// [DomainClassifier] tests whether a classifier can tell current rows from reference rows, and
// ranks the columns by what they contribute. [PCAReconstruction] tests whether principal
// components of the reference still describe the current rows. [MMD] is a permutation test on
// rows of numbers.
//
// The functions never modify what they are given, take their randomness from a seed, and are
// safe for concurrent use.
package multivariate
