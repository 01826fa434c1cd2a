package audit_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/audit"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// sample returns a decision in which every kind of field is set.
func sample() gate.Decision {
	return gate.Decision{
		Outcome: gate.Reject, Policy: "mine", At: time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC), N: 1204, RowSet: "ab12",
		Production: map[string]float64{metrics.F1.String(): 0.71, metrics.Brier.String(): 0.2},
		Shadow:     map[string]float64{metrics.F1.String(): 0.742, metrics.Brier.String(): 0.19},
		Checks: []gate.Check{
			{Criterion: "samples", Verdict: gate.Pass, Precondition: true, Statistic: 1204, Threshold: 200, N: 1204, Reason: "enough"},
			{Criterion: "f1 superiority", Verdict: gate.Pass, Metric: metrics.F1.String(), Statistic: 0.032, CI: &gate.Interval{Lo: 0.01, Hi: math.Inf(1), Level: 0.9}, N: 1204, Reason: "better"},
			{Criterion: "brier floor", Verdict: gate.Fail, Statistic: 0.19, Threshold: 0.1, AtMost: true, Reason: "Brier is 0.190"},
			{Criterion: "latency", Verdict: gate.Undecided, Statistic: math.NaN(), Threshold: math.NaN(), Needed: 9},
		},
	}
}

func hash(t testing.TB, d gate.Decision) string {
	t.Helper()
	sum, err := d.Hash()
	require.NoError(t, err)
	return sum
}

// chained returns n decisions in a chain, as they are after being stored as JSON.
func chained(t testing.TB, n int) ([]gate.Decision, audit.Chain) {
	t.Helper()
	var chain audit.Chain
	var decisions []gate.Decision
	for i := range n {
		d := sample()
		d.N = i
		d, err := chain.Append(d)
		require.NoError(t, err)
		data, err := json.Marshal(d)
		require.NoError(t, err)
		var read gate.Decision
		require.NoError(t, json.Unmarshal(data, &read))
		decisions = append(decisions, read)
	}
	return decisions, chain
}

func TestChain(t *testing.T) {
	t.Parallel()
	decisions, chain := chained(t, 5)
	require.Empty(t, decisions[0].Prev)
	require.Equal(t, hash(t, decisions[0]), decisions[1].Prev)
	require.Equal(t, audit.Chain{N: 5, Head: hash(t, decisions[4])}, chain)
	end, err := audit.Chain{}.Verify(decisions...)
	require.NoError(t, err)
	require.Equal(t, chain, end)

	half, err := audit.Chain{}.Verify(decisions[:2]...)
	require.NoError(t, err)
	end, err = half.Verify(decisions[2:]...)
	require.NoError(t, err, "from where an earlier look ended")
	require.Equal(t, chain, end)

	_, err = chain.Append(gate.Decision{Checks: []gate.Check{{Verdict: 9}}})
	require.Error(t, err)
	require.Equal(t, end, chain, "an error changes nothing")
}

func TestChain_Tampered(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tamper func(d []gate.Decision) []gate.Decision
		index  int
	}{
		"changed":       {func(d []gate.Decision) []gate.Decision { d[1].Checks[0].N++; return d }, 2},
		"changed link":  {func(d []gate.Decision) []gate.Decision { d[1].Prev = ""; return d }, 1},
		"left out":      {func(d []gate.Decision) []gate.Decision { return slices.Delete(d, 2, 3) }, 2},
		"first missing": {func(d []gate.Decision) []gate.Decision { return d[1:] }, 0},
		"moved":         {func(d []gate.Decision) []gate.Decision { d[1], d[2] = d[2], d[1]; return d }, 1},
		"put in":        {func(d []gate.Decision) []gate.Decision { return slices.Insert(d, 3, sample()) }, 3},
		"twice":         {func(d []gate.Decision) []gate.Decision { return slices.Insert(d, 3, d[2]) }, 3},
		"unhashable":    {func(d []gate.Decision) []gate.Decision { d[4].Outcome = 9; return d }, 4},
	} {
		decisions, _ := chained(t, 5)
		_, err := audit.Chain{}.Verify(c.tamper(decisions)...)
		require.ErrorIs(t, err, audit.ErrChain, name)
		var broken *audit.ChainError
		require.ErrorAs(t, err, &broken)
		require.Equal(t, c.index, broken.Index, "%s: %v", name, err)
	}

	// At the end only the head that was kept tells.
	decisions, chain := chained(t, 5)
	end, err := audit.Chain{}.Verify(decisions[:4]...)
	require.NoError(t, err)
	require.NotEqual(t, chain, end)
	decisions[4].Policy = "another"
	end, err = audit.Chain{}.Verify(decisions...)
	require.NoError(t, err)
	require.NotEqual(t, chain, end)
}

func TestChain_Properties(t *testing.T) {
	t.Parallel()
	const n = 6
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250101))
	// Every field that JSON holds is one of these changes.
	changes := []func(d *gate.Decision){
		func(d *gate.Decision) { d.Outcome = gate.Inconclusive },
		func(d *gate.Decision) { d.Policy += "x" },
		func(d *gate.Decision) { d.First = !d.First },
		func(d *gate.Decision) { d.At = d.At.Add(1) },
		func(d *gate.Decision) { d.N++ },
		func(d *gate.Decision) { d.RowSet += "0" },
		func(d *gate.Decision) { d.Evidence += "0" },
		func(d *gate.Decision) {
			d.Production[metrics.F1.String()] += 1e-16 + d.Production[metrics.F1.String()]*1e-15
		},
		func(d *gate.Decision) { delete(d.Shadow, metrics.Brier.String()) },
		func(d *gate.Decision) { d.Checks = d.Checks[1:] },
		func(d *gate.Decision) { d.Checks[2].Verdict = gate.Skipped },
		func(d *gate.Decision) { d.Checks[2].Reason += "." },
		func(d *gate.Decision) { d.Checks[1].CI.Lo = math.Inf(-1) },
		func(d *gate.Decision) { d.Rules = []byte(`{}`) },
		func(d *gate.Decision) { d.Basis = &gate.Basis{} },
		func(d *gate.Decision) { d.Prev += "0" },
	}
	props.Property("any change but at the end breaks the chain, and there moves the head", prop.ForAll(func(at, change int) bool {
		decisions, chain := chained(t, n)
		changes[change](&decisions[at])
		end, err := audit.Chain{}.Verify(decisions...)
		return err != nil || at == n-1 && end != chain
	}, gen.IntRange(0, n-1), gen.IntRange(0, len(changes)-1)))
	props.TestingRun(t)
}
