package healing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-playground/validator/v10"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// Pass is what one look of the monitor found.
type Pass struct {
	// Time is when the look was made, Window the time of the predictions looked at.
	Time   time.Time   `json:"time"`
	Window gate.Window `json:"window"`
	// Version was in production at that time; "" if none was.
	Version string `json:"version,omitempty"`
	// Samples counts the predictions in the window, Violations those of them that broke
	// a rule of the schema.
	Samples    int `json:"samples"`
	Violations int `json:"violations"`
	// Unmonitored are the columns that the reference of the version does not have, because
	// they came later.
	Unmonitored []string `json:"unmonitored,omitempty"`
	// Skipped says why nothing was compared, "" if it was.
	Skipped string `json:"skipped,omitempty"`
	// Proxy describes the answers, without labels; nil if it was skipped or nothing in
	// the window was answered.
	Proxy *drift.Proxy `json:"proxy,omitempty"`
	// Drift is the outcome of the comparison with the reference, in short.
	Drift *PassDrift `json:"drift,omitempty"`
	// Report is the outcome in full, some tens of kilobytes. It is not kept in the journal.
	Report *drift.Report `json:"-"`
}

// PassDrift is a drift report in short.
type PassDrift struct {
	Verdict drift.Verdict `json:"verdict"`
	// Share is the share of drifted columns among those that could be judged.
	Share float64 `json:"share"`
	// Columns are the names of the drifted columns.
	Columns []string `json:"columns,omitempty"`
	// Summary is the verdict in words.
	Summary string `json:"summary"`
}

// Drifted reports whether the pass found the data set drifted.
func (p Pass) Drifted() bool { return p.Drift != nil && p.Drift.Verdict == drift.Drifted }

// Verdict says in words what the pass found.
func (p Pass) Verdict() string {
	if p.Drift == nil {
		return "skipped: " + p.Skipped
	}
	if len(p.Unmonitored) > 0 {
		return fmt.Sprintf("%s; no reference for %s", p.Drift.Summary, strings.Join(p.Unmonitored, ", "))
	}
	return p.Drift.Summary
}

// chunk is how many rows are profiled at once. Of their answers, a pass keeps some 50
// bytes each.
const chunk = 4096

// Monitor compares live traffic with the reference of the version in production. It is
// what [Loop] uses; a job that only monitors may use it alone. It is safe for concurrent
// use.
type Monitor struct {
	predictions predictlog.Store
	registry    registry.Registry
	fallback    *drift.Reference
	cfg         MonitorConfig

	mu      sync.Mutex
	version string   // guarded by mu: the version that against is for
	against *against // guarded by mu
}

// against is what the rows of a pass are compared with.
type against struct {
	reference *drift.Reference
	detector  *drift.Detector
}

// lacks returns the columns of the schema that the reference does not have.
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

// NewMonitor returns a monitor of what the registry has in production. Versions that
// carry no reference of their own are compared with fallback; without one either, a pass
// is skipped.
func NewMonitor(predictions predictlog.Store, reg registry.Registry, fallback *drift.Reference, cfg MonitorConfig) (*Monitor, error) {
	if predictions == nil || reg == nil {
		return nil, errors.New("healing: monitor: nil predictions store or registry")
	}
	cfg = Config{Monitor: cfg}.withDefaults().Monitor
	if err := errors.Join(violations("", validator.New().StructExcept(cfg, "Drift"))...); err != nil {
		return nil, fmt.Errorf("healing: invalid MonitorConfig: %w", err)
	}
	m := &Monitor{predictions: predictions, registry: reg, fallback: fallback, cfg: cfg}
	if fallback != nil { // so that a mistake in the configuration is found now
		if _, err := drift.NewDetector(fallback, cfg.Drift); err != nil {
			return nil, fmt.Errorf("healing: monitor: %w", err)
		}
	}
	return m, nil
}

// Pass looks at the window that ends at now. An error means that nothing could be said,
// because a store or the registry failed; too few predictions are not an error but a
// pass that was skipped.
func (m *Monitor) Pass(ctx context.Context, now time.Time) (Pass, error) {
	p := Pass{Time: now.UTC(), Window: gate.Window{From: now.Add(-m.cfg.Window).UTC(), To: now.UTC()}}
	version, err := registry.InProduction(ctx, m.registry)
	if err != nil && !errors.Is(err, registry.ErrNoProduction) {
		return p, fmt.Errorf("healing: monitor: %w", err)
	}
	p.Version = version.ID
	vs, err := m.reference(ctx, version)
	if err != nil {
		return p, fmt.Errorf("healing: monitor: %w", err)
	}
	if vs != nil {
		p.Unmonitored = vs.lacks(m.predictions.Schema())
	}
	profile, answers, err := m.scan(ctx, &p, vs)
	if err != nil {
		return p, fmt.Errorf("healing: monitor: %w", err)
	}
	switch {
	case p.Samples < m.cfg.MinSamples:
		p.Skipped = fmt.Sprintf("%d predictions in %s, at least %d wanted", p.Samples, spell(m.cfg.Window), m.cfg.MinSamples)
		return p, nil
	case version.ID == "":
		p.Skipped = "no version is in production"
		return p, nil
	case vs == nil:
		p.Skipped = fmt.Sprintf("version %s has no reference, see ReferenceOf", version.ID)
		return p, nil
	}
	if p.Proxy, err = answers.proxy(now); err != nil {
		return p, fmt.Errorf("healing: monitor: %w", err)
	}
	report, err := vs.detector.Detect(profile)
	if err != nil {
		return p, fmt.Errorf("healing: monitor: %w", err)
	}
	report.Label, report.From, report.To = "version "+version.ID, p.Window.From, p.Window.To
	p.Report = report
	p.Drift = &PassDrift{
		Verdict: report.Verdict,
		Share:   report.Share,
		Columns: report.DriftedColumns(),
		Summary: report.String(),
	}
	return p, nil
}

// scan reads the window once: it counts, profiles the rows (nil if there is nothing to
// compare them with) and gathers the answers.
func (m *Monitor) scan(ctx context.Context, p *Pass, vs *against) (*drift.Profile, *answers, error) {
	var profile *drift.Profile
	if vs != nil {
		profile = vs.reference.NewProfile()
	}
	schema := m.predictions.Schema()
	rows, found := newFrame(schema), &answers{target: schema.Target()}
	flush := func() error {
		if profile == nil || rows.rows == 0 {
			return nil
		}
		defer rows.reset()
		return profile.Add(rows.columns())
	}
	for r, err := range m.predictions.Scan(ctx, predictlog.Query{From: p.Window.From, To: p.Window.To}) {
		if err != nil {
			return nil, nil, err
		}
		p.Samples++
		if len(r.Violations) > 0 {
			p.Violations++
		}
		found.add(r)
		if rows.add(r.Row); rows.rows == chunk {
			if err := flush(); err != nil {
				return nil, nil, err
			}
		}
	}
	return profile, found, flush()
}

// reference returns what a version is to be compared with, nil if there is nothing: its
// own reference, which its registry entry carries, or the fallback.
func (m *Monitor) reference(ctx context.Context, v registry.Version) (*against, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.against != nil && m.version == v.ID {
		return m.against, nil
	}
	reference := m.fallback
	if slices.ContainsFunc(v.Files, func(f registry.File) bool { return f.Name == ReferenceDocument }) {
		data, err := registry.ReadFile(ctx, m.registry, v.ID, ReferenceDocument)
		if err != nil {
			return nil, err
		}
		reference = new(drift.Reference)
		if err := json.Unmarshal(data, reference); err != nil {
			return nil, fmt.Errorf("version %s: %s: %w", v.ID, ReferenceDocument, err)
		}
	}
	if reference == nil {
		return nil, nil
	}
	detector, err := drift.NewDetector(reference, m.cfg.Drift)
	if err != nil {
		return nil, err
	}
	m.version, m.against = v.ID, &against{reference, detector}
	return m.against, nil
}
