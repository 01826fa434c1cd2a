package healing

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/go-playground/validator/v10"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/budget"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// Parts are what a [Loop] works with. Predictions, Labels, Registry, Journal, Trainer and
// Load are required.
type Parts struct {
	// Model names the model of the loop. The loop reads the predictions whose
	// [predictlog.Record.Model] is equal to it, so loops about several models may share
	// stores. If Model is "", all predictions of the store are of one model. Model is UTF-8
	// without NUL, at most 100 bytes.
	Model string
	// Tag narrows the loop down to the predictions with this tag, for example to one of
	// several regions that have a model each. A Tag without a name selects all.
	Tag predictlog.Tag
	// Predictions are the records of what was answered. The Version of a record is the ID
	// that the registry gave to the version.
	Predictions predictlog.Store
	Labels      labels.Store
	// Registry holds the versions of this model and no other.
	Registry registry.Registry
	// Journal holds orders, runs and decisions of this model and no other.
	Journal registry.Log
	// Telemetry keeps passes and profiles. Nil keeps them in the memory of this process: a
	// process that starts then reads the records of the window again and knows no earlier
	// passes.
	Telemetry Telemetry
	// Lease keeps several processes from doing the same work at the same time. Nil is for a
	// single process. Without a lease, several processes may each train the shadow of a run,
	// and one of these shadows is used.
	Lease   Lease
	Trainer Trainer
	// Load makes a model from the artifact of a version. The same function serves
	// [registry.NewLive].
	Load registry.LoadFunc[gate.Model]
	// Reference is what live rows are compared with while the version in production carries
	// no reference of its own. A version that a run trained carries one: the rows on which it
	// was trained and judged.
	Reference *drift.Reference
}

// name tells the loop apart from other loops on the same stores.
func (p Parts) name() string {
	if p.Tag.Name == "" {
		return p.Model
	}
	return p.Model + "?" + p.Tag.Name + "=" + p.Tag.Value
}

// subject returns what the telemetry of the loop is about.
func (p Parts) subject() subject { return subject{p.Model, p.Tag} }

// caveat returns what the registry promises less than other registries do.
func (p Parts) caveat() string {
	if c, ok := p.Registry.(registry.Caveat); ok {
		return c.Caveat(p.Lease != nil)
	}
	return ""
}

func (p Parts) validate() error {
	var errs []error
	for _, part := range []struct {
		name    string
		missing bool
	}{
		{"Parts.Predictions", p.Predictions == nil},
		{"Parts.Labels", p.Labels == nil},
		{"Parts.Registry", p.Registry == nil},
		{"Parts.Journal", p.Journal == nil},
		{"Parts.Trainer", p.Trainer == nil},
		{"Parts.Load", p.Load == nil},
	} {
		if part.missing {
			errs = append(errs, fmt.Errorf("%s is nil", part.name))
		}
	}
	for _, part := range []struct{ name, value string }{
		{"Parts.Model", p.Model}, {"Parts.Tag.Name", p.Tag.Name}, {"Parts.Tag.Value", p.Tag.Value},
	} {
		if len(part.value) > 100 || (registry.Transition{Actor: part.value}).Validate() != nil {
			errs = append(errs, violation(part.name, strconv.Quote(part.value), "at most 100 bytes of UTF-8 without NUL"))
		}
	}
	return errors.Join(errs...)
}

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// Config tunes a [Loop]. The zero Config is valid.
type Config struct {
	// Actor names this process in journal and registry. Actor is UTF-8 without NUL. Default
	// "selfheal".
	Actor   string
	Monitor MonitorConfig
	Trigger TriggerConfig
	Train   TrainConfig
	Watch   WatchConfig
	// Policy decides about promotions. Default [gate.Classic].
	Policy gate.Policy
	// Budget bounds the probability of any false promotion within its horizon, over all
	// decisions, see [budget.Budget]. A Budget needs a Policy with an error rate, such as
	// [gate.Standard]. The journal keeps what the Budget is charged, see [Run]; Charges are
	// those from before the journal. Nil is no such bound.
	Budget *budget.Budget
	// Segments are the categorical columns by which the gate looks for regressions.
	Segments []string
	// Seed is given to the trainer and recorded with the version.
	Seed uint64
	// GiveUp aborts a run in two cases: the run has not been judged after this time, because
	// a store or the registry fails; or its decision to promote is older than this, because
	// no process was there to carry it out. GiveUp also ends a watch that cannot compare,
	// this long after its period. Default 24h.
	GiveUp time.Duration `validate:"gte=0"`
	// Lease is how long [Parts.Lease] lasts without being renewed. The loop renews the lease
	// three times in that time. After a process died at work, another process waits for this
	// long. Default 1m, at least 1s.
	Lease time.Duration `validate:"gte=0"`
	// Hooks are told what happens.
	Hooks Hooks
	// Logger receives steps, passes and failures. Nil is silent.
	Logger *slog.Logger
}

// MonitorConfig tunes the monitor.
type MonitorConfig struct {
	// Every is the time between two passes. Default 5m.
	Every time.Duration `validate:"gte=0"`
	// Window is the least time that a pass looks back: the window begins with a whole bucket.
	// Default 24h.
	Window time.Duration `validate:"gte=0"`
	// Bucket is the length of the buckets in which predictions are counted, at least a
	// second. Buckets of different lengths are kept apart. Default 5m.
	Bucket time.Duration `validate:"gte=0"`
	// Lateness is how long after the end of its bucket a late record is still counted, as
	// long as the bucket is in the window. A bucket that leaves the window earlier never
	// becomes Complete, see [Bucket]. Default a quarter of Window: 6h.
	Lateness time.Duration `validate:"gte=0"`
	// Replica names this process if the process has a store of predictions of its own and
	// shares the telemetry with other replicas. Each replica then adds a part to every
	// bucket, and a window is the sum of all parts. The name must never change. Empty if all
	// processes share one store of predictions, or if there is one process.
	Replica string
	// MinSamples is the number of predictions in the window below which a pass counts and
	// does not compare. Default 200.
	MinSamples int `validate:"gte=0"`
	// Drift tunes the comparison with the reference.
	Drift drift.Config
}

// TriggerConfig says when a retraining starts by itself.
type TriggerConfig struct {
	// Every is the time between the starts of scheduled runs. Default 7 days.
	Every time.Duration `validate:"gte=0"`
	// NoSchedule switches scheduled runs off. NoDrift switches off runs triggered by drift.
	NoSchedule, NoDrift bool
	// DriftPasses is how many passes in a row must report drift. Default 3.
	DriftPasses int `validate:"gte=0"`
	// Cooldown is the time after a promotion or a rollback before drift triggers again. After
	// a promotion the window of the new version fills up. A Cooldown below
	// MonitorConfig.Window therefore judges by a part of a window, such as one night. Default
	// 7 days.
	Cooldown time.Duration `validate:"gte=0"`
	// Backoff is the time after the end of a run before the next starts by itself.
	// Default 24h.
	Backoff time.Duration `validate:"gte=0"`
}

// TrainConfig says what a shadow is trained and judged on.
type TrainConfig struct {
	// Maturity is how old a prediction must be to count: labels of younger predictions are
	// still missing, and not at random. Default none.
	Maturity time.Duration `validate:"gte=0"`
	// Evaluation is the length of the window on which models are judged, the latest mature
	// time. Default 7 days.
	Evaluation time.Duration `validate:"gte=0"`
	// Gap is the time between training and evaluation that belongs to neither. Default none.
	Gap time.Duration `validate:"gte=0"`
	// Training is the length of the window on which the shadow is trained. This window ends
	// where the gap begins. Default 30 days.
	Training time.Duration `validate:"gte=0"`
	// MinLabelled is the least number of labelled predictions in both windows together,
	// default 200. MinCoverage is the least labelled share of all predictions in them,
	// default 0.3.
	MinLabelled int     `validate:"gte=0"`
	MinCoverage float64 `validate:"gte=0,lte=1"`
	// Timeout aborts a training. Default 1h.
	Timeout time.Duration `validate:"gte=0"`
	// MaxRows bounds the rows that are held in memory for training, for judging and for the
	// reference, each. If there are more rows, a random sample by Config.Seed is used, and
	// the run records the size of the sample and the number of rows. A row of ten columns
	// takes some 700 bytes. Default 200,000.
	MaxRows int `validate:"gte=0"`
	// Attempts is how often a run tries to train, and how often it tries to judge, before the
	// run is aborted. An attempt during which the process died counts. After a failed attempt
	// the process waits for GiveUp divided by Attempts. Default 3.
	Attempts int `validate:"gte=0"`
}

// WatchConfig says how a version is watched after its promotion.
type WatchConfig struct {
	// Period is how long a version is watched. Default 7 days.
	Period time.Duration `validate:"gte=0"`
	// Alpha bounds the probability that the watch ever rolls back a version that is no worse
	// than its predecessor, however often the watch looks. Default 0.01.
	Alpha float64 `validate:"gte=0,lt=1"`
	// Tolerance is the excess of the mean loss over the predecessor's, on the same rows, that
	// does not yet count as harm. Its unit is that of the loss, which lies in [0, 1]. Default
	// 0: any proven harm counts.
	Tolerance float64 `validate:"gte=0,lt=1"`
	// MaxRows bounds the rows that a watch compares and holds in memory, some 300 bytes a
	// row. Half of MaxRows may be used at once, the other half as the period goes by. If
	// there are more rows, a random choice by Config.Seed is compared. Default 200,000.
	MaxRows int `validate:"gte=0"`
}

// Hooks are called, unless nil, one at a time and in the order of the journal. The goroutine
// that did the work calls them and waits for them. A hook must not call the loop.
type Hooks struct {
	// Pass is called after each pass of this process, with the full report.
	Pass func(Pass)
	// Run is called after each step that this process recorded. An order that ends another
	// run calls Run first for the run that ended.
	Run func(Run)
}

func (c Config) withDefaults() Config {
	def(&c.Actor, "selfheal")
	def(&c.Monitor.Every, 5*time.Minute)
	def(&c.Monitor.Window, day)
	def(&c.Monitor.Bucket, 5*time.Minute)
	def(&c.Monitor.Lateness, c.Monitor.Window/4)
	def(&c.Monitor.MinSamples, 200)
	def(&c.Trigger.Every, week)
	def(&c.Trigger.DriftPasses, 3)
	def(&c.Trigger.Cooldown, week)
	def(&c.Trigger.Backoff, day)
	def(&c.Train.Evaluation, week)
	def(&c.Train.Training, 30*day)
	def(&c.Train.MinLabelled, 200)
	def(&c.Train.MinCoverage, 0.3)
	def(&c.Train.Timeout, time.Hour)
	def(&c.Train.MaxRows, 200_000)
	def(&c.Train.Attempts, 3)
	def(&c.Watch.MaxRows, 200_000)
	def(&c.Watch.Period, week)
	def(&c.Watch.Alpha, 0.01)
	def(&c.GiveUp, day)
	def(&c.Lease, time.Minute)
	if c.Policy.Name == "" && c.Policy.Criteria == nil && c.Policy.First == nil {
		c.Policy = gate.Classic()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func def[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// validate returns every violation with the name of its field.
func (c Config) validate(schema *predictlog.Schema) error {
	var errs []error
	for _, group := range []struct {
		name   string
		config any
	}{
		{"Monitor", c.Monitor},
		{"Trigger", c.Trigger},
		{"Train", c.Train},
		{"Watch", c.Watch},
	} {
		errs = append(errs, violations(group.name+".", validator.New().StructExcept(group.config, "Drift"))...)
	}
	if c.GiveUp < 0 {
		errs = append(errs, violation("GiveUp", c.GiveUp, "gte=0"))
	}
	if c.Lease < time.Second {
		errs = append(errs, violation("Lease", c.Lease, "gte=1s"))
	}
	if (registry.Transition{Actor: c.Actor}).Validate() != nil {
		errs = append(errs, violation("Actor", strconv.Quote(c.Actor), "UTF-8 without NUL"))
	}
	if err := c.Policy.Validate(); err != nil {
		errs = append(errs, err)
	} else if err := c.validateBudget(); err != nil {
		errs = append(errs, err)
	}
	if schema == nil { // said already
		return errors.Join(errs...)
	}
	for _, name := range c.Segments {
		if i, ok := schema.Index(name); !ok {
			errs = append(errs, violation("Segments", name, "the name of a column"))
		} else if kind := schema.Column(i).Kind; kind != predictlog.Categorical {
			errs = append(errs, violation("Segments", fmt.Sprintf("%s, which is %s", name, kind), "categorical columns"))
		}
	}
	return errors.Join(errs...)
}

// validateBudget returns what is wrong with the budget, or with a valid policy under it.
func (c Config) validateBudget() error {
	if c.Budget == nil {
		return nil
	}
	if err := c.Budget.Validate(); err != nil {
		return err
	}
	budget := *c.Budget
	budget.Charges = nil
	granted, err := budget.Apply(c.Policy, time.Time{})
	if err != nil {
		return err
	}
	return granted.Validate()
}

// violations turns the validator's error into one error for each broken rule.
func violations(prefix string, err error) []error {
	var broken validator.ValidationErrors
	if !errors.As(err, &broken) {
		if err != nil {
			return []error{err}
		}
		return nil
	}
	errs := make([]error, len(broken))
	for i, f := range broken {
		errs[i] = violation(prefix+f.Field(), f.Value(), f.Tag()+"="+f.Param())
	}
	return errs
}

func violation(field string, value any, want string) error {
	return fmt.Errorf("%s is %v, want %s", field, value, want)
}
