package gate

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// Basis is the summary of the evidence in a [Decision]: everything that the criteria of this
// package need, in a size that does not grow with the rows. [Recompute] needs the basis and
// the rules.
type Basis struct {
	Target                  predictlog.Target `json:"target"`
	LastPromotion           time.Time         `json:"last_promotion,omitzero"`
	Coverage                labels.Count      `json:"coverage"`
	TrainingRows            int               `json:"training_rows,omitempty"`
	ProductionLatency       Latency           `json:"production_latency,omitzero"`
	ShadowLatency           Latency           `json:"shadow_latency,omitzero"`
	ProductionProbabilities bool              `json:"production_probabilities,omitempty"`
	ShadowProbabilities     bool              `json:"shadow_probabilities,omitempty"`
	// Tallies count all rows, ordered by truth, production and shadow. Segments holds the
	// tallies of each segmenting column and category. Both are nil if there are more than
	// 10,000 tallies in all, or more classes than [metrics.MaxClasses].
	Tallies  []metrics.Tally                       `json:"tallies,omitempty"`
	Segments map[string]map[string][]metrics.Tally `json:"segments,omitempty"`
	// Facts holds the numbers that criteria took from single rows, by names such as "brier
	// gain".
	Facts map[string]Fact `json:"facts,omitempty"`
}

const (
	// maxTallies bounds the size of a Basis, at about 15 bytes a tally.
	maxTallies = 10_000
	// maxRestored bounds the memory of [Recompute], at 16 bytes a row.
	maxRestored = 10_000_000
)

// validate returns an error unless the tallies add up to n rows.
func (b *Basis) validate(n int) error {
	if err := checkTarget(b.Target); err != nil {
		return fmt.Errorf("target: %w", err)
	}
	if n > maxRestored {
		return fmt.Errorf("%w: they are more than %s", ErrNeedsRows, count(maxRestored))
	}
	classes := max(1, metrics.Classes(b.Target))
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

func countRows(classes int, lists ...[]metrics.Tally) (map[metrics.Tally]int, error) {
	rows := map[metrics.Tally]int{}
	for _, tallies := range lists {
		for _, t := range tallies {
			if min(t.Truth, t.Production, t.Shadow) < 0 || max(t.Truth, t.Production, t.Shadow) >= classes ||
				t.Rows < 1 || t.Rows > maxRestored {
				return nil, fmt.Errorf("malformed tally %v", t)
			}
			n := t.Rows
			t.Rows = 0
			rows[t] += n
		}
	}
	return rows, nil
}
