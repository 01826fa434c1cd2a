package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

const day = 24 * time.Hour

const (
	// perDay is the number of applications.
	perDay = 480
	// tick is the simulated time between two looks of the loop. Its default, 5 minutes,
	// would only make the story longer.
	tick = 2 * time.Hour
	// A label comes between minDelay and maxDelay after its prediction, and for
	// labelledShare of the predictions only.
	minDelay      = 6 * time.Hour
	maxDelay      = day
	labelledShare = 0.85

	// The shadow is trained on three days and judged on the next one and a half. A
	// service with less traffic keeps the defaults of a month and a week.
	trainingWindow   = 3 * day
	evaluationWindow = 36 * time.Hour
	historyLength    = trainingWindow + evaluationWindow
	cooldown         = 7 * day // the default of healing.TriggerConfig
	watchPeriod      = 7 * day // the default of healing.WatchConfig
	stablePeriod     = 36 * time.Hour
	// maxHarm is how long the harmful version may stay before the story has failed.
	maxHarm = 3 * day
	// storyLength bounds the simulated time from the service's introduction to the end.
	storyLength = day + cooldown + watchPeriod + maxHarm
)

// story is the life of a credit model: a simulated world around a real service, real
// stores and the real loop.
type story struct {
	timeline   *timeline
	stores     *stores
	schema     *predictlog.Schema
	service    *service
	client     *client
	loop       *healing.Loop
	population *population
	market     market
	// sabotaged makes the trainer learn from shuffled labels, so its shadow is worse on
	// purpose.
	sabotaged bool

	now     time.Time      // the simulated clock
	pending []labels.Label // what the world knows and the service does not yet
	passes  []healing.Pass // since the chapter began
	steps   []healing.Run  // since the chapter began
	hookErr error          // of the first hook that failed
	summary storySummary

	deployed, shifted, healed time.Time // when the chapters of these names came to pass
	first, second, worse      string    // the versions, in the order of their making
}

// storySummary is what -json prints.
type storySummary struct {
	Events   []event `json:"events"`
	Before   score   `json:"before"`   // production before the shift
	Drifted  score   `json:"drifted"`  // the same version after it
	Healed   score   `json:"healed"`   // the version that took its place
	Requests int64   `json:"requests"` // for predictions, answered over HTTP
	Failed   int64   `json:"failed"`
	Seed     uint64  `json:"seed"`
	Dir      string  `json:"dir"`
	Seconds  float64 `json:"seconds"`
}

// storyConfig tunes a story.
type storyConfig struct {
	dir      string
	database string // the URL of a database to keep everything in, "" for files in dir
	seed     uint64
	start    time.Time // of the simulated clock: when the service is introduced
	address  string    // to listen on
}

// tellStory plays all chapters, then calls after, if not nil, while the service still runs.
// The error names the chapter that did not happen.
func tellStory(ctx context.Context, cfg storyConfig, t *timeline, after func(context.Context, *story) error) (_ *storySummary, err error) {
	began := time.Now()
	s, err := newStory(ctx, cfg, t)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.stores.close()) }()
	listener, err := net.Listen("tcp", cfg.address)
	if err != nil {
		return nil, err
	}
	s.client = newClient("http://" + listener.Addr().String())

	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- s.service.run(serving, listener) }()
	err = s.unfold(ctx)
	if err == nil {
		s.summary.Requests, s.summary.Failed = s.client.answered.Load(), s.client.failed.Load()
		s.summary.Seconds = time.Since(began).Seconds()
		if after != nil {
			err = after(ctx, s)
		}
	}
	s.client.http.CloseIdleConnections()
	stop()
	if err := errors.Join(err, <-served); err != nil {
		return nil, fmt.Errorf("%w (the files are in %s)", err, s.stores.dir)
	}
	return &s.summary, nil
}

func newStory(ctx context.Context, cfg storyConfig, t *timeline) (*story, error) {
	schema, err := predictlog.SchemaOf[applicant]()
	if err != nil {
		return nil, err
	}
	f, err := openStores(ctx, cfg.dir, cfg.database, modelName, schema)
	if err != nil {
		return nil, err
	}
	s := &story{
		timeline:   t,
		stores:     f,
		schema:     schema,
		population: newPopulation(cfg.seed),
		market:     branches(),
		now:        cfg.start,
	}
	s.summary.Seed, s.summary.Dir = cfg.seed, f.dir
	if err := s.assemble(cfg); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return s, nil
}

// assemble puts the service and the loop together from the stores, as a host would.
func (s *story) assemble(cfg storyConfig) error {
	load := decoder(s.schema)
	live, err := registry.NewLive(s.stores.Registry, load, registry.LiveConfig{})
	if err != nil {
		return err
	}
	recorder, err := predictlog.NewRecorder(s.stores.Predictions, predictlog.Config{Model: modelName})
	if err != nil {
		return err
	}
	s.loop, err = s.stores.loop(healing.TrainerFunc(s.train), load, healing.Config{
		Actor:   "pipeline",
		Monitor: healing.MonitorConfig{Bucket: tick}, // a pass a bucket, as with the default of both
		Train: healing.TrainConfig{
			Maturity:   maxDelay,
			Evaluation: evaluationWindow,
			Training:   trainingWindow,
		},
		Segments: []string{"region"},
		Seed:     cfg.seed,
		Hooks:    healing.Hooks{Pass: s.onPass, Run: s.onRun},
	})
	if err != nil {
		return err
	}
	s.service = &service{
		live:     live,
		recorder: recorder,
		schema:   s.schema,
		labels:   s.stores.Labels,
		status:   s.loop.Handler(),
	}
	return nil
}

// train is the trainer of the loop. If sabotaged, it shuffles the labels, as a broken join
// upstream would.
func (s *story) train(ctx context.Context, req healing.TrainRequest) (healing.Trained, error) {
	if s.sabotaged {
		req.Data = shuffleLabels(req.Data, req.Seed)
	}
	return train(ctx, req)
}

func shuffleLabels(data labels.Dataset, seed uint64) labels.Dataset {
	examples := slices.Clone(data.Examples)
	newPopulation(seed).random.Shuffle(len(examples), func(i, j int) {
		examples[i].Label, examples[j].Label = examples[j].Label, examples[i].Label
	})
	return labels.Dataset{Schema: data.Schema, Examples: examples}
}

// onPass records a monitor pass. The timeline gets a line when the verdict changes.
func (s *story) onPass(p healing.Pass) {
	if n := len(s.passes); n == 0 || s.passes[n-1].Drifted() != p.Drifted() || (s.passes[n-1].Skipped == "") != (p.Skipped == "") {
		s.timeline.add(p.Time, "monitor", "%d predictions in %s: %s", p.Samples, hours(p.Window), passText(p))
	}
	s.keep(s.stores.keepReport(p))
	p.Report = nil // large, and kept in the folder
	s.passes = append(s.passes, p)
}

func hours(w gate.Window) string { return fmt.Sprintf("%.0f h", w.To.Sub(w.From).Hours()) }

func passText(p healing.Pass) string {
	if p.Drifted() {
		return "drift in " + strings.Join(p.Drift.Columns, ", ")
	}
	return p.Verdict()
}

// onRun records a step of a run. After a change of production the service follows at once,
// because it lives in the same process; elsewhere Live would follow at its next poll.
func (s *story) onRun(r healing.Run) {
	s.steps = append(s.steps, r)
	switch r.Step {
	case healing.StepPromoting, healing.StepRollingBack:
		return // what is announced here is done, and told, with the next step
	case healing.StepRejected:
		s.timeline.add(r.Updated, string(r.Step), "%s: version %s is archived", r.ID, r.Version)
		return
	}
	s.timeline.add(r.Updated, string(r.Step), "%s: %s", r.ID, r.Reason)
	if r.Step == healing.StepWatching || r.Step == healing.StepConfirmed || r.Step == healing.StepRolledBack {
		ctx := context.Background() // a hook gets none, and reading a small file is quick
		s.keep(s.service.live.Refresh(ctx))
		if production := s.service.live.Get(); production != nil {
			s.keep(s.stores.keepReference(ctx, production.Version.ID))
		}
	}
}

// keep remembers the first error of a hook.
func (s *story) keep(err error) { s.hookErr = cmp.Or(s.hookErr, err) }

// look lets the loop do what is due.
func (s *story) look(ctx context.Context) error {
	if err := s.loop.Tick(ctx, s.now); err != nil {
		return err
	}
	return s.hookErr
}
