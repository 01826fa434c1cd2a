package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// settle measures the traffic, now that its labels have arrived. It fails unless the loop did
// good.
func (s *story) settle(ctx context.Context, end time.Time) error {
	for _, period := range []struct {
		score    *score
		version  string
		from, to time.Time
	}{
		{&s.summary.Before, s.first, s.deployed, s.shifted},
		{&s.summary.Drifted, s.first, s.shifted, s.healed},
		{&s.summary.Healed, s.second, s.healed, end},
	} {
		var err error
		if *period.score, err = s.measure(ctx, period.version, period.from, period.to); err != nil {
			return err
		}
	}
	drifted, healed := s.summary.Drifted, s.summary.Healed
	if healed.F1 <= drifted.F1 || healed.AUC <= drifted.AUC || healed.Brier >= drifted.Brier {
		return fmt.Errorf("the new version is no better: %+v under drift, %+v after", drifted, healed)
	}
	return nil
}

// lastRun returns the latest run in the journal. The run must have this trigger and be at
// this step.
func (s *story) lastRun(trigger healing.Trigger, step healing.Step) (healing.Run, error) {
	status := s.loop.Status()
	if len(status.Runs) == 0 {
		return healing.Run{}, fmt.Errorf("no run in the journal, want one started by %q", trigger)
	}
	run := status.Runs[0]
	if run.Order.Trigger != trigger || run.Step != step {
		return run, fmt.Errorf("the latest run is %s, started by %q, %s (%s): want one started by %q to be %s",
			run.ID, run.Order.Trigger, run.Step, run.Reason, trigger, step)
	}
	return run, nil
}

// lastEvent returns the latest transition in the registry.
func (s *story) lastEvent(ctx context.Context) (last registry.Event, err error) {
	for last, err = range s.stores.Registry.History(ctx, 0) {
		if err != nil {
			return last, err
		}
	}
	return last, nil
}

// wantProduction fails unless the version is in production, both in the registry and for a
// client of the service.
func (s *story) wantProduction(ctx context.Context, version string) error {
	v, err := registry.InProduction(ctx, s.stores.Registry)
	if err != nil {
		return err
	}
	if v.ID != version {
		return fmt.Errorf("version %s is in production, want version %s", v.ID, version)
	}
	a, err := s.client.predict(ctx, s.application())
	if err != nil {
		return err
	}
	if a.Version != version {
		return fmt.Errorf("the service answers with version %s, want version %s", a.Version, version)
	}
	s.timeline.add(s.now, "serving", "the service answers with version %s", version)
	return nil
}

// measure returns the score of a version on the labelled predictions that it answered in the
// window.
func (s *story) measure(ctx context.Context, version string, from, to time.Time) (score, error) {
	data, err := labels.Collect(ctx, s.stores.Predictions, s.stores.Labels, predictlog.Query{From: from, To: to, Version: version})
	if err != nil {
		return score{}, err
	}
	var all answers
	for _, e := range data.Labelled().Examples {
		all.add(s.schema.Target().Positive(), e.Label.Class, e.Record.Output)
	}
	return all.score()
}
