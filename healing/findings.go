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

// The documents of a version in which a run keeps the gate's decision.
const (
	DecisionDocument     = "decision.json"
	DecisionPageDocument = "decision.html"
)

// attach adds findings to a version, if the registry is a [registry.Attacher]. Documents and
// metrics that are there already stay, so repeating a step changes nothing.
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

// attachAnswers freezes the answers of the shadow to the rows on which it was judged, as the
// reference of its answers. The shadow was not trained on these rows: to the rows of its
// training a model answers with more confidence than to live rows.
func (l *Loop) attachAnswers(ctx context.Context, version string, shadow gatemetrics.Answers, n int) error {
	schema := l.parts.Predictions.Schema()
	answers, err := AnswersOf(schema, outputsOf(schema.Target(), shadow, n))
	if err != nil {
		return err
	}
	return l.attach(ctx, version, map[string][]byte{AnswersDocument: answers}, nil)
}

// outputsOf turns answers back into outputs.
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

// attachDecision keeps the decision of the run, which the journal has too, with the version.
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

// observe tells the registry the findings of a pass about the version in production, if the
// registry is a [registry.Observer].
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
