// Package gate decides whether a shadow model may replace the model in production, from both
// models' answers on the same rows.
//
// A newcomer makes two calls. [Replay] builds the [Evidence]; [FromScores] does so if a job
// already has the scores. [Evaluate] turns the evidence into a [Decision] by a [Policy], such
// as [Standard]. Evaluate is pure. The decision says for every criterion what was measured, on
// how many rows, against which threshold, and why the criterion passes or not.
//
// A rejected model is a result, not an error. Nothing is promoted by default: the zero
// Decision does not promote, and neither does missing, malformed or insufficient evidence.
// [Recompute] makes a decision again from its stored rules and tallies.
//
// Package metrics holds the measures, and paired the tests and intervals. Package budget
// bounds the chance of any false promotion over a year of decisions. Package audit shows
// whether a stored decision was changed. Package sequential watches a model after its
// promotion, with a bounded chance of a false alarm however often one looks. Package modeltest
// checks a host's [Model].
package gate
