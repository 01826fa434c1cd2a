package predictlog

import (
	"maps"
	"slices"
	"time"
)

// Output is the answer of a model to one row. A classifier sets Class and, if it has them,
// Probabilities; a regression sets Value. The zero Output means that no answer is known, as
// in rows imported from the time before the service.
type Output struct {
	// Class is the predicted class, one of the schema's [Target.Classes]; empty for a
	// regression.
	Class string
	// Value is the predicted value of a regression, in the unit of the target; 0 for a
	// classifier.
	Value float64
	// Probabilities holds the probability of each class, in [0, 1], in the order of
	// [Target.Classes]; nil if the model gives none.
	Probabilities []float64
}

// IsZero reports whether o holds no answer. To IsZero a regression's answer of exactly 0
// looks like none; see [Record.Answered], which knows whether a version answered.
func (o Output) IsZero() bool {
	return o.Class == "" && o.Value == 0 && o.Probabilities == nil
}

// Equal reports whether both outputs are the same. NaN equals NaN; 0 and -0 differ.
func (o Output) Equal(p Output) bool {
	return o.Class == p.Class && sameNumber(o.Value, p.Value) &&
		slices.EqualFunc(o.Probabilities, p.Probabilities, sameNumber)
}

// Violation names a rule of the [Schema] that a row breaks.
type Violation struct {
	Column string `json:"column"` // the column's name
	Rule   string `json:"rule"`   // the broken rule as written in the schema: "lte=120"
	Value  string `json:"value"`  // the offending value, as [Value.String] prints it
}

// String returns a sentence such as "age is 150, want lte=120".
func (v Violation) String() string { return v.Column + " is " + v.Value + ", want " + v.Rule }

// Record is one answered request. A stored record never changes. All its texts are
// valid UTF-8 without NUL bytes, which every store can keep.
type Record struct {
	// ID names the prediction for ever; a label refers to it. Letters, digits and
	// ASCII punctuation but no spaces, quotes or commas, at most 128 bytes.
	ID string
	// Time is when the request was answered, in UTC. Every store keeps Time to the
	// microsecond and cuts off the rest, so a stored Time is never later than the answer.
	Time time.Time
	// Model and Version say which model answered. Both are empty for a row that was imported
	// without an answer, or if the service does not name them.
	Model, Version string
	// Row is the input.
	Row Row
	// Output is the answer.
	Output Output
	// Latency is how long the answer took, cut off to the microsecond.
	Latency time.Duration
	// Violations are the rules that Row broke when it was recorded, nil for none.
	Violations []Violation
	// Tags are the host's own, nil for none. Keys are not empty.
	Tags map[string]string
}

// Answered reports whether the record holds a model's answer: the record names a version, or
// its output is not zero.
func (r Record) Answered() bool { return r.Version != "" || !r.Output.IsZero() }

// Equal reports whether two records have the same content. Times are compared as
// instants, in the microseconds that stores keep; nil and empty collections are equal.
func (r Record) Equal(s Record) bool {
	return r.ID == s.ID &&
		r.Time.Truncate(time.Microsecond).Equal(s.Time.Truncate(time.Microsecond)) &&
		r.Model == s.Model && r.Version == s.Version &&
		r.Row.Equal(s.Row) && r.Output.Equal(s.Output) &&
		r.Latency.Truncate(time.Microsecond) == s.Latency.Truncate(time.Microsecond) &&
		slices.Equal(r.Violations, s.Violations) && maps.Equal(r.Tags, s.Tags)
}

// Clone returns a copy of the record that shares no memory with the record. The times of the
// copy are as stores keep them: in UTC and to the microsecond.
func (r Record) Clone() Record {
	r.Time = r.Time.UTC().Truncate(time.Microsecond)
	r.Latency = r.Latency.Truncate(time.Microsecond)
	r.Row = slices.Clone(r.Row)
	r.Output.Probabilities = slices.Clone(r.Output.Probabilities)
	r.Violations = slices.Clone(r.Violations)
	r.Tags = maps.Clone(r.Tags)
	return r
}
