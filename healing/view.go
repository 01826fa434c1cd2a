package healing

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// view is one version as the monitor sees it: the references of the version, and those of its
// buckets that are in memory.
type view struct {
	version string // "" for all predictions while none is in production
	series  string
	inputs  *against        // nil if there is nothing to compare rows with
	answers *against        // nil if there is nothing to compare answers with
	metrics metrics         // without a reference if there is no version
	carried []registry.File // the documents from which inputs and answers come

	buckets map[int64]*bucket // by number, see Monitor.number
	groups  map[int64]*Tally  // sums of whole groups of buckets, by number
}

// against is what profiles are compared with.
type against struct {
	reference *drift.Reference
	detector  *drift.Detector
}

func newAgainst(reference *drift.Reference, cfg drift.Config) (*against, error) {
	if reference == nil {
		return nil, nil
	}
	detector, err := drift.NewDetector(reference, cfg)
	if err != nil {
		return nil, err
	}
	return &against{reference, detector}, nil
}

// lacks returns the columns of the schema that are missing in the reference.
func (a *against) lacks(schema *predictlog.Schema) []string {
	var missing []string
	known := a.reference.Names()
	for _, c := range schema.Columns() {
		if !slices.Contains(known, c.Name) {
			missing = append(missing, c.Name)
		}
	}
	return missing
}

// profile returns a profile without rows, nil without a reference.
func (a *against) profile() *drift.Profile {
	if a == nil {
		return nil
	}
	return a.reference.NewProfile()
}

// empty returns an empty tally with a profile for each reference of the view.
func (v *view) empty() Tally {
	t := Tally{Inputs: v.inputs.profile(), Answers: v.answers.profile()}
	if v.metrics.reference != nil {
		t.Metrics = v.metrics.reference.NewProfile()
	}
	return t
}

// bucket is one bucket of a view in memory.
type bucket struct {
	// parts are the counts of each process with a log of its own, by MonitorConfig.Replica.
	// Processes that share a log share the part "".
	parts map[string]*kept
	// slim says that only Metrics is in memory, because the sum of the group has the other
	// profiles.
	slim bool
}

// slimDown drops the profiles that the sum of the group has.
func (b *bucket) slimDown() {
	for _, k := range b.parts {
		k.Inputs, k.Answers = nil, nil
	}
	b.slim = true
}

// carried returns the documents of a version that are references.
func carried(v registry.Version) []registry.File {
	return slices.DeleteFunc(slices.Clone(v.Files), func(f registry.File) bool {
		return f.Name != ReferenceDocument && f.Name != AnswersDocument
	})
}

// viewOf returns the view of a version: the view in memory, unless that is of another version
// or a reference was attached since.
func (m *Monitor) viewOf(ctx context.Context, v registry.Version) (*view, error) {
	if m.current == nil || m.current.version != v.ID || !slices.Equal(m.current.carried, carried(v)) {
		view, err := m.newView(ctx, v)
		if err != nil {
			return nil, err
		}
		m.current = view
	}
	return m.current, nil
}

// newView returns a view without buckets. Its references are those of the version, else the
// fallbacks.
func (m *Monitor) newView(ctx context.Context, v registry.Version) (*view, error) {
	view := &view{
		version: v.ID,
		carried: carried(v),
		series:  m.about.series("profiles", v.ID, m.cfg.Bucket.String()),
		buckets: map[int64]*bucket{},
		groups:  map[int64]*Tally{},
	}
	if v.ID == "" {
		return view, nil
	}
	inputs, err := m.reference(ctx, v, ReferenceDocument, m.parts.Reference)
	if err != nil {
		return nil, err
	}
	answers, err := m.reference(ctx, v, AnswersDocument, m.parts.Answers)
	if err != nil {
		return nil, err
	}
	if view.inputs, err = newAgainst(inputs, m.cfg.Drift); err != nil {
		return nil, err
	}
	if view.answers, err = newAgainst(answers, answersConfig(m.cfg.Drift)); err != nil {
		return nil, err
	}
	view.metrics, err = newMetrics(m.parts.Predictions.Schema().Target(), answers)
	return view, err
}

// reference returns a reference that the version carries, or the fallback.
func (m *Monitor) reference(ctx context.Context, v registry.Version, name string, fallback *drift.Reference) (*drift.Reference, error) {
	if !slices.ContainsFunc(v.Files, func(f registry.File) bool { return f.Name == name }) {
		return fallback, nil
	}
	data, err := registry.ReadFile(ctx, m.parts.Registry, v.ID, name)
	if err != nil {
		return nil, err
	}
	reference := new(drift.Reference)
	if err := json.Unmarshal(data, reference); err != nil {
		return nil, fmt.Errorf("version %s: %s: %w", v.ID, name, err)
	}
	return reference, nil
}

// number returns the number of the bucket that contains t. Buckets are counted from 1970.
func (m *Monitor) number(t time.Time) int64 {
	return floorDiv(t.UnixMicro(), m.cfg.Bucket.Microseconds())
}

// start returns when a bucket begins.
func (m *Monitor) start(number int64) time.Time {
	return time.UnixMicro(number * m.cfg.Bucket.Microseconds()).UTC()
}

// groupSize is the number of buckets that are summed once: with buckets of five minutes, an
// hour.
const groupSize = 12

func groupOf(number int64) int64 { return floorDiv(number, groupSize) }
