package healing

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// Watch is what was found of a version after its promotion: how it does, on the rows it
// answered and whose labels have come, beside what its predecessor would have answered
// to the same rows. Comparing on identical rows keeps a change of the world, which hurts
// both, from being blamed on the version.
type Watch struct {
	// Rows counts the labelled rows that the version answered since its promotion.
	Rows int `json:"rows"`
	// Loss names the loss, which lies in [0, 1]: "squared error" of the probability of
	// the true class, "error rate" for classes without probabilities, or "farther from
	// the truth" for a regression, where of the two the model counts that is farther off.
	Loss string `json:"loss"`
	// VersionLoss and PredecessorLoss are the mean losses.
	VersionLoss     float64 `json:"version_loss"`
	PredecessorLoss float64 `json:"predecessor_loss"`
	// EValue is the evidence that the version's mean loss exceeds the predecessor's by
	// more than the tolerance. While it does not, EValue reaches 1/Alpha with a
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
	return fmt.Sprintf("%s %.3f, predecessor %.3f on %d rows, e-value %.3g", w.Loss, w.VersionLoss, w.PredecessorLoss, w.Rows, w.EValue)
}

// watchMemo keeps the predecessor's answers during a watch, so that each look asks it
// for the new rows only.
type watchMemo struct {
	run     string
	model   gate.Model
	answers map[string]predictlog.Output // by record ID
}

// watch compares the version with its predecessor and ends the watch if harm is proven
// or the time is over.
func (l *Loop) watch(ctx context.Context, run Run, now time.Time) (Run, error) {
	w, err := l.compare(ctx, run, now)
	if err != nil && ctx.Err() == nil && now.Sub(run.Promoted) >= l.cfg.Watch.Period+l.cfg.GiveUp {
		// A predecessor that cannot be asked any more must not keep the next run waiting.
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
	l.current = &w
	l.mu.Unlock()
	return run, nil
}

// compare gathers the evidence for or against the version of the run, as of now.
func (l *Loop) compare(ctx context.Context, run Run, now time.Time) (Watch, error) {
	data, err := labels.Collect(ctx, l.parts.Predictions, l.parts.Labels, predictlog.Query{
		From:    run.Promoted,
		To:      now,
		Version: run.Version,
	})
	if err != nil {
		return Watch{}, err
	}
	data = data.Labelled()
	if err := l.answer(ctx, run, data); err != nil {
		return Watch{}, err
	}
	// In the order in which the truth became known, so that looking again with more
	// labels goes on with the same bets.
	slices.SortStableFunc(data.Examples, func(a, b labels.Example) int {
		return cmp.Or(a.Label.Time.Compare(b.Label.Time), cmp.Compare(a.Record.ID, b.Record.ID))
	})
	return compareLosses(data, l.watched.answers, l.cfg.Watch)
}

// answer fills the memo with the predecessor's answers to the rows it has not seen.
func (l *Loop) answer(ctx context.Context, run Run, data labels.Dataset) error {
	memo := &l.watched
	if memo.run != run.ID {
		v, err := registry.Get(ctx, l.parts.Registry, run.Predecessor)
		if err != nil {
			return err
		}
		m, err := l.load(ctx, v)
		if err != nil {
			return err
		}
		*memo = watchMemo{run: run.ID, model: m, answers: map[string]predictlog.Output{}}
	}
	var fresh []labels.Example
	var rows []predictlog.Row
	for _, e := range data.Examples {
		if _, known := memo.answers[e.Record.ID]; !known {
			fresh, rows = append(fresh, e), append(rows, e.Record.Row)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	outputs, err := memo.model.Predict(ctx, rows)
	if err != nil {
		return fmt.Errorf("version %s: %w", run.Predecessor, err)
	}
	if len(outputs) != len(rows) {
		return fmt.Errorf("version %s answered %d rows of %d", run.Predecessor, len(outputs), len(rows))
	}
	for i, e := range fresh {
		memo.answers[e.Record.ID] = outputs[i]
	}
	return nil
}

// compareLosses bets, row by row, that the version's loss exceeds the predecessor's by
// more than the tolerance.
func compareLosses(data labels.Dataset, predecessor map[string]predictlog.Output, cfg WatchConfig) (Watch, error) {
	w := Watch{Alpha: cfg.Alpha}
	// The difference of two losses lies in [-1, 1]; (1+difference)/2 lies in [0, 1] and
	// has a mean of at most (1+tolerance)/2 unless there is harm.
	bets, err := gate.NewBetting(gate.BettingConfig{Null: (1 + cfg.Tolerance) / 2, Alpha: cfg.Alpha})
	if err != nil {
		return Watch{}, err
	}
	target := data.Schema.Target()
	var sum, sumPredecessor float64
	for _, e := range data.Examples {
		name, loss, lossPredecessor := losses(e.Label, target, e.Record.Output, predecessor[e.Record.ID])
		if err := bets.Add((1 + loss - lossPredecessor) / 2); err != nil {
			return Watch{}, fmt.Errorf("prediction %s: %w", e.Record.ID, err)
		}
		w.Loss = name
		sum, sumPredecessor = sum+loss, sumPredecessor+lossPredecessor
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
