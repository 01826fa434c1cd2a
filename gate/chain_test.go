package gate_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// chained returns n decisions in a chain, as they are after being stored as JSON.
func chained(t testing.TB, n int) ([]gate.Decision, gate.Chain) {
	t.Helper()
	var chain gate.Chain
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
	require.Equal(t, gate.Chain{N: 5, Head: hash(t, decisions[4])}, chain)
	end, err := gate.Chain{}.Verify(decisions...)
	require.NoError(t, err)
	require.Equal(t, chain, end)

	half, err := gate.Chain{}.Verify(decisions[:2]...)
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
		_, err := gate.Chain{}.Verify(c.tamper(decisions)...)
		require.ErrorIs(t, err, gate.ErrChain, name)
		var broken *gate.ChainError
		require.ErrorAs(t, err, &broken)
		require.Equal(t, c.index, broken.Index, "%s: %v", name, err)
	}

	// At the end only the head that was kept tells.
	decisions, chain := chained(t, 5)
	end, err := gate.Chain{}.Verify(decisions[:4]...)
	require.NoError(t, err)
	require.NotEqual(t, chain, end)
	decisions[4].Policy = "another"
	end, err = gate.Chain{}.Verify(decisions...)
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
		end, err := gate.Chain{}.Verify(decisions...)
		return err != nil || at == n-1 && end != chain
	}, gen.IntRange(0, n-1), gen.IntRange(0, len(changes)-1)))
	props.TestingRun(t)
}
