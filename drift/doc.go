// Package drift tells whether data still look as they did when a model was trained.
//
// An analyst with two samples calls a test: [KolmogorovSmirnov] and [Wasserstein1] take
// the values, [ChiSquare], [PSI], [JensenShannon] and [TotalVariation] take counts. Each
// returns a [Result].
//
// A service makes four calls. [NewReference] freezes the training data as counts on
// cells: quantiles of a numeric column, levels of a categorical one, and separate cells
// for what is missing, infinite or unseen. [Reference.NewProfile] and [Profile.Add] count
// a batch on the same cells. [Detector.Detect] compares the two and returns a [Report],
// which is plain JSON. [Methods] lists the ways to compare a column.
//
// The rooms beside this package: drift/reportpage shows a Report as a page. drift/proxy describes
// what the model answers, which needs no labels. drift/twosample has further two-sample tests by
// name, and SciPy's numbers where those differ. drift/multivariate looks at all columns of two
// batches at once. drift/evidently says what Evidently would have said.
//
// # What is guaranteed
//
// A Profile holds integers and extremes: counts, and sums in a unit that the reference
// fixes, about 2^-47 of the column's spread. So [Profile.Merge] is exact, associative and
// commutative: a window that was counted in parts, in any order and by any number of
// processes, gives the same report, byte for byte, as one that was counted at once. What
// counting loses is bounded, see [ProfileResult].
//
// A column is called [Drifted] only if a change is both significant after correction over
// all columns and at least as large as the configured floor. A column on which too little
// is known is [Insufficient], with the number of rows that would do, and one that cannot
// be judged is [Invalid], with the reason; neither stops the others.
//
// The package reads no clock and never modifies what it is given. [NewReference],
// [Profile.Add], [Detector.Detect], [KolmogorovSmirnov] and [Wasserstein1] use a second processor
// while they run, if there is enough to do, and leave no goroutine behind. Functions, a Reference
// and a Detector are safe for concurrent use; a Profile is not.
package drift
