package drift

import (
	"fmt"
	"math"
	"slices"

	"github.com/selfheal-ml/selfheal/drift/internal/text"
)

// tableMethod holds what differs between the methods on counts, see MethodChiSquare.
type tableMethod struct {
	// statistic is computed from the kept cells and the pool.
	statistic func(p countPair) float64
	// effect returns the observed measure, an estimate of the true measure, and an interval of
	// the true measure at the level 1-alpha.
	effect func(t *table, alpha float64) (observed, effect float64, ci CI)
	// function is the method on two count vectors.
	function func(p countPair) Result
	amount   string // "a PSI of %s"
	bound    string // "the PSI"
}

func (tm tableMethod) method(m method) method {
	m.Kinds = []Kind{KindCategorical, KindNumeric}
	m.measure = func(s *sides, alpha float64) (t Test, ok bool) {
		t.Statistic, t.PValue = tm.statistic(s.table().whole()), s.table().pValue()
		t.Observed, t.EffectSize, t.CI = tm.effect(s.table(), alpha)
		return t, true
	}
	m.detectable = func(s *sides, level float64) float64 { return s.table().detectable(level) }
	m.detectableAt = tableDetectableAt
	m.changed = func(s *sides, t Test) string {
		moved := fmt.Sprintf("The shares of the %s moved by %s", s.cells.groups(), fmt.Sprintf(tm.amount, text.Number(t.Observed)))
		if levels := movedLevels(s); levels != "" {
			return levels + ". " + moved
		}
		return moved
	}
	m.bounded = func(s *sides, t Test) string {
		if t.CI.Hi == math.MaxFloat64 {
			return "the " + s.cells.groups() + " are too rare to bound " + tm.bound
		}
		return tm.bound + " is at most " + text.Number(t.CI.Hi)
	}
	m.compare = func(s *sides) (ProfileResult, error) {
		result := tm.function(fullTable(s.cells, s.ref, s.cur))
		return ProfileResult{Result: result, Lo: result.Statistic, Hi: result.Statistic}, nil
	}
	return m
}

func (c *cells) groups() string {
	if c.kind == KindNumeric {
		return "groups"
	}
	return "levels"
}

// movedLevels names the level whose share moved most, and the next level if it moved at least
// half as far. The result is empty for numbers, and if the unseen values moved at least as far.
func movedLevels(s *sides) string {
	if s.cells.kind == KindNumeric || len(s.cells.levels) == 0 {
		return ""
	}
	bins := levelShares(s.cells, s.ref, s.cur)
	slices.SortStableFunc(bins, byChange)
	if bins[0].change() <= rate(s.cur.Unseen, s.cur.values()) {
		return ""
	}
	from, to := text.PercentsApart(bins[0].Reference, bins[0].Current)
	moved := fmt.Sprintf("%q went from %s to %s", text.Shorten(bins[0].Label), from, to)
	if len(bins) > 1 && bins[1].change() >= bins[0].change()/2 {
		from, to = text.PercentsApart(bins[1].Reference, bins[1].Current)
		moved += fmt.Sprintf(" and %q from %s to %s", text.Shorten(bins[1].Label), from, to)
	}
	return moved
}

// tableDetectableAt approximates table.detectable at a number of current values.
func tableDetectableAt(s *sides, values, level float64) float64 {
	effective := s.effectiveAt(values)
	if s.cells.kind == KindNumeric {
		return chiSquareDetectable(level, effective, tableGroups-1)
	}
	share, rare, kept := expectedSplit(s.ref.Cells, float64(s.n), values)
	most := chiSquareDetectable(level, effective, max(int(math.Ceil(kept)), 1))
	if rare > 0.5 {
		// The rare levels are a pool, whose count is roughly a Poisson variable.
		z, mean := normalQuantile(level), share*values
		most += (z*z/2 + z*math.Sqrt(mean+z*z/4)) / values
	}
	if rare > 1.5 {
		most += share // which may differ within
	}
	return min(most, 1)
}
