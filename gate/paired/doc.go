// Package paired infers from two models' answers to identical rows which one is better.
//
// Its functions are named after the methods, and are pure and safe for concurrent use:
//
//   - [McNemar] and [Tango] compare shares, such as accuracies, from the rows on which
//     the models differ;
//   - [DeLong] compares areas under the ROC curve;
//   - [Mean] bounds a mean difference, such as that of Brier's scores;
//   - [NewTilted] bounds any statistic of counts, such as the difference of two F1, by a
//     bootstrap whose cost does not grow with the rows; [Percentile] and [BCa] turn the
//     draws of other bootstraps into intervals;
//   - [SignFlips] permutes the two models' outcomes row by row;
//   - [Holm], [Bonferroni] and [BenjaminiHochberg] adjust p-values for their number.
//
// Package gate compares metrics of classes by [NewTilted], accuracy too, so that one
// method serves all of them and shares of production's value; areas by [Placements] and
// what DeLong does with them, and every other metric by [Mean]; it adjusts segments by
// [Holm]. The other functions are for criteria and reports of the host's own.
//
// Differences are those of the candidate from the incumbent. Arguments are not modified.
// A malformed argument, such as a NaN, is an error that wraps [ErrInput] and names it.
// Rows are taken to be drawn independently; of rows that repeat an entity, or that follow
// each other in time, the intervals are too short.
package paired
