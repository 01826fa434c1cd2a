package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// unfold plays the chapters. Each chapter checks the registry, the journal and the answers of
// the service, and fails unless they show what it tells.
func (s *story) unfold(ctx context.Context) error {
	for _, chapter := range []struct {
		title string
		live  func(context.Context) error
	}{
		{"too few labels", s.tooFewLabels},
		{"first deployment", s.firstDeployment},
		{"stable operation", s.stableOperation},
		{"the world shifts", s.worldShifts},
		{"healing", s.heals},
		{"the watch confirms", s.watchConfirms},
		{"a worse shadow", s.worseShadow},
		{"a harmful order", s.harmfulOrder},
	} {
		s.passes, s.steps = nil, nil
		s.timeline.add(s.now, "chapter", "%s", strings.ToUpper(chapter.title))
		if err := chapter.live(ctx); err != nil {
			return fmt.Errorf("chapter %q did not happen: %w", chapter.title, err)
		}
	}
	s.summary.Events = s.timeline.events
	return nil
}

// tooFewLabels imports applications whose outcome nobody knows yet: the loop sees that
// nothing is in production, and that there is nothing to learn from.
func (s *story) tooFewLabels(ctx context.Context) error {
	requests := s.applications(s.now.Add(-historyLength), s.now)
	records := make([]predictlog.Record, len(requests))
	for i, r := range requests {
		body, err := json.Marshal(r.applicant)
		if err != nil {
			return err
		}
		row, err := s.schema.ParseJSON(body)
		if err != nil {
			return err
		}
		// A row from before the service has no answer, and so no version.
		records[i] = predictlog.Record{ID: predictlog.NewIDAt(r.at), Model: modelName, Time: r.at, Row: row}
		s.willBeLabelled(records[i].ID, r)
	}
	if err := s.stores.Predictions.Append(ctx, records...); err != nil {
		return err
	}
	s.timeline.add(s.now, "import", "%d applications of the past %.1f days; their labels are not known here yet", len(records), historyLength.Hours()/24)

	if _, err := s.client.refused(ctx, s.application(), http.StatusServiceUnavailable); err != nil {
		return err
	}
	if err := s.look(ctx); err != nil {
		return err
	}
	run, err := s.lastRun(healing.TriggerFirst, healing.StepSkipped)
	if err != nil {
		return err
	}
	if found := run.Labelling; found == nil || found.Coverage.Labelled >= found.MinLabelled {
		return fmt.Errorf("%s was skipped for another reason: %s", run.ID, run.Reason)
	}
	return nil
}

// firstDeployment lets the labels arrive: the loop trains a model and promotes it by
// itself, past the absolute floors of the policy.
func (s *story) firstDeployment(ctx context.Context) error {
	s.now = s.now.Add(day)
	known := len(s.pending)
	if err := s.postLabels(ctx); err != nil {
		return err
	}
	s.timeline.add(s.now, "labels", "%d labels of the imported applications are posted to /labels", known-len(s.pending))
	if err := s.look(ctx); err != nil {
		return err
	}
	run, err := s.lastRun(healing.TriggerFirst, healing.StepConfirmed)
	if err != nil {
		return err
	}
	if run.Decision == nil || !run.Decision.First || run.Decision.Outcome != gate.Promote {
		return fmt.Errorf("%s was not judged by the floors of a first deployment", run.ID)
	}
	s.first, s.deployed = run.Version, s.now
	return s.wantProduction(ctx, s.first)
}

// stableOperation serves applicants like those of the training, and refuses bad input.
func (s *story) stableOperation(ctx context.Context) error {
	if err := s.refusesBadInput(ctx); err != nil {
		return err
	}
	if err := s.advance(ctx, s.now.Add(stablePeriod), nil); err != nil {
		return err
	}
	compared := 0
	for _, p := range s.passes {
		if p.Drifted() {
			return fmt.Errorf("the pass of %s reports drift: %s", p.Time.Format(time.RFC3339), p.Verdict())
		}
		if p.Skipped == "" {
			compared++
		}
	}
	if compared == 0 {
		return fmt.Errorf("none of %d monitor passes compared anything", len(s.passes))
	}
	logged := 0
	for _, err := range s.stores.Predictions.Scan(ctx, predictlog.Query{Version: s.first}) {
		if err != nil {
			return err
		}
		logged++
	}
	if answered := int(s.client.answered.Load()); logged != answered {
		return fmt.Errorf("the log holds %d predictions, want all %d that were answered", logged, answered)
	}
	s.timeline.add(s.now, "stable", "%d requests answered and logged, %d monitor passes without drift", logged, len(s.passes))
	return nil
}

// refusesBadInput sends an application that breaks three rules.
func (s *story) refusesBadInput(ctx context.Context) error {
	bad := s.application()
	bad.applicant.Age, bad.applicant.Utilization, bad.applicant.Region = 12, 7, "atlantis"
	body, err := s.client.refused(ctx, bad, http.StatusUnprocessableEntity)
	if err != nil {
		return err
	}
	var said refusal
	if err := json.Unmarshal(body, &said); err != nil {
		return err
	}
	var columns []string
	for _, v := range said.Violations {
		columns = append(columns, v.Column)
	}
	if want := []string{"age", "utilization", "region"}; !slices.Equal(columns, want) {
		return fmt.Errorf("bad input: the answer names the columns %q, want %q", columns, want)
	}
	s.timeline.add(s.now, "refused", "422: %s", joinText(said.Violations))
	return nil
}

func joinText(violations []predictlog.Violation) string {
	texts := make([]string, len(violations))
	for i, v := range violations {
		texts[i] = v.String()
	}
	return strings.Join(texts, "; ")
}

// worldShifts changes who applies and what a default depends on. The monitor names the
// columns; the cooldown after the first deployment keeps the loop from retraining before
// there is anything of the new world to learn from.
func (s *story) worldShifts(ctx context.Context) error {
	s.market, s.shifted = broker(), s.now
	s.timeline.add(s.now, "world", "the business moves to a broker's portal: other applicants, and defaults depend on other things than before")
	drifted := func() bool {
		n := len(s.passes)
		return n > 0 && s.passes[n-1].Drifted()
	}
	if err := s.advance(ctx, s.now.Add(2*day), drifted); err != nil {
		return err
	}
	if !drifted() {
		return fmt.Errorf("no drift reported in two days: %s", s.passes[len(s.passes)-1].Verdict())
	}
	if err := s.advance(ctx, s.deployed.Add(cooldown-tick), nil); err != nil {
		return err
	}
	if len(s.steps) > 0 {
		return fmt.Errorf("%s started within the cooldown: %s", s.steps[0].ID, s.steps[0].Reason)
	}
	last := s.passes[len(s.passes)-1]
	for _, column := range []string{"income", "utilization", "region"} {
		if !last.Drifted() || !slices.Contains(last.Drift.Columns, column) {
			return fmt.Errorf("the drift of %q is not reported: %s", column, last.Verdict())
		}
	}
	s.timeline.add(s.now, "cooldown", "drift is reported since %s, but the last promotion is less than %.0f days ago",
		s.firstDrift().Format("2006-01-02 15:04"), cooldown.Hours()/24)
	return nil
}

func (s *story) firstDrift() time.Time {
	i := slices.IndexFunc(s.passes, healing.Pass.Drifted)
	return s.passes[i].Time
}

// heals lets the cooldown end: drift triggers a retraining, and the shadow takes over
// while requests are being answered.
func (s *story) heals(ctx context.Context) error {
	if err := s.traffic(ctx, s.now.Add(tick)); err != nil {
		return err
	}
	byVersion, err := s.lookUnderLoad(ctx)
	if err != nil {
		return err
	}
	run, err := s.lastRun(healing.TriggerDrift, healing.StepWatching)
	if err != nil {
		return err
	}
	if run.Decision == nil || run.Decision.Outcome != gate.Promote || run.Predecessor != s.first {
		return fmt.Errorf("%s was not promoted by the gate in the place of version %s", run.ID, s.first)
	}
	s.second, s.healed = run.Version, s.now
	if byVersion[s.first] == 0 || byVersion[s.second] == 0 {
		return fmt.Errorf("the requests during the promotion were answered by %v, want some by version %s and some by %s", byVersion, s.first, s.second)
	}
	for _, check := range run.Decision.Checks {
		s.timeline.add(s.now, "check", "%s: %s", check.Criterion, check.Reason)
	}
	s.timeline.add(s.now, "swap", "version %s answered %d requests during the run and version %s %d, none failed",
		s.first, byVersion[s.first], s.second, byVersion[s.second])
	return s.wantProduction(ctx, s.second)
}

// watchConfirms lets the watch compare the new version with its predecessor, on the same
// rows, until its time is over.
func (s *story) watchConfirms(ctx context.Context) error {
	if err := s.advance(ctx, s.healed.Add(watchPeriod), nil); err != nil {
		return err
	}
	run, err := s.lastRun(healing.TriggerDrift, healing.StepConfirmed)
	if err != nil {
		return err
	}
	if run.Watch == nil || run.Watch.Rows == 0 || run.Watch.Harmful {
		return fmt.Errorf("%s was confirmed without a comparison: %s", run.ID, run.Reason)
	}
	if last := s.passes[len(s.passes)-1]; last.Skipped != "" || last.Drifted() {
		return fmt.Errorf("the new version's own reference does not fit the new world: %s", last.Verdict())
	}
	return nil
}

// worseShadow has a person ask for a retraining while the labels are in disorder.
func (s *story) worseShadow(ctx context.Context) error {
	s.sabotaged = true
	defer func() { s.sabotaged = false }()
	s.timeline.add(s.now, "world", "a broken join shuffles the labels that the trainer sees; kim asks for a retraining")
	if _, err := s.loop.Retrain(ctx, "kim", "monthly review", s.now); err != nil {
		return err
	}
	if err := s.look(ctx); err != nil {
		return err
	}
	run, err := s.lastRun(healing.TriggerManual, healing.StepRejected)
	if err != nil {
		return err
	}
	s.worse = run.Version
	for _, check := range run.Decision.Checks {
		if check.Verdict == gate.Fail {
			s.timeline.add(s.now, "check", "%s: %s", check.Criterion, check.Reason)
		}
	}
	event, err := s.lastEvent(ctx)
	if err != nil {
		return err
	}
	hash, err := run.Decision.Hash()
	if err != nil {
		return err
	}
	if event.Version != s.worse || event.To != registry.Archived || event.Reason == "" || event.Decision != hash {
		return fmt.Errorf("the registry does not hold the reasons against version %s: %+v", s.worse, event)
	}
	return s.wantProduction(ctx, s.second)
}

// harmfulOrder has a person promote the rejected version past the gate. The watch proves
// the harm and puts its predecessor back.
func (s *story) harmfulOrder(ctx context.Context) error {
	s.timeline.add(s.now, "world", "kim orders the rejected version %s into production, past the gate", s.worse)
	if _, err := s.loop.Promote(ctx, s.worse, "kim", "I know better", s.now); err != nil {
		return err
	}
	if err := s.look(ctx); err != nil {
		return err
	}
	if _, err := s.lastRun(healing.TriggerOverride, healing.StepWatching); err != nil {
		return err
	}
	if err := s.wantProduction(ctx, s.worse); err != nil {
		return err
	}
	ordered := s.now
	rolledBack := func() bool { return s.steps[len(s.steps)-1].Step == healing.StepRolledBack }
	if err := s.advance(ctx, ordered.Add(maxHarm), rolledBack); err != nil {
		return err
	}
	run, err := s.lastRun(healing.TriggerOverride, healing.StepRolledBack)
	if err != nil {
		return err
	}
	if run.Watch == nil || !run.Watch.Harmful {
		return fmt.Errorf("%s was rolled back without proof of harm: %s", run.ID, run.Reason)
	}
	v, err := registry.Get(ctx, s.stores.Registry, s.worse)
	if err != nil {
		return err
	}
	if v.Stage != registry.Quarantined {
		return fmt.Errorf("version %s is %s, want it quarantined", v.ID, v.Stage)
	}
	if err := s.wantProduction(ctx, s.second); err != nil {
		return err
	}
	return s.settle(ctx, ordered)
}
