package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// replayConfig tunes a replay.
type replayConfig struct {
	data, label, id string // the file, and its columns that are no features
	dir             string
	database        string // see storyConfig
	seed            uint64
	start           time.Time     // of the first row
	every           time.Duration // from one row to the next
	first           time.Duration // the rows of this time train the first version
	delay           time.Duration // from a prediction to its label
}

// span returns how long the given number of rows takes, in whole days, and the least
// duration if that is longer.
func (c replayConfig) span(rows int, least time.Duration) time.Duration {
	days := (time.Duration(rows)*c.every + day - 1) / day
	return max(days*day, least)
}

// step returns the time between two looks of the loop: a day, or the time to the next row if
// that is longer.
func (c replayConfig) step() time.Duration { return max(day, c.every) }

// healing returns the configuration of the replay. At the pace of any file, each window holds
// enough rows: the window of a monitor pass more than the 200 that a pass wants, and training
// and evaluation at least their default lengths. Retraining is weekly. Drift does not trigger
// it in addition: seasons alone keep a long stream drifting, so this would only double the
// runs. The gate is the one with an error rate. All else is default.
func (c replayConfig) healing() healing.Config {
	return healing.Config{
		Actor:   "pipeline",
		Monitor: healing.MonitorConfig{Window: c.span(240, day), Bucket: c.step()}, // a pass a bucket
		Trigger: healing.TriggerConfig{NoDrift: true},
		Train: healing.TrainConfig{
			Maturity:   c.delay,
			Evaluation: c.span(300, 7*day),
			Training:   c.span(1200, 30*day),
		},
		Policy: gate.Standard(),
		Seed:   c.seed,
	}
}

// replaySummary is what -json prints.
type replaySummary struct {
	Static       score   `json:"static"` // the first version, kept for ever
	Healed       score   `json:"healed"` // what the loop had in production
	Rows         int     `json:"rows"`   // answered after the first deployment
	Passes       int     `json:"passes"`
	Runs         int     `json:"runs"`       // after the first deployment
	Promotions   int     `json:"promotions"` // after the first deployment
	Rejections   int     `json:"rejections"`
	Inconclusive int     `json:"inconclusive"`
	Skipped      int     `json:"skipped"`
	Rollbacks    int     `json:"rollbacks"`
	Seed         uint64  `json:"seed"`
	Dir          string  `json:"dir"`
	Seconds      float64 `json:"seconds"`
}

// replay feeds a labelled stream to the loop as if it happened now.
type replay struct {
	cfg      replayConfig
	timeline *timeline
	table    *table
	stores   *stores
	live     *registry.Live[gate.Model]
	static   gate.Model

	now      time.Time // the simulated clock
	answered int       // rows [0, answered) are in the log
	labelled int       // rows [0, labelled) have their label
	hookErr  error     // of the first hook that failed
	summary  replaySummary

	byStatic, byHealed answers
}

// replayFile replays the whole file.
func replayFile(ctx context.Context, cfg replayConfig, t *timeline) (_ *replaySummary, err error) {
	began := time.Now()
	data, err := openTable(cfg)
	if err != nil {
		return nil, err
	}
	f, err := openStores(ctx, cfg.dir, cfg.database, "replay", data.schema)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	r := &replay{cfg: cfg, timeline: t, table: data, stores: f, now: cfg.start.Add(cfg.first - cfg.step())}
	r.live, err = registry.NewLive(f.Registry, decoder(data.schema), registry.LiveConfig{})
	if err != nil {
		return nil, err
	}
	if err := r.deployFirst(ctx); err != nil {
		return nil, err
	}
	if err := r.rest(ctx); err != nil {
		return nil, err
	}
	if err := r.score(); err != nil {
		return nil, err
	}
	r.summary.Seed, r.summary.Dir, r.summary.Seconds = cfg.seed, f.dir, time.Since(began).Seconds()
	return &r.summary, nil
}

// openTable reads the file and checks that it is long enough.
func openTable(cfg replayConfig) (*table, error) {
	file, err := os.Open(cfg.data)
	if err != nil {
		return nil, err
	}
	defer file.Close() // only read from
	t, err := readTable(file, cfg.label, cfg.id)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.data, err)
	}
	if length := time.Duration(len(t.rows)) * cfg.every; length <= cfg.first {
		return nil, fmt.Errorf("%s: %d rows, one every %v, span %.1f days: nothing is left after the first %.1f",
			cfg.data, len(t.rows), cfg.every, length.Hours()/24, cfg.first.Hours()/24)
	}
	return t, nil
}

// newLoop returns a loop on the stores of the replay.
func (r *replay) newLoop(cfg healing.Config) (*healing.Loop, error) {
	return r.stores.loop(healing.TrainerFunc(train), decoder(r.table.schema), cfg)
}

// deployFirst imports the first rows and lets a loop make the first version from all of them.
// As long as that version does not meet the policy's floors, deployFirst waits for more rows.
func (r *replay) deployFirst(ctx context.Context) error {
	cfg := r.cfg.healing()
	cfg.Train.Training = r.cfg.first - cfg.Train.Evaluation - cfg.Train.Maturity
	if cfg.Train.Training <= 0 {
		return fmt.Errorf("the first %.1f days are too short: %.1f are needed to judge the first version alone",
			r.cfg.first.Hours()/24, (cfg.Train.Evaluation+cfg.Train.Maturity).Hours()/24)
	}
	cfg.Hooks.Run = func(run healing.Run) {
		if run.Step.Ended() {
			r.timeline.add(run.Updated, string(run.Step), "%s, from the first %d of %d rows: %s", run.ID, r.answered, len(r.table.rows), why(run))
		}
	}
	loop, err := r.newLoop(cfg)
	if err != nil {
		return err
	}
	for r.static == nil {
		if r.answered == len(r.table.rows) {
			return errors.New("no version of the whole file could be deployed: see the reasons above, or in the journal")
		}
		if err := r.advance(ctx, loop); err != nil {
			return err
		}
		if production := r.live.Get(); production != nil {
			r.static = production.Model
		}
	}
	return nil
}

// why returns the gate's decision, or why the gate was not asked.
func why(run healing.Run) string {
	if run.Decision != nil {
		return run.Decision.String()
	}
	return run.Reason
}

// rest replays the rows after the first ones.
func (r *replay) rest(ctx context.Context) error {
	cfg := r.cfg.healing()
	cfg.Hooks = healing.Hooks{Pass: r.onPass, Run: r.onRun}
	loop, err := r.newLoop(cfg)
	if err != nil {
		return err
	}
	for r.answered < len(r.table.rows) {
		r.timeline.working("%s  %d of %d rows, %d promotions", r.now.Format("2006-01-02"), r.answered, len(r.table.rows), r.summary.Promotions)
		if err := r.advance(ctx, loop); err != nil {
			return err
		}
	}
	return nil
}

// advance lets a step of time pass: rows come in and are answered, labels become known,
// and the loop looks.
func (r *replay) advance(ctx context.Context, loop *healing.Loop) error {
	r.now = r.now.Add(r.cfg.step())
	if err := r.answer(ctx); err != nil {
		return err
	}
	if err := r.label(ctx); err != nil {
		return err
	}
	if err := errors.Join(loop.Tick(ctx, r.now), r.hookErr); err != nil {
		return err
	}
	if err := r.live.Refresh(ctx); err != nil && !errors.Is(err, registry.ErrNoProduction) {
		return err
	}
	return nil
}

// at returns the time of row i.
func (r *replay) at(i int) time.Time { return r.cfg.start.Add(time.Duration(i) * r.cfg.every) }

// rowsBefore returns the number of rows before the time.
func (r *replay) rowsBefore(t time.Time) int {
	n := (t.Sub(r.cfg.start) + r.cfg.every - 1) / r.cfg.every
	return min(max(int(n), 0), len(r.table.rows))
}

// answer lets production answer the rows since the last call, and logs them. Production
// changes only when the loop looks, so these are the answers at the time of each row. Before
// the first deployment the rows are logged without an answer.
func (r *replay) answer(ctx context.Context) error {
	from, to := r.answered, r.rowsBefore(r.now)
	records := make([]predictlog.Record, to-from)
	for i := range records {
		records[i] = predictlog.Record{ID: r.table.ids[from+i], Model: r.stores.Model, Time: r.at(from + i), Row: r.table.rows[from+i]}
	}
	if production := r.live.Get(); production != nil {
		healed, err := production.Model.Predict(ctx, r.table.rows[from:to])
		if err != nil {
			return err
		}
		static, err := r.static.Predict(ctx, r.table.rows[from:to])
		if err != nil {
			return err
		}
		positive := r.table.schema.Target().Positive()
		for i := range records {
			records[i].Version, records[i].Output = production.Version.ID, healed[i]
			r.byHealed.add(positive, r.table.truth[from+i], healed[i])
			r.byStatic.add(positive, r.table.truth[from+i], static[i])
		}
	}
	if err := r.stores.Predictions.Append(ctx, records...); err != nil {
		return err
	}
	r.answered = to
	return nil
}

// label stores the labels that are known by now.
func (r *replay) label(ctx context.Context) error {
	var batch []labels.Label
	for ; r.labelled < r.answered; r.labelled++ {
		known := r.at(r.labelled).Add(r.cfg.delay)
		if known.After(r.now) {
			break
		}
		batch = append(batch, labels.Label{PredictionID: r.table.ids[r.labelled], Class: r.table.truth[r.labelled], Time: known})
	}
	return r.stores.Labels.Append(ctx, batch...)
}

func (r *replay) onPass(p healing.Pass) {
	r.summary.Passes++
	r.hookErr = cmp.Or(r.hookErr, r.stores.keepReport(p))
}

// onRun counts runs. The timeline shows changes of production; the journal has the rest.
func (r *replay) onRun(run healing.Run) {
	switch run.Step {
	case healing.StepTriggered:
		r.summary.Runs++
	case healing.StepWatching:
		r.summary.Promotions++
		r.timeline.add(run.Updated, "promoted", "%s, %s: %s", run.ID, run.Order.Trigger, run.Decision)
	case healing.StepRejected:
		r.summary.Rejections++
	case healing.StepInconclusive:
		r.summary.Inconclusive++
	case healing.StepSkipped:
		r.summary.Skipped++
	case healing.StepRolledBack:
		r.summary.Rollbacks++
		r.timeline.add(run.Updated, "rolled_back", "%s: %s", run.ID, run.Reason)
	case healing.StepAborted:
		r.hookErr = cmp.Or(r.hookErr, fmt.Errorf("%s was aborted: %s", run.ID, run.Reason))
	}
}

// score measures both models over the rest of the stream.
func (r *replay) score() error {
	var errStatic, errHealed error
	r.summary.Static, errStatic = r.byStatic.score()
	r.summary.Healed, errHealed = r.byHealed.score()
	r.summary.Rows = len(r.byHealed.truth)
	return errors.Join(errStatic, errHealed)
}
