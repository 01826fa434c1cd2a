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

// Pass is what one look of the monitor found.
type Pass struct {
	// Time is when the look was made, Window the time of the predictions looked at.
	Time   time.Time   `json:"time"`
	Window gate.Window `json:"window"`
	// Version was in production at that time; "" if none was.
	Version string `json:"version,omitempty"`
	// Samples counts the predictions of the version in the window, Violations those of them
	// that broke a rule of the schema. While no version is in production, all predictions
	// are counted.
	Samples    int `json:"samples"`
	Violations int `json:"violations"`
	// Unmonitored are the columns that the reference of the version does not have, because
	// they came later.
	Unmonitored []string `json:"unmonitored,omitempty"`
	// Skipped says why nothing was compared, "" if it was.
	Skipped string `json:"skipped,omitempty"`
	// Damaged says what could not be read of the telemetry, with its place. It was counted
	// again from the predictions, as far as this process has them.
	Damaged []string `json:"damaged,omitempty"`
	// Proxy describes the answers, without labels; nil if there are too few predictions, no
	// version, or nothing in the window was answered.
	Proxy *proxy.Metrics `json:"proxy,omitempty"`
	// Drift is the outcome of the comparison of the rows with the reference, in short.
	Drift *PassDrift `json:"drift,omitempty"`
	// Answers is the outcome of the comparison of the answers with those of the version on
	// rows it was not trained on, see [AnswersOf]; nil without a reference of these. It is
	// shown apart and triggers nothing: a model that is fed other rows gives other answers,
	// so counting both would count one cause twice. Answers that drift while the rows do not
	// point at the service or the model.
	Answers *PassDrift `json:"answers,omitempty"`
	// Report and AnswersReport are the outcomes in full, some tens of kilobytes. They are
	// not kept.
	Report        *drift.Report `json:"-"`
	AnswersReport *drift.Report `json:"-"`
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

// MonitorParts are what a [Monitor] works with. Predictions and Registry are required.
type MonitorParts struct {
	// Predictions are the records of what was answered; their Version is the ID that the
	// registry gave the version. A store that is a [Profiler] or a
	// [predictlog.ColumnScanner] is asked as such.
	Predictions predictlog.Store
	// Model, if not empty, and Tag, if its name is not, select the predictions that the
	// monitor is about.
	Model string
	Tag   predictlog.Tag
	// Registry says which version is in production.
	Registry registry.Registry
	// Telemetry keeps what was counted. Nil is a [MemoryTelemetry] of the monitor's own:
	// then a process that starts counts the whole window anew.
	Telemetry Telemetry
	// Reference and Answers are what rows and answers are compared with while a version is
	// in production that carries no [ReferenceDocument], or no [AnswersDocument]. Without
	// the one nothing is compared, without the other answers are not.
	Reference, Answers *drift.Reference
}

// Monitor compares live traffic with the reference of the version in production. It is
// what [Loop] uses; a job that only monitors may use it alone. It is safe for concurrent
// use; passes wait for each other.
//
// The monitor counts the predictions of the version in production, and of no other, in
// buckets of time, and keeps each in its telemetry. A prediction is read a few times,
// however often the monitor looks: with every pass until its bucket is over, then once,
// and again when it has been over for a thirty-sixth, a sixth and the whole of
// MonitorConfig.Lateness, for records that came late: the latter two for twelve buckets at
// once, when the last of these is old enough. A window is the sum of its buckets, so a pass
// costs the same whatever the traffic. After a restart only what is not yet kept is read.
//
// Equal records give equal passes, whichever process counted them: processes that share
// the store of predictions and the telemetry take turns, and those that have a log each
// add theirs, see MonitorConfig.Replica.
type Monitor struct {
	parts MonitorParts
	about subject
	cfg   MonitorConfig

	mu      sync.Mutex
	current *view       // guarded by mu: of the version of the latest pass
	codec   bucketCodec // guarded by mu
}

// NewMonitor returns a monitor of what the registry has in production. Every violation of
// the configuration is reported.
func NewMonitor(parts MonitorParts, cfg MonitorConfig) (*Monitor, error) {
	if parts.Predictions == nil || parts.Registry == nil {
		return nil, errors.New("healing: monitor: nil predictions store or registry")
	}
	cfg = Config{Monitor: cfg}.withDefaults().Monitor
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("healing: invalid MonitorConfig: %w", err)
	}
	// So that a mistake in the configuration is found now.
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

// answersConfig returns the configuration for answers: settings of single columns are for
// those of the rows.
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

// Pass looks at the window that ends at now and begins with the bucket in which it is as
// long as configured. An error means that nothing could be said, because a store or the
// registry failed; too few predictions are not an error but a pass that was skipped.
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

// Fold counts what a Pass at now would count, keeps it, and compares nothing. A replica
// with a log of its own that leaves passes to others calls it as often as they pass.
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

// production returns the view of the version in production, or of all predictions if none
// is.
func (m *Monitor) production(ctx context.Context) (*view, error) {
	version, err := registry.InProduction(ctx, m.parts.Registry)
	if err != nil && !errors.Is(err, registry.ErrNoProduction) {
		return nil, err
	}
	return m.viewOf(ctx, version)
}

// compare fills in what the pass says of the sum of the window.
func (m *Monitor) compare(p *Pass, v *view, s span, sum Tally) (err error) {
	switch {
	case sum.Rows < m.cfg.MinSamples:
		of := "" // whose: predictions that name another model or version, or none, are not counted
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

// detect compares the profile with the reference; of a nil against it returns nil.
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

// Buckets yields what is kept of the buckets of a version, of the one in production if
// version is empty, that begin in from <= time < to, in order; a zero bound is no bound.
// It is what detectors of a stream of batches take: they go by those that are Complete,
// which do not overlap and do not change. Buckets that were counted on other references
// than the version has now are left out.
//
// It reads what this and other processes have kept so far, and counts nothing. The profiles
// are the consumer's own. A bucket that is damaged is yielded with its From, as far as that
// is known, and an error that is [ErrDamaged], and the sequence goes on; it ends at any
// other error.
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
