package drift

import (
	"errors"
	"fmt"
	"slices"

	"github.com/selfheal-ml/selfheal/drift/internal/parallel"
	"github.com/selfheal-ml/selfheal/drift/internal/text"
)

// Detector compares profiles with their reference. It is immutable and safe for concurrent use.
type Detector struct {
	ref   *Reference
	cfg   Config
	sides []Side // of the reference, by column
}

// NewDetector returns a detector for profiles of the reference. All violations in cfg are
// joined: a number out of range, an unknown correction or column.
func NewDetector(ref *Reference, cfg Config) (*Detector, error) {
	if ref == nil || ref.content.Rows == 0 {
		return nil, errors.New("drift: NewDetector needs a Reference made by NewReference")
	}
	cfg = cfg.withDefaults()
	if err := cfg.validate(ref); err != nil {
		return nil, fmt.Errorf("drift: invalid Config: %w", err)
	}
	d := &Detector{ref: ref, cfg: cfg, sides: make([]Side, len(ref.cells))}
	for i := range ref.cells {
		c, t := &ref.cells[i], &ref.tallies[i]
		d.sides[i] = describe(c, t, t, expectedUnseen(c, t))
	}
	return d, nil
}

// schemaVersion is raised when the meaning of a report changes.
const schemaVersion = 1

// Comparing one count of a profile takes as long as counting costOfCount values.
const costOfCount = 8

// Detect compares the rows counted in the profile with the reference.
//
// Detect tests the distribution of the values of each column, the rate of missing values, and
// the rate of infinite or of unseen values, as the column allows (see [Methods]). Within a
// column, p-values are multiplied by the number of tests (Bonferroni). Config.Correction then
// adjusts the smallest p-values of the columns. A column is drifted if one test has both an
// adjusted p-value of at most Alpha and an effect of at least its floor. Any other column is
// stable if any change of its values by Config.Detectable would have been significant, and
// otherwise insufficient. A column without reference values has only its missing rate tested.
//
// A column that cannot be judged is part of the report. An error means that nothing could be
// compared: a nil profile, or [ErrReferenceMismatch].
func (d *Detector) Detect(p *Profile) (*Report, error) {
	if p == nil || p.ref == nil {
		return nil, errors.New("drift: Detect needs a Profile made by Reference.NewProfile")
	}
	if err := sameReference(d.ref, p.ref); err != nil {
		return nil, err
	}
	report := &Report{
		SchemaVersion: schemaVersion,
		NReference:    d.ref.Rows(),
		NCurrent:      p.Rows(),
		Reference:     d.ref.fingerprint,
		Config:        d.cfg.withDefaults(),
		Columns:       []ColumnReport{},
	}
	compared := make([]*comparison, len(d.ref.cells)) // nil if ignored
	counts := 0
	for i := range d.ref.cells {
		counts += d.ref.cells[i].size()
	}
	parallel.Do(len(compared), costOfCount*counts, func(i int) {
		if c := &d.ref.cells[i]; !d.cfg.Columns[c.name].Ignore {
			compared[i] = newComparison(c, &d.ref.tallies[i], &p.tallies[i], d.sides[i], d.cfg)
		}
	})
	compared = slices.DeleteFunc(compared, func(k *comparison) bool { return k == nil })
	var family []float64 // the p-values of all columns
	for _, k := range compared {
		if !k.empty() {
			family = append(family, k.pValue())
		}
	}
	slices.Sort(family)
	for _, k := range compared {
		k.judge(family)
		report.Columns = append(report.Columns, k.report)
	}
	report.judge()
	return report, nil
}

func (r *Report) judge() {
	var judged, drifted, undecided int
	for _, c := range r.Columns {
		switch c.Verdict {
		case Drifted:
			drifted++
		case Insufficient:
			undecided++
			r.NeededRows = max(r.NeededRows, c.NeededRows)
		case Invalid:
			continue
		}
		judged++
	}
	share := func(columns int) float64 { return float64(columns) / float64(max(judged, 1)) }
	r.Share = share(drifted)
	switch {
	case judged == 0:
		r.Verdict = Insufficient
		r.Reason = "No column can be judged."
	case r.Share >= r.Config.DriftShare:
		r.Verdict = Drifted
		r.Reason = fmt.Sprintf("%d of %d columns drifted; %s or more are called drift of the data set.",
			drifted, judged, text.Percent(r.Config.DriftShare))
	case share(drifted+undecided) >= r.Config.DriftShare:
		r.Verdict = Insufficient
		r.Reason = fmt.Sprintf("%d of %d columns have too few rows to tell.", undecided, judged)
		if r.NeededRows > 0 {
			r.Reason += fmt.Sprintf(" About %d rows would do.", r.NeededRows)
		}
	default:
		r.Verdict = Stable
		r.Reason = fmt.Sprintf("%d of %d columns drifted; fewer than %s are no drift of the data set.",
			drifted, judged, text.Percent(r.Config.DriftShare))
	}
}
