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

// Parts are what a [Loop] works with. Required are Predictions, Labels, Registry, Journal,
// Trainer and Load.
type Parts struct {
	// Model names the model that the loop is about: [predictlog.Record.Model] of its
	// predictions. Loops about several models may share stores. "" takes all predictions
	// in the store to be of one model. UTF-8 without NUL, at most 100 bytes.
	Model string
	// Tag, if its name is not empty, narrows the loop down to the predictions with this tag,
	// as one region of several that have a model each.
	Tag predictlog.Tag
	// Predictions are the records of what was answered; their Version is the ID that
	// the registry gave the version.
	Predictions predictlog.Store
	Labels      labels.Store
	// Registry holds the versions of this model and no other.
	Registry registry.Registry
	// Journal holds orders, runs and decisions of this model and no other.
	Journal registry.Log
	// Telemetry keeps passes and profiles. Nil keeps them in the memory of this process: a
	// process that starts reads the records of the window again, and knows no earlier
	// passes.
	Telemetry Telemetry
	// Lease keeps several processes from doing the same work at the same time. Nil is for a
	// single process: several without one may each train the shadow of a run, of which one
	// is used.
	Lease   Lease
	Trainer Trainer
	// Load makes a model from a version's artifact; the same function serves
	// [registry.NewLive].
	Load registry.LoadFunc[gate.Model]
	// Reference is what live rows are compared with while a version is in production
	// that was not trained by a run. A version that was carries its own: the rows it was
	// trained and judged on.
	Reference *drift.Reference
}

// name returns what tells the loop apart from others on the same stores.
func (p Parts) name() string {
	if p.Tag.Name == "" {
		return p.Model
	}
	return p.Model + "?" + p.Tag.Name + "=" + p.Tag.Value
}

// subject returns what the telemetry of the loop is about.
func (p Parts) subject() subject { return subject{p.Model, p.Tag} }

// caveat returns what the registry promises less than others do, under the lease if there
// is one.
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

// Config tunes a [Loop]. The zero Config is valid: it is the policy of the service that
// this library grew from.
type Config struct {
	// Actor names this process in journal and registry, in UTF-8 without NUL. Default
	// "selfheal".
	Actor   string
	Monitor MonitorConfig
	Trigger TriggerConfig
	Train   TrainConfig
	Watch   WatchConfig
	// Policy decides about promotions. Default [gate.Classic].
	Policy gate.Policy
	// Budget bounds the probability of any false promotion within its horizon, over all
	// decisions, see [budget.Budget]. It needs a Policy with an error rate, as
	// [gate.Standard]. What it is charged is kept in the journal, see [Run]; Charges are
	// those from before the journal. Nil is no such bound.
	Budget *budget.Budget
	// Segments are the categorical columns by which the gate looks for regressions.
	Segments []string
	// Seed is given to the trainer and recorded with the version.
	Seed uint64
	// GiveUp aborts a run that has not been judged after this time, because a store or
	// the registry fails, or whose decision to promote is older, because no process was
	// there to carry it out. It ends a watch that cannot compare for as long after its
	// period. Default 24h.
	GiveUp time.Duration `validate:"gte=0"`
	// Lease is how long [Parts.Lease] lasts without being renewed, which is done three times
	// in that time: so long another process waits after this one died at work. Default 1m,
	// at least 1s.
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
	// Window is how far a pass looks back, at least: it begins with a whole bucket. Default
	// 24h.
	Window time.Duration `validate:"gte=0"`
	// Bucket is the length of the buckets that predictions are counted in, at least a
	// second. Buckets of different lengths are kept apart. Default 5m.
	Bucket time.Duration `validate:"gte=0"`
	// Lateness is how long after the end of its bucket a record that arrives is still
	// counted, while the bucket is in the window. A bucket that leaves the window earlier
	// never becomes Complete, see [Bucket]. Default a quarter of Window: 6h.
	Lateness time.Duration `validate:"gte=0"`
	// Replica names this process, and for ever, if its store of predictions is its own, so
	// that the telemetry it shares with other replicas gets a part from each: the window is
	// the sum of all. Empty if all processes share one store of predictions, or there is
	// but one process.
	Replica string
	// MinSamples is the number of predictions in the window below which a pass only
	// counts. Default 200.
	MinSamples int `validate:"gte=0"`
	// Drift tunes the comparison with the reference.
	Drift drift.Config
}

// TriggerConfig says when a retraining starts by itself.
type TriggerConfig struct {
	// Every is the time between the starts of scheduled runs. Default 7 days.
	Every time.Duration `validate:"gte=0"`
	// NoSchedule switches scheduled runs off, NoDrift those triggered by drift.
	NoSchedule, NoDrift bool
	// DriftPasses is how many passes in a row must report drift. Default 3.
	DriftPasses int `validate:"gte=0"`
	// Cooldown is the time after a promotion or a rollback before drift triggers again. The
	// window of a version fills up after its promotion: a Cooldown below
	// MonitorConfig.Window judges by a part of it, such as one night. Default 7 days.
	Cooldown time.Duration `validate:"gte=0"`
	// Backoff is the time after the end of a run before the next starts by itself.
	// Default 24h.
	Backoff time.Duration `validate:"gte=0"`
}

// TrainConfig says what a shadow is trained and judged on.
type TrainConfig struct {
	// Maturity is how old a prediction must be to count, because younger ones are
	// labelled late and so not at random. Default none.
	Maturity time.Duration `validate:"gte=0"`
	// Evaluation is the length of the window on which models are judged, the latest
	// mature time. Default 7 days.
	Evaluation time.Duration `validate:"gte=0"`
	// Gap lies between training and evaluation and belongs to neither. Default none.
	Gap time.Duration `validate:"gte=0"`
	// Training is the length of the window that the shadow is trained on, before the
	// gap. Default 30 days.
	Training time.Duration `validate:"gte=0"`
	// MinLabelled is the least number of labelled predictions in both windows together,
	// MinCoverage the least labelled share. Defaults 200 and 0.3.
	MinLabelled int     `validate:"gte=0"`
	MinCoverage float64 `validate:"gte=0,lte=1"`
	// Timeout aborts a training. Default 1h.
	Timeout time.Duration `validate:"gte=0"`
	// MaxRows bounds the rows that are held in memory to train, to judge and to freeze a
	// reference, each. If there are more, they are a random sample by Config.Seed, and the
	// run records how many of how many they are. A row of ten columns takes some 700
	// bytes. Default 200,000.
	MaxRows int `validate:"gte=0"`
	// Attempts is how often a run tries to train, and how often to judge, before it is
	// aborted. Attempts during which the process died count. After one that failed, the
	// process waits for that share of GiveUp. Default 3.
	Attempts int `validate:"gte=0"`
}

// WatchConfig says how a version is watched after its promotion.
type WatchConfig struct {
	// Period is how long a version is watched. Default 7 days.
	Period time.Duration `validate:"gte=0"`
	// Alpha bounds the probability that a version which is no worse than its predecessor
	// is ever rolled back by its watch, however often the watch looks. Default 0.01.
	Alpha float64 `validate:"gte=0,lt=1"`
	// Tolerance is how much larger the mean loss may be than the predecessor's on the
	// same rows before that counts as harm, in units of the loss, which lies in [0, 1].
	// Default 0: any harm counts once it is proven.
	Tolerance float64 `validate:"gte=0,lt=1"`
	// MaxRows bounds the rows that are compared, and so what a watch holds in memory, some
	// 300 bytes a row. Half of it may be used at once, the other half as the period goes
	// by; which of more rows are taken is random, by Config.Seed. Default 200,000.
	MaxRows int `validate:"gte=0"`
}

// Hooks are called, if not nil, one at a time and in the order of the journal by the
// goroutine that did the work, which waits for them. They must not call the loop.
type Hooks struct {
	// Pass is called after each pass of this process, with the full report.
	Pass func(Pass)
	// Run is called after each step that this process recorded, an order's first step
	// after the end of the run that it took the place of.
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

// def sets *v to the default if it is zero.
func def[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// validate reports every violation, naming the field.
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

// violation says what is wrong with a field.
func violation(field string, value any, want string) error {
	return fmt.Errorf("%s is %v, want %s", field, value, want)
}
