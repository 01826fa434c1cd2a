package drift

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Report is the outcome of [Detector.Detect]. All its numbers are finite, so it is plain
// JSON; equal inputs give equal bytes (on one processor architecture, because another may
// round differently). Label, From and To are the caller's to fill in before the report is
// written; Detect leaves them empty.
type Report struct {
	SchemaVersion int       `json:"schema_version"`
	Label         string    `json:"label,omitempty"` // what was looked at, such as a model's name
	From          time.Time `json:"from,omitzero"`   // the window that the current rows are of
	To            time.Time `json:"to,omitzero"`
	// Verdict is Drifted if Share is at least Config.DriftShare, Insufficient if it could
	// be once the insufficient columns were decided, else Stable. Without a column that
	// is not invalid it is Insufficient.
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason"` // one sentence
	// Share is the share of drifted columns among those that are not invalid; 0 if there
	// are none.
	Share float64 `json:"share"`
	// NeededRows is the largest of the columns' NeededRows.
	NeededRows int `json:"needed_rows,omitempty"`
	// NReference and NCurrent are the numbers of rows.
	NReference int `json:"n_reference"`
	NCurrent   int `json:"n_current"`
	// Reference is the fingerprint of the reference, Config what was in effect.
	Reference string         `json:"reference"`
	Config    Config         `json:"config"`
	Columns   []ColumnReport `json:"columns"` // in the order of the reference
}

// DriftedColumns returns the names of the drifted columns, the most severe first: by the
// leading test's effect in terms of its floor, then in the order of the report. It is nil
// if there are none.
func (r *Report) DriftedColumns() []string {
	var drifted []ColumnReport
	for _, c := range r.Columns {
		if c.Verdict == Drifted {
			drifted = append(drifted, c)
		}
	}
	slices.SortStableFunc(drifted, func(a, b ColumnReport) int {
		return cmp.Compare(b.Leading().severity(), a.Leading().severity())
	})
	var names []string
	for _, c := range drifted {
		names = append(names, c.Name)
	}
	return names
}

// String returns the verdict in one line, such as "stable: 0 of 10 columns drifted" or
// "drifted: 3 of 10 columns (income, age, debt)". Invalid columns are not counted.
func (r *Report) String() string {
	names := r.DriftedColumns()
	judged := 0
	for _, c := range r.Columns {
		if c.Verdict != Invalid {
			judged++
		}
	}
	s := fmt.Sprintf("%v: %d of %d columns", r.Verdict, len(names), judged)
	if r.Verdict != Drifted {
		s += " drifted"
	}
	if len(names) > 0 {
		s += " (" + strings.Join(names, ", ") + ")"
	}
	return s
}

// Leading returns the test that best explains the verdict: of those that drifted the one
// with the largest effect in terms of its floor, but that of the range only if it is alone;
// else the first. It is the zero Test if none was made.
func (c *ColumnReport) Leading() Test {
	var leading Test
	for i, t := range c.Tests {
		explains := !leading.Drifted || t.severity() > leading.severity() && t.Name != MethodOutOfRange
		if i == 0 || t.Drifted && explains {
			leading = t
		}
	}
	return leading
}

// severity is the effect in units of its floor.
func (t Test) severity() float64 { return t.EffectSize / t.Floor }
