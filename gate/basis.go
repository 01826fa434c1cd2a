package gate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// Basis is what remains of the evidence in a [Decision]: what the criteria of this
// package ask of it, in a size that does not grow with the rows. Together with the rules
// it is what [Recompute] needs.
type Basis struct {
	Target        predictlog.Target `json:"target"`
	LastPromotion time.Time         `json:"last_promotion,omitzero"`
	Coverage      labels.Count      `json:"coverage"`
	// TrainingRows and the latencies are as in the evidence.
	TrainingRows      int     `json:"training_rows,omitempty"`
	ProductionLatency Latency `json:"production_latency,omitzero"`
	ShadowLatency     Latency `json:"shadow_latency,omitzero"`
	// ProductionProbabilities and ShadowProbabilities say whether the models gave any.
	ProductionProbabilities bool `json:"production_probabilities,omitempty"`
	ShadowProbabilities     bool `json:"shadow_probabilities,omitempty"`
	// Tallies count the rows by truth and answers, in that order. Segments does so for
	// each category of each segmenting column. Both are nil where there are more than
	// 10,000 tallies in all, or more than 1000 classes.
	Tallies  []Tally                       `json:"tallies,omitempty"`
	Segments map[string]map[string][]Tally `json:"segments,omitempty"`
	// Facts is what criteria took from single rows, by what it is.
	Facts map[string]Fact `json:"facts,omitempty"`
}

const (
	// maxTallies bounds the size of a Basis, at about 15 bytes each.
	maxTallies = 10_000
	// maxTallyClasses keeps the number that stands for a tally within an int.
	maxTallyClasses = 1000
	// maxRestored bounds the memory that a decision is made again in, at 16 bytes a row.
	maxRestored = 10_000_000
)

// Tally is a number of rows that have the same truth and answers, as indices into the
// target's classes: of a first deployment Production is 0, of a regression all three. In
// JSON it is an array of the four numbers.
type Tally struct{ Truth, Production, Shadow, Rows int }

// MarshalJSON writes the four numbers.
func (t Tally) MarshalJSON() ([]byte, error) {
	return json.Marshal([4]int{t.Truth, t.Production, t.Shadow, t.Rows})
}

// UnmarshalJSON reads exactly four numbers.
func (t *Tally) UnmarshalJSON(data []byte) error {
	var four []int
	if err := json.Unmarshal(data, &four); err != nil {
		return err
	}
	if len(four) != 4 {
		return fmt.Errorf("gate: tally of %d numbers, want 4", len(four))
	}
	*t = Tally{four[0], four[1], four[2], four[3]}
	return nil
}

func (t Tally) production() int { return t.Production }

func (t Tally) shadow() int { return t.Shadow }

// answers returns the tally without its number of rows.
func (t Tally) answers() Tally {
	t.Rows = 0
	return t
}

// tallyClasses returns the number of classes, 1 for a regression.
func tallyClasses(target predictlog.Target) int { return max(1, classCount(target)) }

// newBasis sums up valid evidence, but for the facts.
func newBasis(e *Evidence) *Basis {
	b := &Basis{
		Target:              e.Target,
		LastPromotion:       instant(e.LastPromotion),
		Coverage:            e.Coverage,
		TrainingRows:        e.TrainingRows,
		ProductionLatency:   e.ProductionLatency,
		ShadowLatency:       e.ShadowLatency,
		ShadowProbabilities: e.Shadow.hasProbabilities(),
	}
	if !e.First() {
		b.ProductionProbabilities = e.Production.hasProbabilities()
	}
	b.tally(e)
	return b
}

// tally counts the rows, unless there are too many tallies.
func (b *Basis) tally(e *Evidence) {
	if tallyClasses(e.Target) > maxTallyClasses {
		return
	}
	all := overall(e)
	n := len(all)
	segments := make(map[string]map[string][]Tally, len(e.Segments))
	for _, column := range sortedKeys(e.Segments) {
		segments[column] = byCategory(e, column)
		for _, t := range segments[column] {
			n += len(t)
		}
	}
	if n > maxTallies {
		return
	}
	b.Tallies = all
	if len(segments) > 0 {
		b.Segments = segments
	}
}

// evidence returns evidence on which the criteria of this package find what the decision
// says. It has no rows but their number, so that what is made of it takes no more memory
// than the decision does, and all that was counted or measured of them is known.
func (b *Basis) evidence(d Decision) (*Evidence, error) {
	if b.Tallies == nil && d.N > 0 {
		return nil, fmt.Errorf("%w: there were too many combinations of answers to store", ErrNeedsRows)
	}
	if err := b.validate(d.N); err != nil {
		return nil, fmt.Errorf("gate: basis: %w", err)
	}
	e := &Evidence{
		Target:            b.Target,
		FirstDeployment:   d.First,
		At:                d.At,
		LastPromotion:     b.LastPromotion,
		Coverage:          b.Coverage,
		TrainingRows:      b.TrainingRows,
		ProductionLatency: b.ProductionLatency,
		ShadowLatency:     b.ShadowLatency,
		IDs:               make([]string, d.N),
		Segments:          make(map[string][]string, len(b.Segments)),
	}
	known := newFacts(e, b.Facts)
	known.stored = true
	e.facts = known
	answers := func(name string, values map[Metric]float64, probabilities bool) Answers {
		// One class says no more than that there are answers.
		return Answers{Class: make([]int, min(1, d.N)), measured: &measured{name, values, probabilities, known}}
	}
	e.Truth.Class = make([]int, min(1, d.N))
	e.Shadow = answers(shadowName, d.Shadow, b.ShadowProbabilities)
	if !d.First {
		production := answers(productionName, d.Production, b.ProductionProbabilities)
		e.Production = &production
	}
	known.tallies[grouping{}] = map[string][]Tally{"": ordered(b.Tallies, d.First)}
	for column, categories := range b.Segments {
		found := make(map[string][]Tally, len(categories))
		for category, tallies := range categories {
			if len(tallies) > 0 {
				found[category] = ordered(tallies, d.First)
			}
		}
		e.Segments[column] = nil
		known.tallies[grouping{column, true}] = found
	}
	return e, nil
}

// ordered returns the tallies as they are when rows are counted: a bootstrap depends on
// their order, which must not be up to who stored them.
func ordered(tallies []Tally, first bool) []Tally {
	rows := make(map[Tally]int, len(tallies))
	for _, t := range tallies {
		if first {
			t.Production = 0
		}
		rows[t.answers()] += t.Rows
	}
	var found []Tally
	for t, n := range rows {
		t.Rows = n
		found = append(found, t)
	}
	slices.SortFunc(found, func(a, b Tally) int {
		return cmp.Or(cmp.Compare(a.Truth, b.Truth), cmp.Compare(a.Production, b.Production), cmp.Compare(a.Shadow, b.Shadow))
	})
	return found
}

// validate returns an error unless the tallies are of n rows.
func (b *Basis) validate(n int) error {
	if err := checkTarget(b.Target); err != nil {
		return fmt.Errorf("target: %w", err)
	}
	if n > maxRestored {
		return fmt.Errorf("%w: they are more than %s", ErrNeedsRows, count(maxRestored))
	}
	classes := tallyClasses(b.Target)
	rows, err := countRows(classes, b.Tallies)
	if err != nil {
		return err
	}
	total := 0
	for _, m := range rows {
		total += m
	}
	if total != n {
		return fmt.Errorf("tallies of %d rows, want %d", total, n)
	}
	for _, column := range sortedKeys(b.Segments) {
		segments, err := countRows(classes, slices.Collect(maps.Values(b.Segments[column]))...)
		if err != nil {
			return fmt.Errorf("segments by %q: %w", column, err)
		}
		if !maps.Equal(rows, segments) {
			return fmt.Errorf("segments by %q: not the rows of the tallies", column)
		}
	}
	return nil
}

// countRows sums up tallies by their answers.
func countRows(classes int, lists ...[]Tally) (map[Tally]int, error) {
	rows := map[Tally]int{}
	for _, tallies := range lists {
		for _, t := range tallies {
			if min(t.Truth, t.Production, t.Shadow) < 0 || max(t.Truth, t.Production, t.Shadow) >= classes ||
				t.Rows < 1 || t.Rows > maxRestored {
				return nil, fmt.Errorf("malformed tally %v", t)
			}
			rows[t.answers()] += t.Rows
		}
	}
	return rows, nil
}
