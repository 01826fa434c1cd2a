// Package metrics computes the usual measures of a model's answers against the truth.
//
// A newcomer makes three calls: [NewConfusion] counts hits and misses of a binary
// classifier, whose methods are the measures of its classes; [BinaryBrier] and [BinaryROCAUC] judge
// its probabilities; [RootMeanSquaredError] judges a regression.
//
// All functions are pure, safe for concurrent use, and leave their arguments alone.
// These rules hold for each of them:
//
//   - Weights nil means that every row weighs 1. Otherwise there is one weight for each
//     row: 0, for a row that counts for nothing, or a number from 1e-100 to 1e100.
//   - Malformed input (slices of different length, a NaN, a probability outside [0, 1],
//     those of a row's classes that do not sum up to 1 within [SumTolerance]) is an error that wraps [ErrInput] and names the argument and the index.
//   - A measure that has no value on well-formed input (no rows, one class only) is an
//     error that wraps [ErrUndefined] and says why. It is never replaced by 0 or NaN.
//
// Values equal those of scikit-learn where both are defined; the comments say where
// scikit-learn answers a number and this package an error.
package metrics
