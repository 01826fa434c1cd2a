package healing

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-playground/validator/v10"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/proxy"
	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// Pass is the outcome of one look of the monitor.
type Pass struct {
	// Time is when the look was made. Window is the time of the predictions that were
	// counted.
	Time   time.Time   `json:"time"`
	Window gate.Window `json:"window"`
	// Version is the version in production at that time; "" for none.
	Version string `json:"version,omitempty"`
	// Samples counts the predictions of the version in the window. Violations counts those
	// among them that broke a rule of the schema. Without a version in production, all
	// predictions are counted.
	Samples    int `json:"samples"`
	Violations int `json:"violations"`
	// Unmonitored are the columns of the schema that the reference of the version lacks,
	// because they were added later.
	Unmonitored []string `json:"unmonitored,omitempty"`
	// Skipped says why nothing was compared, "" after a comparison.
	Skipped string `json:"skipped,omitempty"`
	// Damaged names the places of telemetry that could not be read. What was there is counted
	// again from the predictions, as far as this process has them.
	Damaged []string `json:"damaged,omitempty"`
	// Proxy describes the answers, without labels; nil if there are too few predictions, no
	// version, or nothing in the window was answered.
	Proxy *proxy.Metrics `json:"proxy,omitempty"`
	// Drift is the comparison of the rows with the reference, in short.
	Drift *PassDrift `json:"drift,omitempty"`
	// Answers is the comparison of the answers with the answers of the version to rows that
	// it was not trained on, see [AnswersOf]; nil without such a reference. Answers is shown
	// and triggers nothing: a model that gets other rows gives other answers, so counting
	// both would count one cause twice. Answers that drift while the rows do not point at the
	// service or the model.
	Answers *PassDrift `json:"answers,omitempty"`
	// Report and AnswersReport are the comparisons in full, some tens of kilobytes. They are
	// not stored.
	Report        *drift.Report `json:"-"`
	AnswersReport *drift.Report `json:"-"`
}

// PassDrift is a drift report in short.
type PassDrift struct {
	Verdict drift.Verdict `json:"verdict"`
	// Share is the share of drifted columns among the columns that could be judged.
	Share float64 `json:"share"`
	// Columns are the names of the drifted columns.
	Columns []string `json:"columns,omitempty"`
	// Summary is the verdict in words.
	Summary string `json:"summary"`
}

// Drifted reports whether the rows of the pass have drifted.
func (p Pass) Drifted() bool { return p.Drift != nil && p.Drift.Verdict == drift.Drifted }

// Verdict is the outcome of the pass in words.
func (p Pass) Verdict() string {
	if p.Drift == nil {
		return "skipped: " + p.Skipped
	}
	if len(p.Unmonitored) > 0 {
		return fmt.Sprintf("%s; no reference for %s", p.Drift.Summary, strings.Join(p.Unmonitored, ", "))
	}
	return p.Drift.Summary
}

// MonitorParts are what a [Monitor] works with. Predictions and Registry are required.
type MonitorParts struct {
	// Predictions are the records of what was answered. The Version of a record is the ID
	// that the registry gave to the version. A store that is a [Profiler] or a
	// [predictlog.ColumnScanner] is used as such.
	Predictions predictlog.Store
	// Model, if not empty, and Tag, if its name is not empty, select the predictions of the
	// monitor.
	Model string
	Tag   predictlog.Tag
	// Registry says which version is in production.
	Registry registry.Registry
	// Telemetry keeps the counts. Nil is a [MemoryTelemetry] of the monitor's own: a process
	// that starts then counts the whole window anew.
	Telemetry Telemetry
	// Reference is what rows are compared with while the version in production carries no
	// [ReferenceDocument]. Answers is what answers are compared with while it carries no
	// [AnswersDocument]. Nil means that there is no such comparison.
	Reference, Answers *drift.Reference
}

// Monitor compares live traffic with the reference of the version in production. [Loop] uses
// a Monitor; a job that only monitors may use one alone. A Monitor is safe for concurrent
// use; passes wait for each other.
//
// The monitor counts the predictions of the version in production, and of no other, in
// buckets of time, and keeps each bucket in its telemetry. The records of a bucket are read
// with every pass until the bucket is over, then once, and three more times for records that
// came late: a thirty-sixth, a sixth and the whole of MonitorConfig.Lateness after the end of
// the bucket. The latter two readings take twelve buckets at once, when the last of the
// twelve is old enough. A window is the sum of its buckets, so a pass costs the same whatever
// the traffic. After a restart only buckets that are not yet kept are read.
//
// Equal records give equal passes, whichever process counted them. Processes that share the
// predictions and the telemetry take turns. Processes with a log each add their counts, see
// MonitorConfig.Replica.
type Monitor struct {
	parts MonitorParts
	about subject
	cfg   MonitorConfig

	mu      sync.Mutex
	current *view       // guarded by mu: of the version of the latest pass
	codec   bucketCodec // guarded by mu
}

// NewMonitor returns a monitor of the version that the registry has in production. The error
// names every violation of the configuration.
func NewMonitor(parts MonitorParts, cfg MonitorConfig) (*Monitor, error) {
	if parts.Predictions == nil || parts.Registry == nil {
		return nil, errors.New("healing: monitor: nil predictions store or registry")
	}
	cfg = Config{Monitor: cfg}.withDefaults().Monitor
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("healing: invalid MonitorConfig: %w", err)
	}
	// A mistake in the configuration is found now.
	_, wrong := newAgainst(parts.Reference, cfg.Drift)
	_, wrongAnswers := newAgainst(parts.Answers, answersConfig(cfg.Drift))
	if err := errors.Join(wrong, wrongAnswers); err != nil {
		return nil, fmt.Errorf("healing: monitor: %w", err)
	}
	if parts.Telemetry == nil {
		parts.Telemetry = new(MemoryTelemetry)
	}
	return &Monitor{parts: parts, about: subject{parts.Model, parts.Tag}, cfg: cfg}, nil
}

// answersConfig returns the configuration for answers. The settings of single columns are
// about columns of the rows.
func answersConfig(cfg drift.Config) drift.Config {
	cfg.Columns = nil
	return cfg
}

func (c MonitorConfig) validate() error {
	errs := violations("", validator.New().StructExcept(c, "Drift"))
	if c.Bucket > 0 && c.Bucket < time.Second {
		errs = append(errs, violation("Bucket", c.Bucket, "at least 1s"))
	}
	if c.Window > 0 && c.Window < c.Bucket {
		errs = append(errs, violation("Window", c.Window, "at least Bucket, "+c.Bucket.String()))
	}
	if err := (Point{Series: "replica", Part: c.Replica, Time: time.Unix(0, 0)}).Validate(); err != nil {
		errs = append(errs, violation("Replica", strconv.Quote(c.Replica), err.Error()))
	}
	return errors.Join(errs...)
}

// Pass looks at the window that ends at now and begins with a whole bucket. An error means
// that a store or the registry failed. Too few predictions are not an error: the pass is
// skipped.
func (m *Monitor) Pass(ctx context.Context, now time.Time) (Pass, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.span(now)
	p := Pass{Time: now.UTC(), Window: gate.Window{From: m.start(s.first), To: now.UTC()}}
	v, err := m.production(ctx)
	if err != nil {
		return p, fmt.Errorf("healing: monitor: %w", err)
	}
	p.Version = v.version
	if v.inputs != nil {
		p.Unmonitored = v.inputs.lacks(m.parts.Predictions.Schema())
	}
	if p.Damaged, err = m.update(ctx, v, s); err != nil {
		return p, fmt.Errorf("healing: monitor: %w", err)
	}
	sum, err := m.sum(v, s)
	if err != nil {
		return p, fmt.Errorf("healing: monitor: %w", err)
	}
	p.Samples, p.Violations = sum.Rows, sum.Violations
	if err := m.compare(&p, v, s, sum); err != nil {
		return p, fmt.Errorf("healing: monitor: %w", err)
	}
	return p, nil
}

// Fold counts what a Pass at now would count, keeps the counts, and compares nothing. A
// replica that has a log of its own and leaves passes to others calls Fold as often as they
// pass.
func (m *Monitor) Fold(ctx context.Context, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, err := m.production(ctx)
	if err == nil {
		_, err = m.update(ctx, v, m.span(now))
	}
	if err != nil {
		return fmt.Errorf("healing: monitor: %w", err)
	}
	return nil
}

// production returns the view of the version in production, without such a version the view
// of all predictions.
func (m *Monitor) production(ctx context.Context) (*view, error) {
	version, err := registry.InProduction(ctx, m.parts.Registry)
	if err != nil && !errors.Is(err, registry.ErrNoProduction) {
		return nil, err
	}
	return m.viewOf(ctx, version)
}

// compare fills in the part of the pass that depends on the sum of the window.
func (m *Monitor) compare(p *Pass, v *view, s span, sum Tally) (err error) {
	switch {
	case sum.Rows < m.cfg.MinSamples:
		of := "" // predictions that name another model or version, or none, are not counted
		if m.parts.Model != "" {
			of += " of " + m.parts.Model
		}
		if v.version != "" {
			of += " of version " + v.version
		}
		p.Skipped = fmt.Sprintf("%d predictions%s in %s, at least %d wanted", sum.Rows, of, spell(m.cfg.Window), m.cfg.MinSamples)
		return nil
	case v.version == "":
		p.Skipped = "no version is in production"
		return nil
	}
	if sum.Metrics.Rows() > 0 {
		buckets, err := m.answered(v, s)
		if err != nil {
			return err
		}
		measured, err := proxy.MeasureProfiles(buckets, v.metrics.columns)
		if err != nil {
			return err
		}
		p.Proxy = &measured
		if p.Answers, p.AnswersReport, err = v.answers.detect(sum.Answers, "answers of version "+v.version, p.Window); err != nil {
			return err
		}
	}
	if v.inputs == nil {
		p.Skipped = fmt.Sprintf("version %s has no reference, see ReferenceOf", v.version)
		return nil
	}
	p.Drift, p.Report, err = v.inputs.detect(sum.Inputs, "version "+v.version, p.Window)
	return err
}

// detect compares the profile with the reference. A nil against has no outcome.
func (a *against) detect(profile *drift.Profile, label string, w gate.Window) (*PassDrift, *drift.Report, error) {
	if a == nil {
		return nil, nil, nil
	}
	report, err := a.detector.Detect(profile)
	if err != nil {
		return nil, nil, err
	}
	report.Label, report.From, report.To = label, w.From, w.To
	return &PassDrift{
		Verdict: report.Verdict,
		Share:   report.Share,
		Columns: report.DriftedColumns(),
		Summary: report.String(),
	}, report, nil
}

// Buckets yields the kept buckets of a version, in order. An empty version is the version in
// production. The buckets begin in from <= time < to; a zero bound is no bound. Detectors of
// a stream of batches take the buckets that are Complete: these do not overlap and do not
// change. Buckets that were counted on other references than the version has now are left
// out.
//
// Buckets reads what this and other processes have kept, and counts nothing. The profiles are
// the consumer's own. A damaged bucket comes with its From, as far as that is known, and an
// error that is [ErrDamaged], and the sequence goes on. The sequence ends at any other error.
func (m *Monitor) Buckets(ctx context.Context, version string, from, to time.Time) iter.Seq2[Bucket, error] {
	return func(yield func(Bucket, error) bool) {
		if err := m.eachBucket(ctx, version, from, to, yield); err != nil {
			yield(Bucket{}, fmt.Errorf("healing: buckets: %w", err))
		}
	}
}

func (m *Monitor) eachBucket(ctx context.Context, id string, from, to time.Time, yield func(Bucket, error) bool) error {
	version, err := registry.InProduction(ctx, m.parts.Registry)
	if id != "" {
		version, err = registry.Get(ctx, m.parts.Registry, id)
	}
	if err != nil {
		return err
	}
	v, err := m.newView(ctx, version)
	if err != nil {
		return err
	}
	var next Bucket // parts of which may follow
	for point, err := range m.parts.Telemetry.Scan(ctx, PointQuery{Series: v.series, From: from, To: to}) {
		k, err := m.read(v, point, err)
		if errors.Is(err, ErrDamaged) {
			if !next.From.IsZero() && next.From.Before(point.Time) {
				if !yield(next, nil) {
					return nil
				}
				next = Bucket{}
			}
			if !yield(Bucket{From: point.Time}, fmt.Errorf("healing: buckets: %w", err)) {
				return nil
			}
			continue
		}
		if err != nil {
			return err
		}
		if k == nil {
			continue
		}
		last := m.looks(m.number(point.Time))[3]
		one := Bucket{From: point.Time, To: k.until, Complete: !k.looked.Before(last), Tally: k.Tally}
		if one.From.Equal(next.From) {
			one.Complete = one.Complete && next.Complete
			if one.To.Before(next.To) {
				one.To = next.To
			}
			if err := one.add(&next.Tally); err != nil {
				return err
			}
		} else if !next.From.IsZero() && !yield(next, nil) {
			return nil
		}
		next = one
	}
	if !next.From.IsZero() {
		yield(next, nil)
	}
	return nil
}
