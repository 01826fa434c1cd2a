// Package paired infers from two models' answers to the same rows which model is better.
//
// Its functions are named after the methods, and are pure and safe for concurrent use:
//
//   - [McNemar] and [Tango] compare shares, such as accuracies, from the rows on which
//     the models differ;
//   - [DeLong] compares areas under the ROC curve;
//   - [Mean] bounds a mean difference, such as the difference of two Brier scores;
//   - [NewTilted] bounds any statistic of counts, such as the difference of two F1, by a
//     bootstrap whose cost does not grow with the rows;
//   - [Holm] adjusts p-values for their number.
//
// Package gate compares all metrics of classes by [NewTilted], areas by [Placements] as DeLong
// does, and every other metric by [Mean]. It adjusts segments by [Holm]. McNemar, Tango and
// DeLong are for a host's own criteria and reports.
//
// Differences are the candidate's value less the incumbent's. Arguments are not modified. A
// malformed argument, such as a NaN, is an error that wraps [ErrInput] and names the argument.
// Rows must be drawn independently: the intervals are too short if rows repeat an entity or
// follow each other in time.
package paired
