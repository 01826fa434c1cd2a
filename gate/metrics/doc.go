// Package metrics defines metrics, which measure a model's answers against the truth, and
// computes the usual ones.
//
// A [Metric] is one value with a name, a direction, a unit and the tasks it suits. [F1],
// [Brier] and [RMSE] are metrics; [All] lists them. A host makes its own metric with
// [OfCounts] or [OfRows]. Package gate compares models by either kind.
//
// A newcomer makes three calls. [NewRows] takes the truth and a model's answers, and
// [Metric.Measure] measures them. [NewConfusion] counts hits and misses. [BinaryBrier],
// [RootMeanSquaredError] and the like compute the same measures from columns, with weights.
//
// All functions are pure, safe for concurrent use, and do not modify their arguments. The
// exception is [Rows], which belong to one goroutine. Functions of columns follow these rules:
//
//   - Nil weights mean that every row weighs 1. Otherwise each row has one weight: a number
//     from 1e-100 to 1e100, or 0 for a row that does not count.
//   - Malformed input is an error that wraps [ErrInput] and names the argument and the index:
//     slices of different length, a NaN, a probability outside [0, 1], or probabilities of a
//     row that do not sum up to 1 within [SumTolerance].
//   - Well-formed input on which the measure has no value (no rows, or one class only) is an
//     error that wraps [ErrUndefined] and says why. The value is never replaced by 0 or NaN.
//
// Values equal those of scikit-learn where both are defined. The comments name the cases in
// which scikit-learn answers a number and this package returns an error.
package metrics
