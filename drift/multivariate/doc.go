// Package multivariate compares all columns of two batches of rows at once. It sees changes of
// the dependence between columns, which no test of single columns can see.
//
// [DomainClassifier] tests whether a classifier can tell current rows from reference rows, and
// ranks the columns by their contribution. [PCAReconstruction] tests whether principal
// components of the reference still describe the current rows. [MMD] is a permutation test on
// rows of numbers.
//
// Functions never modify their arguments, are seeded, and are safe for concurrent use.
package multivariate
