package healing

import (
	"fmt"
	"time"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/budget"
	"github.com/selfheal-ml/selfheal/labels"
)

// Step is the last step of a run that is done.
type Step string

// The steps of a run, in their order.
const (
	StepTriggered   Step = "triggered"    // a trigger or a person asked for the run
	StepConditions  Step = "conditions"   // there are enough labels
	StepTrained     Step = "trained"      // the shadow is registered, in staging
	StepJudged      Step = "judged"       // the gate has decided
	StepPromoting   Step = "promoting"    // the shadow is about to take production
	StepWatching    Step = "watching"     // the version is in production, compared with its predecessor
	StepRollingBack Step = "rolling_back" // the predecessor is about to take production again
)

// The ways in which a run ends.
const (
	StepSkipped      Step = "skipped"      // there were not enough labels or rows
	StepAborted      Step = "aborted"      // the run could not be carried out
	StepRejected     Step = "rejected"     // the gate said no; the version is archived
	StepInconclusive Step = "inconclusive" // the gate could not tell; the version stays in staging
	StepConfirmed    Step = "confirmed"    // promoted, and no harm was proven while it was watched
	StepRolledBack   Step = "rolled_back"  // the version is quarantined, its predecessor back
	StepSuperseded   Step = "superseded"   // a person's order took the place of the run
)

// Ended reports whether a run at this step is over.
func (s Step) Ended() bool {
	switch s {
	case StepSkipped, StepAborted, StepRejected, StepInconclusive, StepConfirmed, StepRolledBack, StepSuperseded:
		return true
	}
	return false
}

// Trigger is what a run was started by.
type Trigger string

// The triggers.
const (
	TriggerFirst    Trigger = "first deployment" // nothing is in production yet
	TriggerSchedule Trigger = "schedule"         // it was time
	TriggerDrift    Trigger = "drift"            // the monitor reported drift often enough
	TriggerManual   Trigger = "manual"           // a person wants a retraining
	TriggerOverride Trigger = "override"         // a person promotes a version past the gate
	TriggerRecall   Trigger = "recall"           // a person rolls production back
)

// Order is the wish of a person or a program, with its reason.
type Order struct {
	Trigger Trigger `json:"trigger"`
	// Actor is the person or the program that asks.
	Actor  string `json:"actor"`
	Reason string `json:"reason"`
	// Version is the version to promote, in an override, or to take out of production, in
	// a recall.
	Version string `json:"version,omitempty"`
}

// Labelling is the count of labels by which a run decided whether there are enough.
type Labelling struct {
	// Coverage counts the predictions of both windows and those that have a label.
	Coverage labels.Coverage `json:"coverage"`
	// MinLabelled and MinCoverage are the least that was wanted.
	MinLabelled int     `json:"min_labelled"`
	MinCoverage float64 `json:"min_coverage"`
}

// Sample counts the labelled rows that were used, Rows, and all labelled rows there were, Of.
// The two are equal unless Of exceeds [TrainConfig.MaxRows].
type Sample struct {
	Rows int `json:"rows"`
	Of   int `json:"of"`
}

// String returns "812 rows" or "200000 of 812345 rows".
func (s Sample) String() string {
	if s.Rows == s.Of {
		return fmt.Sprintf("%d rows", s.Rows)
	}
	return fmt.Sprintf("%d of %d rows", s.Rows, s.Of)
}

// Windows splits the data of a run by time: the shadow is trained on the earlier window and
// judged on the later one.
type Windows struct {
	Training   gate.Window `json:"training"`
	Evaluation gate.Window `json:"evaluation"`
}

// Run is one attempt to change what is in production, and the record of that attempt. Fields
// are filled in as the steps are done and do not change afterwards, except Attempts, and a
// Promoted that a wrong clock set to the future.
type Run struct {
	ID    string `json:"id"`
	Step  Step   `json:"step"`
	Order Order  `json:"order"`
	// Supersedes is the run under way that this run ended, "" for none. The end of the one
	// and the begin of the other are one entry, so no order is lost in between. If the ended
	// run watched a promotion, and this run ends without a change of production, that watch
	// goes on.
	Supersedes string `json:"supersedes,omitempty"`
	// Started and Updated are the times of the first and of the last step.
	Started time.Time `json:"started"`
	Updated time.Time `json:"updated"`
	// Attempts counts how often the step that follows was begun, if that step is training or
	// judging. Attempts is journalled before the step, so that a step that kills its process
	// is not begun for ever. See [TrainConfig.Attempts].
	Attempts int `json:"attempts,omitempty"`

	// AsOf is when the labels were counted, by the clock of the process that counted. Labels
	// that arrived later are no part of the run, so the data of the run can be made again
	// from the stores at any time. AsOf, Windows and Labelling are set by [StepConditions].
	AsOf      time.Time  `json:"as_of,omitzero"`
	Windows   *Windows   `json:"windows,omitempty"`
	Labelling *Labelling `json:"labelling,omitempty"`
	// TrainingRows are the rows on which the version was trained, EvaluationRows those on
	// which it was judged.
	TrainingRows   *Sample `json:"training_rows,omitempty"`
	EvaluationRows *Sample `json:"evaluation_rows,omitempty"`
	// Dataset is the fingerprint of the data that the version was trained on, see
	// [labels.Dataset.Fingerprint].
	Dataset string `json:"dataset,omitempty"`
	// Version is the version of the run: the shadow, the version that an override promotes,
	// or the version that a recall takes out of production.
	Version string `json:"version,omitempty"`
	// Predecessor is the version in production when the run judged or promoted; "" for none.
	Predecessor string `json:"predecessor,omitempty"`
	// Decision is set by [StepJudged]. The decisions of a journal are a [audit.Chain]. Budget
	// is Config.Budget after this decision was charged.
	Decision *gate.Decision `json:"decision,omitempty"`
	Budget   *budget.Budget `json:"budget,omitempty"`
	// Promoted is when the version took production.
	Promoted time.Time `json:"promoted,omitzero"`
	Watch    *Watch    `json:"watch,omitempty"`
	// Reason says in a sentence why the last step came out as it did.
	Reason string `json:"reason"`

	stored *storedDecision // what Decision is read from, in a run from a journal
}

// check returns an error if the run, as read from a journal, lacks a field that its next step
// needs.
func (r Run) check() error {
	lacks := func(what string) error { return fmt.Errorf("run %q at step %q has no %s", r.ID, r.Step, what) }
	switch {
	case r.ID == "":
		return lacks("ID")
	case (r.Step == StepConditions || r.Step == StepTrained || r.Step == StepJudged) && r.Windows == nil:
		return lacks("windows")
	case (r.Step == StepTrained || r.Step == StepJudged || r.Step == StepPromoting) && r.Version == "":
		return lacks("version")
	case r.Step == StepJudged && r.Decision == nil && r.stored == nil:
		return lacks("decision")
	case (r.Step == StepWatching || r.Step == StepRollingBack) && (r.Version == "" || r.Predecessor == ""):
		return lacks("version or predecessor")
	}
	return nil
}

// after returns the run with one more step done.
func (r Run) after(step Step, now time.Time, reason string) Run {
	r.Step, r.Updated, r.Reason, r.Attempts = step, now.UTC(), reason, 0
	return r
}
