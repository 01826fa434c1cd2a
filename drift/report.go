package drift

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Report is the outcome of [Detector.Detect]. All its numbers are finite, so the report is
// plain JSON. Equal inputs give equal bytes on one processor architecture; another may round
// differently. Detect leaves Label, From and To to the caller.
type Report struct {
	SchemaVersion int       `json:"schema_version"`
	Label         string    `json:"label,omitempty"` // what was looked at, such as a model's name
	From          time.Time `json:"from,omitzero"`   // the window that the current rows are of
	To            time.Time `json:"to,omitzero"`
	// Verdict is Drifted if Share is at least Config.DriftShare. Verdict is Insufficient if
	// Share could reach DriftShare once the insufficient columns are decided, or if all
	// columns are invalid. Otherwise Verdict is Stable.
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason"` // one sentence
	// Share is the share of drifted columns among those not invalid, or 0 if all are invalid.
	Share float64 `json:"share"`
	// NeededRows is the largest NeededRows of the columns.
	NeededRows int `json:"needed_rows,omitempty"`
	// NReference and NCurrent are the numbers of rows.
	NReference int `json:"n_reference"`
	NCurrent   int `json:"n_current"`
	// Reference is the fingerprint of the reference, and Config the settings in effect.
	Reference string         `json:"reference"`
	Config    Config         `json:"config"`
	Columns   []ColumnReport `json:"columns"` // in the order of the reference
}

// DriftedColumns returns the names of the drifted columns, or nil without any. The columns are
// ordered by the effect of the leading test in units of its floor, the largest first.
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

// Leading returns the test that best explains the verdict. This is the drifted test with the
// largest effect in units of its floor. The range test leads only if no other test drifted. If
// no test drifted, Leading returns the first test, or the zero Test without tests.
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

func (t Test) severity() float64 { return t.EffectSize / t.Floor }
