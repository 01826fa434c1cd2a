package gate_test

import (
	"bytes"
	"encoding/json"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/audit"
	"github.com/selfheal-ml/selfheal/gate/budget"
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// stored returns a decision as it is read back from JSON.
func stored(t testing.TB, d gate.Decision) gate.Decision {
	t.Helper()
	data, err := json.Marshal(d)
	require.NoError(t, err)
	var read gate.Decision
	require.NoError(t, json.Unmarshal(data, &read))
	return read
}

func TestRecompute(t *testing.T) {
	t.Parallel()
	hard := better(t)
	hard.Shadow.Probability, hard.Production.Probability = nil, nil
	oneClass := tiny(t, make([]float64, 300), make([]float64, 300), make([]float64, 300))
	worse := better(t)
	worse.Production, worse.Shadow = &worse.Shadow, *worse.Production
	classes := gate.Policy{Name: "classes", Criteria: []gate.Criterion{
		gate.Superior{Metric: metrics.MCC, Alpha: 0.01}, gate.NonInferior{Metric: metrics.Recall, Margin: 0.1}, gate.SegmentVeto{Metric: metrics.F1, MaxDrop: 0.1, MinRows: 20, Alpha: 0.1},
		gate.SegmentVeto{Metric: metrics.Accuracy, MaxDrop: 0.1, MinRows: 20},
	}, First: []gate.Criterion{gate.Floor{Metric: metrics.PRAUC, Bound: 0.4}}}
	budgeted, err := budget.Budget{}.Apply(gate.Standard(), day0)
	require.NoError(t, err)
	outcomes := map[gate.Outcome]bool{}
	for name, e := range map[string]gate.Evidence{
		"better": better(t), "all there is": timed(better(t)), "worse": timed(worse), "regression": timed(regression(400, 0.5)), "multiclass": timed(multiclass(400)),
		"first": alone(timed(better(t))), "no probabilities": timed(hard), "one class": oneClass, "empty": {FirstDeployment: true},
	} {
		for _, policy := range []gate.Policy{gate.Classic(), gate.Standard(), classes, budgeted} {
			d := gate.Evaluate(policy, e)
			outcomes[d.Outcome] = true
			again, err := gate.Recompute(stored(t, d))
			require.NoError(t, err, "%s by %s", name, policy.Name)
			require.Equal(t, hash(t, d), hash(t, again))
			again, err = gate.RecomputeFrom(stored(t, d), e)
			require.NoError(t, err, "%s by %s", name, policy.Name)
			require.Equal(t, hash(t, d), hash(t, again))
		}
	}
	require.Len(t, outcomes, 3)
}

func TestRecompute_Chained(t *testing.T) {
	t.Parallel()
	var chain audit.Chain
	_, err := chain.Append(sample())
	require.NoError(t, err)
	e := better(t)
	d, err := chain.Append(gate.Evaluate(gate.Classic(), e))
	require.NoError(t, err)
	for _, recompute := range []func() (gate.Decision, error){
		func() (gate.Decision, error) { return gate.Recompute(d) },
		func() (gate.Decision, error) { return gate.RecomputeFrom(d, e) },
	} {
		again, err := recompute()
		require.NoError(t, err)
		require.Equal(t, chain.Head, hash(t, again))
	}
}

// What is not UTF-8 would become another text in JSON, and so another decision.
func TestDecision_NotUTF8(t *testing.T) {
	t.Parallel()
	bad := better(t)
	bad.Segments["region"][0] = "\xfc"
	odd := gate.CriterionFunc(func(*gate.Evidence) gate.Check {
		return gate.Check{
			Criterion: "\xff", Verdict: gate.Pass, Proof: "\xfe", Metric: "\xfd", Unit: "\xfc", Reason: "\xfb",
			Segments: []gate.SegmentResult{{Segment: "\xfa"}},
		}
	})
	named := gate.Standard()
	named.Name = "\xff"
	require.ErrorContains(t, named.Validate(), `the Name "\xff" is not UTF-8`)
	_, err := json.Marshal(named)
	require.ErrorContains(t, err, "is not UTF-8")
	var chain audit.Chain
	var decisions []gate.Decision
	for _, d := range []gate.Decision{
		gate.Evaluate(gate.Standard(), bad), gate.Evaluate(named, better(t)), gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{odd}}, better(t)),
	} {
		d, err := chain.Append(d)
		require.NoError(t, err)
		decisions = append(decisions, stored(t, d))
	}
	end, err := audit.Chain{}.Verify(decisions...)
	require.NoError(t, err)
	require.Equal(t, chain, end)
	require.Equal(t, gate.Inconclusive, decisions[0].Outcome)
	require.Nil(t, decisions[1].Rules)
	require.Equal(t, "\uFFFD", decisions[1].Policy)
}

func TestRecompute_Tampered(t *testing.T) {
	t.Parallel()
	e := timed(better(t))
	for name, tamper := range map[string]func(d *gate.Decision){
		"outcome":   func(d *gate.Decision) { d.Outcome = gate.Reject },
		"statistic": func(d *gate.Decision) { d.Checks[4].Statistic++ },
		"reason":    func(d *gate.Decision) { d.Checks[4].Reason = "because" },
		"check":     func(d *gate.Decision) { d.Checks = d.Checks[:3] },
		"metric":    func(d *gate.Decision) { d.Shadow[metrics.F1.String()] = 1 },
		"name":      func(d *gate.Decision) { d.Policy = "strict" },
		"rules": func(d *gate.Decision) {
			d.Rules = []byte(`{"schema_version":1,"name":"classic","criteria":[],"first":[]}`)
		},
		"latency":  func(d *gate.Decision) { d.Basis.ShadowLatency.P95 = time.Hour },
		"coverage": func(d *gate.Decision) { d.Basis.Coverage.Predictions *= 2 },
		"fact":     func(d *gate.Decision) { d.Basis.Facts["rows of 24h0m0s or older"] = gate.Fact{Values: []float64{0}} },
		"tallies": func(d *gate.Decision) {
			d.Basis.Segments = nil
			d.Basis.Tallies[0].Rows--
			d.Basis.Tallies[1].Rows++
		},
	} {
		d := stored(t, gate.Evaluate(gate.Standard(), e))
		tamper(&d)
		_, err := gate.Recompute(d)
		require.ErrorIs(t, err, gate.ErrDiffers, name)
		if name != "rules" {
			_, err = gate.RecomputeFrom(d, e)
			require.ErrorIs(t, err, gate.ErrDiffers, name)
		}
	}
}

// A check that is in error because there is no metric is made again.
func TestRecompute_NoMetric(t *testing.T) {
	t.Parallel()
	d := stored(t, gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{gate.Floor{}, gate.MinSamples{Rows: 1}}, First: []gate.Criterion{}}, better(t)))
	require.Equal(t, gate.Errored, d.Checks[0].Verdict)
	again, err := gate.Recompute(d)
	require.NoError(t, err)
	require.Equal(t, hash(t, d), hash(t, again))
}

// The same rules in other bytes make another decision by its hash.
func TestRecompute_RulesRewritten(t *testing.T) {
	t.Parallel()
	e := timed(better(t))
	for from, to := range map[string]string{
		`"schema_version":1,"name":"standard"`: `"name":"standard","schema_version":1`,
		`"name":"standard"`:                    `"name":"\u0073tandard"`,
	} {
		d := stored(t, gate.Evaluate(gate.Standard(), e))
		rewritten := bytes.Replace(d.Rules, []byte(from), []byte(to), 1)
		require.NotEqual(t, string(d.Rules), string(rewritten))
		d.Rules = rewritten
		for i := range 2 {
			_, err := gate.Recompute(d)
			require.ErrorIs(t, err, gate.ErrDiffers)
			require.NotErrorIs(t, err, gate.ErrRounding)
			_, err = gate.RecomputeFrom(d, e)
			require.ErrorIs(t, err, gate.ErrDiffers)
			require.NotErrorIs(t, err, gate.ErrRounding)
			if i == 0 {
				require.ErrorContains(t, err, "rules is ")
			}
			d.Shadow[metrics.Brier.String()] *= 1 + 1e-10 // is a difference of rounding alone
		}
	}
}

func TestRecompute_Malformed(t *testing.T) {
	t.Parallel()
	e := timed(better(t))
	for want, spoil := range map[string]func(d *gate.Decision){
		"gate: recompute: gate: policy: unexpected end of JSON input": func(d *gate.Decision) { d.Rules = []byte{} },
		`unknown type "x"`: func(d *gate.Decision) {
			d.Rules = []byte(`{"schema_version":1,"name":"","criteria":[{"type":"x"}],"first":[]}`)
		},
		"tallies of 2000 rows, want 1999":                           func(d *gate.Decision) { d.N-- },
		"tallies of 2000 rows, want -1":                             func(d *gate.Decision) { d.N = -1 },
		"basis: target: multiclass with the classes":                func(d *gate.Decision) { d.Basis.Target.Task = 1 },
		"malformed tally {7 0 0 ":                                   func(d *gate.Decision) { d.Basis.Tallies[0].Truth = 7 },
		"malformed tally {0 0 0 -1}":                                func(d *gate.Decision) { d.Basis.Tallies[0].Rows = -1 },
		`segments by "parity": not the rows of the tallies`:         func(d *gate.Decision) { delete(d.Basis.Segments["parity"], "odd") },
		`segments by "parity": malformed tally {0 -1 0 `:            func(d *gate.Decision) { d.Basis.Segments["parity"]["odd"][0].Production = -1 },
		"needs the rows of the evidence: there were too many":       func(d *gate.Decision) { d.Basis.Tallies = nil },
		"needs the rows of the evidence: they are more than 10,000": func(d *gate.Decision) { d.N = 10_000_001 },
		"the decision stores no rules or no basis":                  func(d *gate.Decision) { d.Basis = nil },
		"needs the rows of the evidence: rows of 24h0m0s or older":  func(d *gate.Decision) { delete(d.Basis.Facts, "rows of 24h0m0s or older") },
		"needs the rows of the evidence: shadow brier":              func(d *gate.Decision) { delete(d.Shadow, metrics.Brier.String()) },
	} {
		d := stored(t, gate.Evaluate(gate.Standard(), e))
		spoil(&d)
		_, err := gate.Recompute(d)
		require.ErrorContains(t, err, want)
	}
}

func TestRecompute_HostCriteria(t *testing.T) {
	t.Parallel()
	e := better(t)
	e.Shadow.Class[3] = 1 - e.Shadow.Class[3]
	prices := map[string]float64{"shadow": 3}
	d := gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{budgeted{Euros: 5, prices: prices}}}, e)
	_, err := gate.Recompute(d)
	require.ErrorContains(t, err, `unknown type "budgeted"`)
	require.ErrorIs(t, err, gate.ErrNeedsRows)
	priced := gate.KindOf(func() budgeted { return budgeted{prices: prices} })
	again, err := gate.RecomputeFrom(d, e, priced)
	require.NoError(t, err)
	require.Equal(t, hash(t, d), hash(t, again))
	_, err = gate.RecomputeFrom(d, e, gate.KindOf(func() budgeted { return budgeted{} }))
	require.ErrorIs(t, err, gate.ErrDiffers, "at other prices")
	_, err = gate.RecomputeFrom(d, better(t), priced)
	require.ErrorContains(t, err, "the evidence has the hash")

	d = gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{says(gate.Pass)}}, e)
	_, err = gate.Recompute(d)
	require.ErrorIs(t, err, gate.ErrNeedsRows)
	_, err = gate.RecomputeFrom(d, e)
	require.ErrorContains(t, err, "the decision stores no rules")
}

func TestBasis_Bounded(t *testing.T) {
	t.Parallel()
	e := better(t)
	for column := range 10 {
		names := make([]string, e.N())
		for i := range names {
			names[i] = time.Duration(i).String()
		}
		e.Segments[string(rune('a'+column))] = names
	}
	policy := gate.Policy{Criteria: []gate.Criterion{gate.Superior{Metric: metrics.F1}}}
	d := gate.Evaluate(policy, e)
	require.Equal(t, gate.Promote, d.Outcome)
	require.Nil(t, d.Basis.Tallies)
	require.Nil(t, d.Basis.Segments)
	_, err := gate.Recompute(d)
	require.ErrorIs(t, err, gate.ErrNeedsRows)
	_, err = gate.RecomputeFrom(d, e)
	require.NoError(t, err)

	var tally metrics.Tally
	require.ErrorContains(t, json.Unmarshal([]byte(`[1,2,3]`), &tally), "tally of 3 numbers, want 4")
	require.Error(t, json.Unmarshal([]byte(`{}`), &tally))
}

// FuzzRecompute checks that no stored decision makes Recompute panic, and that what it
// returns without an error is the decision itself.
func FuzzRecompute(f *testing.F) {
	for seed := range uint64(6) {
		e := wild(seed, 40)
		for _, policy := range []gate.Policy{gate.Classic(), gate.Standard()} {
			data, err := json.Marshal(gate.Evaluate(policy, e))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var d gate.Decision
		if json.Unmarshal(data, &d) != nil || d.N > 10_000 || !cheap(d.Rules) {
			return
		}
		again, err := gate.Recompute(d)
		if err != nil {
			return
		}
		a, errA := d.Hash()
		b, errB := again.Hash()
		if errA != nil || errB != nil || a != b {
			t.Errorf("%s became %s", data, again)
		}
	})
}

// A column in which each row has a category of its own, as an ID by mistake, is counted in
// memory of the order of the rows, not of what 16 classes could combine to.
func TestEvaluate_SegmentsOfOneRow(t *testing.T) { // alone, to see what it allocates
	const n, classes = 20_000, 16
	e := gate.Evidence{
		Target:     predictlog.Target{Task: predictlog.Multiclass},
		Coverage:   labels.Count{Predictions: n, Labelled: n},
		Truth:      metrics.Answers{Class: make([]int, n)},
		Production: &metrics.Answers{Class: make([]int, n)},
		Shadow:     metrics.Answers{Class: make([]int, n)},
		Segments:   map[string][]string{"id": make([]string, n)},
	}
	for c := range classes {
		e.Target.Classes = append(e.Target.Classes, strconv.Itoa(c))
	}
	for i := range n {
		e.IDs = append(e.IDs, strconv.Itoa(i))
		e.Segments["id"][i] = e.IDs[i]
		e.Truth.Class[i], e.Production.Class[i], e.Shadow.Class[i] = i%classes, (i+i/7)%classes, i%classes
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	d := gate.Evaluate(gate.Standard(), e)
	runtime.ReadMemStats(&after)
	require.NotEqual(t, gate.Promote, d.Outcome)
	t.Logf("%d MiB for %d rows", (after.TotalAlloc-before.TotalAlloc)>>20, n)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(500<<20), "of %d rows", n)
}

// A small decision that claims to be of many rows takes little memory.
func TestRecompute_Memory(t *testing.T) { // alone, to see what it allocates
	e := better(t)
	d := gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{gate.MinSamples{Rows: 1}}, First: []gate.Criterion{gate.MinSamples{Rows: 1}}}, e)
	d.N = 10_000_000
	d.Basis.Tallies = []metrics.Tally{{Rows: d.N}}
	d.Basis.Segments = map[string]map[string][]metrics.Tally{}
	for column := range 60 {
		d.Basis.Segments[strconv.Itoa(column)] = map[string][]metrics.Tally{"a": {{Rows: d.N}}}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := gate.Recompute(d)
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, gate.ErrDiffers)
	t.Logf("%d MiB", (after.TotalAlloc-before.TotalAlloc)>>20)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(200<<20))
}

// The order of the tallies decides what a bootstrap draws, and is not for whoever stored
// them to choose.
func TestRecompute_OrderOfTallies(t *testing.T) {
	t.Parallel()
	for name, tamper := range map[string]func(b *gate.Basis){
		"order":         func(b *gate.Basis) { b.Tallies[0], b.Tallies[1] = b.Tallies[1], b.Tallies[0] },
		"segment order": func(b *gate.Basis) { s := b.Segments["parity"]["odd"]; s[0], s[1] = s[1], s[0] },
		"split": func(b *gate.Basis) {
			half := b.Tallies[0]
			half.Rows = 1
			b.Tallies[0].Rows--
			b.Tallies = append(b.Tallies, half)
		},
		"empty category": func(b *gate.Basis) { b.Segments["parity"]["neither"] = nil },
	} {
		d := stored(t, gate.Evaluate(gate.Standard(), timed(better(t))))
		tamper(d.Basis)
		again, err := gate.Recompute(d)
		require.ErrorIs(t, err, gate.ErrDiffers, name)
		require.ErrorContains(t, err, "basis is ", name)
		require.Equal(t, hash(t, gate.Evaluate(gate.Standard(), timed(better(t)))), hash(t, again), name)
	}
}
