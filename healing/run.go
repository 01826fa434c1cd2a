package healing

import (
	"fmt"
	"time"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/budget"
	"github.com/selfheal-ml/selfheal/labels"
)

// Step is how far a run has come: the last step that is done.
type Step string

// The steps of a run, in their order.
const (
	StepTriggered   Step = "triggered"    // something or somebody asked for it
	StepConditions  Step = "conditions"   // there are enough labels
	StepTrained     Step = "trained"      // the shadow is registered, in staging
	StepJudged      Step = "judged"       // the gate has decided
	StepPromoting   Step = "promoting"    // the shadow is about to take production
	StepWatching    Step = "watching"     // it is in production, compared with its predecessor
	StepRollingBack Step = "rolling_back" // the predecessor is about to take production again
)

// The ways in which a run ends.
const (
	StepSkipped      Step = "skipped"      // there were not enough labels or rows
	StepAborted      Step = "aborted"      // it could not be carried out
	StepRejected     Step = "rejected"     // the gate said no; the version is archived
	StepInconclusive Step = "inconclusive" // the gate could not tell; the version stays in staging
	StepConfirmed    Step = "confirmed"    // promoted, and no harm was proven while it was watched
	StepRolledBack   Step = "rolled_back"  // the version is quarantined, its predecessor back
	StepSuperseded   Step = "superseded"   // a person's order took its place
)

// Ended reports whether a run that has come so far goes no further.
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

// Order says who wants something done, and why.
type Order struct {
	Trigger Trigger `json:"trigger"`
	// Actor is the person or the program that asks.
	Actor  string `json:"actor"`
	Reason string `json:"reason"`
	// Version is the version to promote, in an override, or to take out of production, in
	// a recall.
	Version string `json:"version,omitempty"`
}

// Labelling is what was found of labels when a run looked whether there are enough.
type Labelling struct {
	// Coverage counts the predictions of both windows and those that have a label.
	Coverage labels.Coverage `json:"coverage"`
	// MinLabelled and MinCoverage are what was wanted.
	MinLabelled int     `json:"min_labelled"`
	MinCoverage float64 `json:"min_coverage"`
}

// Sample says how many labelled rows were used, and of how many that there were. Both
// are the same unless there were more than [TrainConfig.MaxRows].
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

// Windows is how a run's data are split by time: the shadow is trained on the earlier
// window and judged on the later one.
type Windows struct {
	Training   gate.Window `json:"training"`
	Evaluation gate.Window `json:"evaluation"`
}

// Run is one attempt to change what is in production, and the record of it. Fields are
// filled in as the steps are done and do not change afterwards, but for Attempts, and for
// a Promoted that a wrong clock set to the future.
type Run struct {
	ID    string `json:"id"`
	Step  Step   `json:"step"`
	Order Order  `json:"order"`
	// Supersedes is the run that was under way and that this one ended, "" for none. It
	// is one entry, so that an order is not lost between two. If the run that was ended
	// watched a promotion, and this one ends without a change of production, that watch
	// goes on.
	Supersedes string `json:"supersedes,omitempty"`
	// Started and Updated are the times of the first and of the last step.
	Started time.Time `json:"started"`
	Updated time.Time `json:"updated"`
	// Attempts counts how often the step that follows was begun, where that is training
	// or judging: it is journalled before, so that one that kills its process is not
	// begun for ever. See [TrainConfig.Attempts].
	Attempts int `json:"attempts,omitempty"`

	// AsOf is when the labels were counted, by the clock of that process. Labels that
	// arrived later are no part of the run, so that its data can be made again from the
	// stores at any time. Set by [StepConditions], as are Windows and Labelling.
	AsOf      time.Time  `json:"as_of,omitzero"`
	Windows   *Windows   `json:"windows,omitempty"`
	Labelling *Labelling `json:"labelling,omitempty"`
	// TrainingRows are those that the version was trained on, EvaluationRows those that
	// it was judged on.
	TrainingRows   *Sample `json:"training_rows,omitempty"`
	EvaluationRows *Sample `json:"evaluation_rows,omitempty"`
	// Dataset is the fingerprint of the data that the version was trained on, see
	// [labels.Dataset.Fingerprint].
	Dataset string `json:"dataset,omitempty"`
	// Version is the version that the run is about: the shadow, or the one promoted by
	// an override, or the one that a recall takes out of production.
	Version string `json:"version,omitempty"`
	// Predecessor was in production when the run judged or promoted; "" for none.
	Predecessor string `json:"predecessor,omitempty"`
	// Decision is set by [StepJudged]. The decisions of a journal are a [audit.Chain], and
	// Budget is what Config.Budget had become after this one.
	Decision *gate.Decision `json:"decision,omitempty"`
	Budget   *budget.Budget `json:"budget,omitempty"`
	// Promoted is when the version took production.
	Promoted time.Time `json:"promoted,omitzero"`
	Watch    *Watch    `json:"watch,omitempty"`
	// Reason says in a sentence why the last step came out as it did.
	Reason string `json:"reason"`

	stored *storedDecision // what Decision is read from, in a run from a journal
}

// check returns an error if the run, as read from a journal, lacks what its next step
// relies on.
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
