package healing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/sequential"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// Watch compares a version with its predecessor after the promotion: the losses of both on
// the rows that the version answered and whose labels have come. The predecessor answers the
// same rows again. A change of the world hurts both on identical rows, so the version is not
// blamed for it.
type Watch struct {
	// Rows counts the labelled rows that were compared. Of counts the labelled rows that the
	// version answered since its promotion; Of is larger than Rows if it exceeds
	// [WatchConfig.MaxRows].
	Rows int `json:"rows"`
	Of   int `json:"of"`
	// Loss names the loss, which lies in [0, 1]: "squared error" of the probability of the
	// true class, "error rate" for classes without probabilities, or "farther from the truth"
	// for a regression, which is 1 for the model whose answer is farther off and 0 for the
	// other.
	Loss string `json:"loss"`
	// VersionLoss and PredecessorLoss are the mean losses.
	VersionLoss     float64 `json:"version_loss"`
	PredecessorLoss float64 `json:"predecessor_loss"`
	// EValue is the evidence that the version's mean loss exceeds the predecessor's by more
	// than the tolerance. If there is no such excess, EValue reaches 1/Alpha with a
	// probability of at most Alpha, however often one looks (Ville's inequality).
	EValue float64 `json:"e_value"`
	Alpha  float64 `json:"alpha"`
	// Harmful reports EValue >= 1/Alpha.
	Harmful bool `json:"harmful"`
}

// String returns a sentence such as "squared error 0.210, predecessor 0.140 on 412
// rows, e-value 512".
func (w Watch) String() string {
	if w.Rows == 0 {
		return "no labelled row yet"
	}
	return fmt.Sprintf("%s %.3f, predecessor %.3f on %s, e-value %.3g", w.Loss, w.VersionLoss, w.PredecessorLoss, Sample{w.Rows, w.Of}, w.EValue)
}

// watchMemo keeps the rows that were compared during a watch, so that each look asks the
// predecessor for new rows only.
type watchMemo struct {
	run    string
	model  gate.Model
	target predictlog.Target
	rows   map[string]compared // by record ID
}

// compared is a labelled row and the losses of version and predecessor.
type compared struct {
	label                   labels.Label
	name                    string // of the loss
	loss, lossOfPredecessor float64
}

// watch compares the version with its predecessor and ends the watch if harm is proven
// or the time is over.
func (l *Loop) watch(ctx context.Context, run Run, now time.Time) (Run, error) {
	incumbent, err := registry.InProduction(ctx, l.parts.Registry)
	if err != nil && !errors.Is(err, registry.ErrNoProduction) {
		return run, err
	}
	if incumbent.ID != run.Version {
		return run.after(StepAborted, now, fmt.Sprintf("the watch is over: version %q took the place of %s", incumbent.ID, run.Version)), nil
	}
	if run.Promoted.After(now.Add(l.cfg.Monitor.Every)) {
		// Otherwise no row would be of a later time, and the watch would last longer by that
		// error.
		l.cfg.Logger.WarnContext(ctx, "the promotion is from the future: a clock is wrong", "run", run.ID, "promoted", run.Promoted, "now", now)
		run.Promoted = now.UTC()
		return run.after(StepWatching, now, run.Reason), nil
	}
	w, err := l.compare(ctx, run, now)
	if err != nil && ctx.Err() == nil && now.Sub(run.Promoted) >= l.cfg.Watch.Period+l.cfg.GiveUp {
		// A predecessor that cannot answer any more must not keep the next run waiting.
		return run.after(StepConfirmed, now, fmt.Sprintf("not compared with its predecessor: %v", err)), nil
	}
	if err != nil {
		return run, err
	}
	if w.Harmful {
		run.Watch = &w
		return run.after(StepRollingBack, now, "harm proven: "+w.String()), nil
	}
	if now.Sub(run.Promoted) >= l.cfg.Watch.Period {
		run.Watch = &w
		return run.after(StepConfirmed, now, fmt.Sprintf("no harm proven in %s: %s", spell(l.cfg.Watch.Period), w)), nil
	}
	l.mu.Lock()
	l.current, l.currentRun = &w, run.ID
	l.mu.Unlock()
	return run, nil
}

// compare compares the version of the run with its predecessor, as of now.
func (l *Loop) compare(ctx context.Context, run Run, now time.Time) (Watch, error) {
	if err := l.remember(ctx, run); err != nil {
		return Watch{}, err
	}
	memo, cfg := &l.watched, l.cfg.Watch
	fresh := labels.NewSampler(cfg.room(now.Sub(run.Promoted))-len(memo.rows), l.cfg.Seed)
	var corrected []labels.Example
	of := 0
	_, err := l.read(ctx, predictlog.Query{From: run.Promoted, To: now, Version: run.Version}, time.Time{}, func(e labels.Example) {
		if !e.Labelled {
			return
		}
		of++
		if known, ok := memo.rows[e.Record.ID]; !ok {
			fresh.Add(e)
		} else if !known.label.Equal(e.Label) {
			corrected = append(corrected, e)
		}
	})
	if err != nil {
		return Watch{}, err
	}
	if err := memo.add(ctx, append(corrected, fresh.Dataset(nil).Examples...)); err != nil {
		return Watch{}, fmt.Errorf("version %s: %w", run.Predecessor, err)
	}
	w, err := compareLosses(slices.Collect(maps.Values(memo.rows)), cfg)
	w.Of = of
	return w, err
}

// room returns the number of rows that may have been compared by this time after the
// promotion.
func (c WatchConfig) room(since time.Duration) int {
	passed := min(1, float64(since)/float64(c.Period))
	return c.MaxRows - int(float64(c.MaxRows/2)*(1-passed))
}

// remember makes an empty memo for the run, unless it has one.
func (l *Loop) remember(ctx context.Context, run Run) error {
	if l.watched.run == run.ID {
		return nil
	}
	v, err := registry.Get(ctx, l.parts.Registry, run.Predecessor)
	if err != nil {
		return err
	}
	if err := l.checkSchema(v); err != nil {
		return err
	}
	m, err := l.load(ctx, v)
	if err != nil {
		return err
	}
	l.watched = watchMemo{run: run.ID, model: m, target: l.parts.Predictions.Schema().Target(), rows: map[string]compared{}}
	return nil
}

// add asks the predecessor for answers to the rows and adds the losses.
func (m *watchMemo) add(ctx context.Context, examples []labels.Example) error {
	if len(examples) == 0 {
		return nil
	}
	rows := make([]predictlog.Row, len(examples))
	for i, e := range examples {
		rows[i] = e.Record.Row
	}
	outputs, err := m.model.Predict(ctx, rows)
	if err != nil {
		return err
	}
	if len(outputs) != len(rows) {
		return fmt.Errorf("answered %d rows of %d", len(outputs), len(rows))
	}
	for i, e := range examples {
		c := compared{label: e.Label}
		c.name, c.loss, c.lossOfPredecessor = losses(e.Label, m.target, e.Record.Output, outputs[i])
		m.rows[e.Record.ID] = c
	}
	return nil
}

// compareLosses bets, row by row, that the version's loss exceeds the predecessor's by
// more than the tolerance. It sorts the rows.
func compareLosses(rows []compared, cfg WatchConfig) (Watch, error) {
	w := Watch{Alpha: cfg.Alpha}
	// The difference of two losses lies in [-1, 1]; (1+difference)/2 lies in [0, 1] and
	// has a mean of at most (1+tolerance)/2 unless there is harm.
	bets, err := sequential.NewBetting(sequential.BettingConfig{Null: (1 + cfg.Tolerance) / 2, Alpha: cfg.Alpha})
	if err != nil {
		return Watch{}, err
	}
	// The bets are in the order in which the truth became known, so a later look, with more
	// labels, continues the same bets.
	slices.SortFunc(rows, func(a, b compared) int {
		return cmp.Or(a.label.Time.Compare(b.label.Time), cmp.Compare(a.label.PredictionID, b.label.PredictionID))
	})
	var sum, sumPredecessor float64
	for _, r := range rows {
		if err := bets.Add((1 + r.loss - r.lossOfPredecessor) / 2); err != nil {
			return Watch{}, fmt.Errorf("prediction %s: %w", r.label.PredictionID, err)
		}
		w.Loss = r.name
		sum, sumPredecessor = sum+r.loss, sumPredecessor+r.lossOfPredecessor
		w.Rows++
	}
	w.EValue = bets.Evalue()
	if w.Rows > 0 {
		w.VersionLoss, w.PredecessorLoss = sum/float64(w.Rows), sumPredecessor/float64(w.Rows)
	}
	w.Harmful = w.EValue >= 1/w.Alpha
	return w, nil
}

// losses returns the losses of two answers to one row, each in [0, 1].
func losses(truth labels.Label, target predictlog.Target, a, b predictlog.Output) (name string, lossA, lossB float64) {
	if target.Task == predictlog.Regression {
		errA, errB := math.Abs(a.Value-truth.Value), math.Abs(b.Value-truth.Value)
		return "farther from the truth", oneIf(errA > errB), oneIf(errB > errA)
	}
	i := slices.Index(target.Classes, truth.Class)
	if i < len(a.Probabilities) && i < len(b.Probabilities) {
		return "squared error", square(1 - a.Probabilities[i]), square(1 - b.Probabilities[i])
	}
	return "error rate", oneIf(a.Class != truth.Class), oneIf(b.Class != truth.Class)
}

func square(x float64) float64 { return x * x }

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
