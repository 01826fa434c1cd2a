package predictlog

import "slices"

// Projection turns records of one schema into records of another, as [Store] promises of a
// store that is opened with another schema than before. A Projection is immutable and safe
// for concurrent use.
type Projection struct {
	from, to *Schema
	same     bool  // the schemas are equal but for their rules
	places   []int // where the value of each column goes, or -1
	classes  []int // where the probability of each class goes, or -1
}

// NewProjection returns a projection of records that follow from to records that follow to.
func NewProjection(from, to *Schema) *Projection {
	p := &Projection{from: from, to: to, same: from.fingerprint == to.fingerprint}
	for _, c := range from.columns {
		at, ok := to.index[c.Name]
		if !ok || to.columns[at].Kind != c.Kind {
			at = -1
		}
		p.places = append(p.places, at)
	}
	for _, class := range from.target.Classes {
		p.classes = append(p.classes, slices.Index(to.target.Classes, class))
	}
	return p
}

// Record returns r as a record of the other schema. Columns are matched by name and kind; a
// column that only the other schema has is missing. An output that does not fit the other
// target becomes the zero Output: an output of another task, of a class that is gone, or with
// a probability other than 0 for such a class. New classes have probability 0. The record
// shares memory with r.
func (p *Projection) Record(r Record) Record {
	if p.same {
		return r
	}
	row := make(Row, p.to.Len())
	for i, at := range p.places {
		if at >= 0 {
			row[at] = r.Row[i]
		}
	}
	r.Row = row
	r.Output = p.output(r.Output)
	return r
}

func (p *Projection) output(o Output) Output {
	from, to := &p.from.target, &p.to.target
	if from.Task == Regression && to.Task == Regression {
		return o
	}
	if from.Task == Regression || !slices.Contains(to.Classes, o.Class) {
		return Output{}
	}
	if o.Probabilities == nil {
		return o
	}
	probabilities := make([]float64, len(to.Classes))
	for i, x := range o.Probabilities {
		switch at := p.classes[i]; {
		case at >= 0:
			probabilities[at] = x
		case x != 0:
			return Output{}
		}
	}
	o.Probabilities = probabilities
	return o
}
