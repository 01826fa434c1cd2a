// Package metrics defines what a metric is, and computes the usual ones: measures of a
// model's answers against the truth.
//
// A [Metric] is one value: its name, direction and unit, the targets it suits, and how it
// is computed. [F1], [Brier] and [RMSE] are such values; [All] lists them. A host makes its
// own metric by [OfCounts] or [OfRows]. Package gate compares models by either kind.
//
// A newcomer makes three calls: [NewRows] takes what was true and what a model answered,
// [Metric.Measure] measures it, and [NewConfusion] counts hits and misses, where these are
// wanted by themselves. [BinaryBrier], [RootMeanSquaredError] and the like are the same
// measures as functions of columns, with weights.
//
// All functions are pure, safe for concurrent use, and leave their arguments alone, but
// for [Rows], which belong to one goroutine. These rules hold for the functions of columns:
//
//   - Weights nil means that every row weighs 1. Otherwise there is one weight for each
//     row: a number from 1e-100 to 1e100, or 0 for a row that does not count.
//   - Malformed input is an error that wraps [ErrInput] and names the argument and the
//     index: slices of different length, a NaN, a probability outside [0, 1], the
//     probabilities of a row that do not sum up to 1 within [SumTolerance].
//   - A measure that has no value on well-formed input (no rows, one class only) is an
//     error that wraps [ErrUndefined] and says why. It is never replaced by 0 or NaN.
//
// Values equal those of scikit-learn where both are defined; the comments say where
// scikit-learn answers a number and this package an error.
package metrics
