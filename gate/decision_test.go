package gate_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

func sample() gate.Decision {
	return gate.Decision{
		Outcome: gate.Reject, Policy: "mine", At: day0, N: 1204, RowSet: "ab12",
		Production: map[string]float64{metrics.F1.String(): 0.71, metrics.Brier.String(): 0.2},
		Shadow:     map[string]float64{metrics.F1.String(): 0.742, metrics.Brier.String(): 0.19},
		Checks: []gate.Check{
			{Criterion: "samples", Verdict: gate.Pass, Proof: gate.Condition, Precondition: true, Unit: gate.UnitRows, Statistic: 1204, Threshold: 200, N: 1204, Reason: "enough"},
			{Criterion: "f1 superiority", Verdict: gate.Pass, Proof: gate.ProveBetter, Metric: "f1", Unit: gate.UnitGain, Statistic: 0.032, CI: &gate.Interval{Lo: 0.01, Hi: math.Inf(1), Level: 0.9}, N: 1204, Reason: "better"},
			{Criterion: "brier floor", Verdict: gate.Fail, Statistic: 0.19, Threshold: 0.1, AtMost: true, Reason: "Brier is 0.190"},
			{Criterion: "latency", Verdict: gate.Undecided, Statistic: math.NaN(), Threshold: math.NaN(), Needed: 9},
		},
	}
}

const sampleJSON = `{"schema_version":1,"outcome":"reject","policy":"mine","first":false,"at":"2025-03-01T00:00:00Z",` +
	`"n":1204,"row_set":"ab12","production":{"brier":0.2,"f1":0.71},"shadow":{"brier":0.19,"f1":0.742},"checks":[` +
	`{"criterion":"samples","verdict":"pass","proof":"condition","precondition":true,"unit":"rows","statistic":1204,"threshold":200,"n":1204,"reason":"enough"},` +
	`{"criterion":"f1 superiority","verdict":"pass","proof":"prove better","metric":"f1","unit":"gain","statistic":0.032,"threshold":0,"ci":{"lo":0.01,"hi":null,"level":0.9},"n":1204,"reason":"better"},` +
	`{"criterion":"brier floor","verdict":"fail","statistic":0.19,"threshold":0.1,"at_most":true,"n":0,"reason":"Brier is 0.190"},` +
	`{"criterion":"latency","verdict":"undecided","statistic":null,"threshold":null,"n":0,"needed":9,"reason":""}]}`

func TestDecision_JSON(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(sample())
	require.NoError(t, err)
	require.Equal(t, sampleJSON, string(data))

	var read gate.Decision
	require.NoError(t, json.Unmarshal(data, &read))
	require.Equal(t, math.Inf(1), read.Checks[1].CI.Hi)
	require.True(t, math.IsNaN(read.Checks[3].Statistic))
	require.Equal(t, sample().Checks[:3], read.Checks[:3])
	require.Equal(t, sample().Shadow, read.Shadow)
	require.Equal(t, hash(t, sample()), hash(t, read))
	require.Len(t, hash(t, read), 64)

	var zero gate.Decision
	require.NotEqual(t, gate.Promote, zero.Outcome)
	data, err = json.Marshal(zero)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &read))
	require.Equal(t, zero, read)
}

func TestDecision_StrictJSON(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]string{
		"unknown field":          strings.Replace(sampleJSON, `"policy"`, `"politics"`, 1),
		"unknown field in check": strings.Replace(sampleJSON, `"reason"`, `"why"`, 1),
		"unknown field in ci":    strings.Replace(sampleJSON, `"lo"`, `"low"`, 1),
		"outcome":                strings.Replace(sampleJSON, `"reject"`, `"perhaps"`, 1),
		"verdict":                strings.Replace(sampleJSON, `"undecided"`, `"perhaps"`, 1),
		"version":                strings.Replace(sampleJSON, `"schema_version":1`, `"schema_version":2`, 1),
		"no version":             `{}`,
		"NaN":                    strings.Replace(sampleJSON, `1204`, `NaN`, 1),
		"trailing":               sampleJSON + `{}`,
		"promotes by no right":   strings.Replace(sampleJSON, `"reject"`, `"promote"`, 1),
		"field twice":            strings.Replace(sampleJSON, `"n":1204`, `"n":1,"n":1204`, 1),
		"other case":             strings.Replace(sampleJSON, `"policy"`, `"Policy"`, 1),
		"null":                   `null`,
	} {
		d := sample()
		err := d.UnmarshalJSON([]byte(bad))
		require.Error(t, err, name)
		require.Equal(t, hash(t, sample()), hash(t, d), "%s: an error leaves the decision as it was", name)
	}
	_, err := json.Marshal(gate.Decision{Outcome: gate.Promote})
	require.ErrorContains(t, err, `the outcome is "promote", but "inconclusive" follows from the checks`)
	_, err = json.Marshal(gate.Decision{Outcome: gate.Promote, Checks: []gate.Check{{Verdict: gate.Pass, Statistic: nan}}})
	require.Error(t, err)
	_, err = json.Marshal(gate.Decision{Outcome: 9})
	require.ErrorContains(t, err, "unknown outcome 9")
	_, err = gate.Decision{Checks: []gate.Check{{Verdict: 9}}}.Hash()
	require.ErrorContains(t, err, "unknown verdict 9")
}

func TestDecision_ByteIdentical(t *testing.T) {
	t.Parallel()
	for _, e := range []gate.Evidence{better(t), regression(300, 0.8), multiclass(300)} {
		first, err := json.Marshal(gate.Evaluate(gate.Standard(), e))
		require.NoError(t, err)
		for range 3 {
			again, err := json.Marshal(gate.Evaluate(gate.Standard(), e))
			require.NoError(t, err)
			require.Equal(t, string(first), string(again))
		}
	}
}

func TestDecision_String(t *testing.T) {
	t.Parallel()
	require.Equal(t, "reject: F1 0.710 -> 0.742 (90 % CI of the gain +0.010..unbounded), 2 of 4 checks passed; brier floor: fail, latency: undecided", sample().String())
	require.Equal(t, "inconclusive: 0 of 0 checks passed", gate.Decision{}.String())
	d := sample()
	d.Outcome, d.Production, d.Checks = gate.Promote, nil, d.Checks[:2]
	require.Equal(t, "promote: F1 0.742, 2 of 2 checks passed", d.String())
	d.Production, d.Shadow = map[string]float64{metrics.RMSE.String(): 12.3456}, map[string]float64{metrics.RMSE.String(): 0.001}
	require.Equal(t, "promote: RMSE 12.35 -> 0.001, 2 of 2 checks passed", d.String())
}

func TestDecision_Reasons(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"Brier is 0.190", "latency: undecided"}, sample().Reasons())
	require.Nil(t, gate.Decision{}.Reasons())
}

func TestEnumerations(t *testing.T) {
	t.Parallel()
	for _, o := range []gate.Outcome{gate.Inconclusive, gate.Promote, gate.Reject} {
		text, err := o.MarshalText()
		require.NoError(t, err)
		require.Equal(t, o.String(), string(text))
		var read gate.Outcome
		require.NoError(t, read.UnmarshalText(text))
		require.Equal(t, o, read)
	}
	for _, v := range []gate.Verdict{gate.Errored, gate.Pass, gate.Fail, gate.Undecided, gate.Skipped} {
		text, err := v.MarshalText()
		require.NoError(t, err)
		var read gate.Verdict
		require.NoError(t, read.UnmarshalText(text))
		require.Equal(t, v, read)
	}
	require.Equal(t, "Outcome(9)", gate.Outcome(9).String())
	require.Equal(t, "Verdict(9)", gate.Verdict(9).String())
	var o gate.Outcome
	require.EqualError(t, o.UnmarshalText([]byte("x")), `gate: unknown outcome "x", want one of ["inconclusive" "promote" "reject"]`)
}

func TestDecision_Properties(t *testing.T) {
	t.Parallel()
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250101))
	verdicts := gen.SliceOf(gen.UInt8Range(0, 3))
	e := tiny(t, []float64{0, 1}, []float64{0, 1}, []float64{0, 1})
	props.Property("promotes exactly if there is a check and all pass", prop.ForAll(func(verdicts []uint8) bool {
		var p gate.Policy
		all := len(verdicts) > 0
		for _, v := range verdicts {
			p.Criteria = append(p.Criteria, says(gate.Verdict(v)))
			all = all && gate.Verdict(v) == gate.Pass
		}
		return (gate.Evaluate(p, e).Outcome == gate.Promote) == all
	}, verdicts))
	props.Property("JSON round trip keeps the hash", prop.ForAll(func(statistic, threshold float64, reason string) bool {
		d := sample()
		d.Checks[0].Statistic, d.Checks[0].Threshold, d.Checks[0].Reason = statistic, threshold, reason
		d.Shadow[metrics.MCC.String()] = statistic
		data, err := json.Marshal(d)
		var read gate.Decision
		if err != nil || json.Unmarshal(data, &read) != nil {
			return false
		}
		a, _ := d.Hash()
		b, _ := read.Hash()
		return a == b
	}, gen.Float64(), gen.OneConstOf(math.NaN(), math.Inf(1), math.Inf(-1), 0.0, 1e300), gen.AnyString()))
	props.TestingRun(t)
}
