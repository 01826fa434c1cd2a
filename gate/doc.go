// Package gate decides whether a shadow model may replace the one in production, from
// the answers of both on identical rows.
//
// A newcomer makes two calls: [Replay] (or [FromScores], where a job has the scores
// already) builds the [Evidence], and [Evaluate] turns it into a [Decision] by a
// [Policy], such as [Standard]. Evaluate is pure, and its result says of every criterion
// what was measured, on how many rows, against which threshold, and why that passes or
// does not.
//
// A rejected model is a result, not an error. Nothing is promoted by default: the zero
// Decision does not promote, and neither does missing, malformed or insufficient
// evidence.
//
// A decision holds what it rests on: [Recompute] makes the decision again from the stored
// rules and tallies.
//
// The sub-packages are side rooms. Package metrics holds the measures, and paired the tests
// and intervals. Package budget bounds the chance of any false promotion over a year of
// decisions. Package audit shows whether a stored decision was changed. Package sequential
// watches a model after its promotion, with a stated chance of a false alarm however often
// one looks. Package modeltest checks a host's [Model].
package gate
