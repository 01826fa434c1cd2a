package healing

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	gatemetrics "github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// The documents under which a run keeps with a version what the gate decided about it.
const (
	DecisionDocument     = "decision.json"
	DecisionPageDocument = "decision.html"
)

// attach adds to a version what was learnt of it, if the registry keeps such things. What
// is there already stays, so that a step that is done again changes nothing.
func (l *Loop) attach(ctx context.Context, version string, documents map[string][]byte, metrics map[string]float64) error {
	a, ok := l.parts.Registry.(registry.Attacher)
	if !ok {
		return nil
	}
	_, err := a.Attach(ctx, registry.Attachment{Version: version, Documents: documents, Metrics: metrics, Token: l.token})
	if err != nil {
		return fmt.Errorf("attach to version %s: %w", version, err)
	}
	return nil
}

// attachAnswers freezes what the shadow answered to the rows that it was judged on, as the
// reference of its answers. It was not trained on these rows: to those that it was trained
// on it answers with more confidence than it will to live ones.
func (l *Loop) attachAnswers(ctx context.Context, version string, shadow gatemetrics.Answers, n int) error {
	schema := l.parts.Predictions.Schema()
	answers, err := AnswersOf(schema, outputsOf(schema.Target(), shadow, n))
	if err != nil {
		return err
	}
	return l.attach(ctx, version, map[string][]byte{AnswersDocument: answers}, nil)
}

// outputsOf turns answers into the outputs that they were made of.
func outputsOf(target predictlog.Target, a gatemetrics.Answers, n int) []predictlog.Output {
	outputs := make([]predictlog.Output, n)
	for i := range outputs {
		o := &outputs[i]
		if a.Value != nil {
			o.Value = a.Value[i]
			continue
		}
		o.Class = target.Classes[a.Class[i]]
		for _, p := range a.Probability {
			o.Probabilities = append(o.Probabilities, p[i])
		}
	}
	return outputs
}

// attachDecision keeps the decision of the run, which is in the journal, with the version
// that it is about.
func (l *Loop) attachDecision(ctx context.Context, run Run) error {
	decision, err := json.Marshal(run.Decision)
	if err != nil {
		return err
	}
	var page bytes.Buffer
	if err := run.Decision.WriteHTML(&page); err != nil {
		return err
	}
	metrics := map[string]float64{}
	for name, value := range run.Decision.Shadow {
		metrics["gate."+string(name)] = value
	}
	for name, value := range run.Decision.Production {
		metrics["gate.production."+string(name)] = value
	}
	return l.attach(ctx, run.Version, map[string][]byte{
		DecisionDocument:     decision,
		DecisionPageDocument: page.Bytes(),
	}, metrics)
}

// observe tells the registry what a pass found of the version in production, if the
// registry keeps such things.
func (l *Loop) observe(ctx context.Context, at time.Time, p Pass) error {
	o, ok := l.parts.Registry.(registry.Observer)
	if !ok || p.Version == "" {
		return nil
	}
	metrics := map[string]float64{
		"monitor.samples":    float64(p.Samples),
		"monitor.violations": float64(p.Violations),
	}
	if p.Drift != nil {
		metrics["monitor.drifted_share"] = p.Drift.Share
	}
	if p.Proxy != nil {
		if p.Proxy.PositiveRate != nil {
			metrics["monitor.positive_rate"] = *p.Proxy.PositiveRate
		}
		if s := p.Proxy.Scores; s != nil {
			metrics["monitor.score_mean"] = s.Mean
		}
	}
	if err := o.Observe(ctx, p.Version, at, metrics); err != nil {
		return fmt.Errorf("healing: observe version %s: %w", p.Version, err)
	}
	return nil
}
