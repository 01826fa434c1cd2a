package gate_test

import (
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/audit"
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// wild returns evidence that is at times malformed, in ways drawn from the seed.
func wild(seed uint64, n int) gate.Evidence {
	rng := rand.New(rand.NewPCG(seed, 3))
	targets := []predictlog.Target{{}, binary, threeWay, number, {Task: 7}, {Task: predictlog.Multiclass}}
	e := gate.Evidence{Target: targets[rng.IntN(len(targets))], Coverage: labels.Count{Predictions: 2 * n, Labelled: n}}
	odd := func() bool { return rng.IntN(40*(n+1)) == 0 }
	float := func() float64 {
		if odd() {
			return []float64{math.NaN(), math.Inf(1), math.MaxFloat64, -1, 2}[rng.IntN(5)]
		}
		return rng.Float64()
	}
	length := func() int {
		if rng.IntN(30) == 0 {
			return rng.IntN(2*n + 1)
		}
		return n
	}
	answers := func(probabilities bool) metrics.Answers {
		var a metrics.Answers
		if e.Target.Task == predictlog.Regression {
			for range length() {
				a.Value = append(a.Value, float())
			}
			return a
		}
		classes := max(2, len(e.Target.Classes))
		for range length() {
			k := rng.IntN(classes)
			if odd() {
				k = rng.IntN(9) - 3
			}
			a.Class = append(a.Class, k)
		}
		for range classes {
			if !probabilities {
				continue
			}
			var p []float64
			for range length() {
				p = append(p, float())
			}
			a.Probability = append(a.Probability, p)
		}
		for i := range n {
			var sum float64
			for _, p := range a.Probability {
				if i < len(p) {
					sum += p[i]
				}
			}
			for _, p := range a.Probability {
				if i < len(p) && !odd() {
					p[i] /= sum
				}
			}
		}
		return a
	}
	for i := range n {
		e.IDs = append(e.IDs, strconv.Itoa(i))
	}
	e.Truth, e.Shadow = answers(false), answers(rng.IntN(4) > 0)
	e.FirstDeployment = rng.IntN(4) == 0
	if e.FirstDeployment == odd() {
		production := answers(rng.IntN(4) > 0)
		e.Production = &production
	}
	segment := make([]string, length())
	for i := range segment {
		segment[i] = strconv.Itoa(rng.IntN(4))
		if odd() {
			segment[i] = "\xfc"
		}
	}
	e.Segments = map[string][]string{"k": segment}
	if rng.IntN(3) > 0 {
		e.At = day0
		if !e.FirstDeployment {
			e.LastPromotion = day0.AddDate(0, 0, -rng.IntN(20))
		}
	}
	return e
}

// checkDecision checks what must hold of every decision.
func checkDecision(t *testing.T, e gate.Evidence, d gate.Decision) {
	t.Helper()
	data, err := json.Marshal(d)
	if err != nil {
		t.Fatalf("cannot be written: %v", err)
	}
	var chain audit.Chain
	if _, err := chain.Append(d); err != nil {
		t.Fatalf("cannot be chained: %v", err)
	}
	var read gate.Decision
	if err := json.Unmarshal(data, &read); err != nil {
		t.Fatalf("cannot be read: %v", err)
	}
	if again, _ := json.Marshal(read); string(again) != string(data) {
		t.Errorf("read back as %s, was %s", again, data)
	}
	if len(d.Checks) == 0 {
		t.Error("no checks")
	}
	for _, c := range d.Checks {
		if c.Criterion == "" || c.Reason == "" {
			t.Errorf("says nothing: %+v", c)
		}
		if c.Verdict == gate.Pass && math.IsNaN(c.Statistic) {
			t.Errorf("passed on NaN: %+v", c)
		}
	}
	if d.Outcome != gate.Promote {
		return
	}
	if e.N() == 0 || e.Validate() != nil || d.Passed() == 0 || d.Reasons() != nil {
		t.Errorf("promoted by accident: %s", d)
	}
}

// FuzzEvaluate checks that no evidence makes a preset panic or promote by accident.
func FuzzEvaluate(f *testing.F) {
	for seed := range uint64(30) {
		f.Add(seed, uint16(seed*13))
	}
	f.Fuzz(func(t *testing.T, seed uint64, n uint16) {
		e := wild(seed, int(n%800))
		for _, policy := range []gate.Policy{gate.Classic(), gate.Standard()} {
			checkDecision(t, e, gate.Evaluate(policy, e))
		}
	})
}

// FuzzEvaluateJSON does the same for evidence that is read from JSON.
func FuzzEvaluateJSON(f *testing.F) {
	for _, e := range []gate.Evidence{regression(3, 1), multiclass(3), wild(1, 4)} {
		if data, err := json.Marshal(e); err == nil {
			f.Add(data)
		}
	}
	f.Add([]byte(`{"shadow":{"probability":[[],[]]},"production":{},"target":{"task":"binary"},"coverage":{},"ids":[],"truth":{}}`))
	f.Add([]byte(`{"target":{"task":"regression"},"coverage":{"predictions":2,"labelled":2,"misfits":0},"ids":["a","b"],"truth":{"value":[1,null]},"production":{"value":[1,2]},"shadow":{"value":[1,0]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e gate.Evidence
		if json.Unmarshal(data, &e) != nil {
			return
		}
		checkDecision(t, e, gate.Evaluate(gate.Standard(), e))
	})
}

func FuzzDecisionJSON(f *testing.F) {
	f.Add([]byte(sampleJSON))
	f.Add([]byte(`{"schema_version":1,"checks":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var d gate.Decision
		if json.Unmarshal(data, &d) != nil {
			return
		}
		_ = d.String()
		if d.Outcome == gate.Promote && (d.Passed() == 0 || d.Reasons() != nil) {
			t.Errorf("promotes by accident: %s", d)
		}
		if d.WriteMarkdown(io.Discard) != nil || d.WriteHTML(io.Discard) != nil {
			t.Error("cannot be shown")
		}
		first, err := json.Marshal(d)
		if err != nil {
			return // a year that RFC 3339 cannot hold
		}
		if err := json.Unmarshal(first, &d); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if second, _ := json.Marshal(d); string(second) != string(first) {
			t.Errorf("%s became %s", first, second)
		}
	})
}

// FuzzEvaluateHost checks that whatever a host's criterion fills in becomes a decision
// that can be written, and promotes only by right.
func FuzzEvaluateHost(f *testing.F) {
	inf := math.Inf(1)
	f.Add(uint8(1), uint8(1), 1.0, 0.0, 0.0, 1.0, 0.9, 0.1, "a", 3)
	f.Add(uint8(1), uint8(9), 1.0, 0.0, 0.0, 1.0, 0.9, 0.1, "a", 3)
	f.Add(uint8(9), uint8(1), 1.0, 0.0, 0.0, 1.0, 0.9, 0.1, "a", 3)
	f.Add(uint8(1), uint8(1), inf, 0.0, 0.0, 1.0, 0.9, 0.1, "a", 3)
	f.Add(uint8(1), uint8(1), 1.0, nan, -inf, inf, 0.9, 0.1, "\xff", -3)
	f.Add(uint8(1), uint8(1), 1.0, inf, inf, -inf, nan, nan, "", 0)
	f.Add(uint8(2), uint8(1), nan, nan, nan, nan, nan, -inf, "", 0)
	e := tiny(f, []float64{0, 1}, []float64{0, 1}, []float64{0, 1})
	f.Fuzz(func(t *testing.T, verdict, segment uint8, statistic, threshold, lo, hi, level, number float64, text string, n int) {
		host := gate.CriterionFunc(func(*gate.Evidence) gate.Check {
			return gate.Check{
				Criterion: text, Verdict: gate.Verdict(verdict), Proof: gate.Proof(text), Metric: text, Unit: gate.Unit(text),
				Statistic: statistic, Threshold: threshold, CI: &gate.Interval{Lo: lo, Hi: hi, Level: level}, N: n, Needed: n, Omitted: n, Reason: "says " + text,
				Segments: []gate.SegmentResult{{Segment: text, Rows: n, Verdict: gate.Verdict(segment), Production: number, Shadow: number, Drop: number, PValue: number, Detectable: number}},
			}
		})
		for _, list := range [][]gate.Criterion{{host}, {gate.MinSamples{Rows: 1}, host}} {
			d := gate.Evaluate(gate.Policy{Name: text, Criteria: list}, e)
			checkDecision(t, e, d)
			if d.WriteMarkdown(io.Discard) != nil || d.WriteHTML(io.Discard) != nil {
				t.Error("cannot be shown")
			}
		}
	})
}
