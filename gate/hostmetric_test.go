package gate_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/metrics"
)

func ofCounts(t testing.TB, info metrics.Info, value func(metrics.Counts) (float64, error)) metrics.Metric {
	t.Helper()
	m, err := metrics.OfCounts(info, value)
	require.NoError(t, err)
	return m
}

func ofRows(t testing.TB, info metrics.Info, cost func(metrics.Row) float64) metrics.Metric {
	t.Helper()
	m, err := metrics.OfRows(info, cost)
	require.NoError(t, err)
	return m
}

// twins returns metrics of this module beside the same metrics as a host would define them.
func twins(t testing.TB) map[metrics.Metric]metrics.Metric {
	t.Helper()
	return map[metrics.Metric]metrics.Metric{
		metrics.F1: ofCounts(t, metrics.Info{Name: "host"}, func(c metrics.Counts) (float64, error) {
			if len(c) == 2 {
				return c[1].F1()
			}
			return c.F1(metrics.Macro)
		}),
		metrics.Brier: ofRows(t, metrics.Info{Name: "host", LowerIsBetter: true, Probabilities: true}, func(r metrics.Row) float64 {
			var sum float64
			for k, p := range r.Probability {
				if k == r.Truth {
					p = 1 - p
				}
				if k > 0 || len(r.Probability) > 2 {
					sum += p * p
				}
			}
			return sum
		}),
		metrics.MAE: ofRows(t, metrics.Info{Name: "host", LowerIsBetter: true, Unit: metrics.TargetUnit}, func(r metrics.Row) float64 {
			return math.Abs(r.TruthValue - r.Value)
		}),
	}
}

// A host's metric is inferred, vetoed and recomputed as the same metric of this module is.
func TestHostMetric_Twins(t *testing.T) {
	t.Parallel()
	criteria := func(m metrics.Metric) []gate.Criterion {
		return []gate.Criterion{
			gate.Superior{Metric: m, Alpha: 0.02}, gate.NonInferior{Metric: m, Margin: 0.01}, gate.NonInferior{Metric: m, Relative: 0.03},
			gate.Improvement{Metric: m, Relative: 0.02}, gate.NotWorse{Metric: m, Margin: 0.01}, gate.Floor{Metric: m, Bound: 0.5},
			gate.SegmentVeto{Metric: m, MaxDrop: 0.05, MinRows: 30, Alpha: 0.05}, gate.SegmentVeto{Metric: m, MaxDrop: 0.05, MinRows: 30},
		}
	}
	for ours, host := range twins(t) {
		all := map[string]gate.Evidence{"binary": exact(1, 900, 2), "classes": exact(2, 700, 4)}
		if ours == metrics.MAE {
			all = map[string]gate.Evidence{"numbers": exact(3, 600, 0)}
		}
		for name, e := range all {
			want := gate.Evaluate(gate.Policy{Criteria: criteria(ours), First: criteria(ours)}, e)
			policy := gate.Policy{Criteria: criteria(host), First: criteria(host)}
			d := stored(t, gate.Evaluate(policy, e))
			require.InDelta(t, want.Shadow[ours.String()], d.Shadow["host"], 1e-11)
			rename := strings.NewReplacer(ours.Title(), "host", ours.String(), "host")
			for i, c := range want.Checks {
				c.Criterion, c.Metric, c.Reason = rename.Replace(c.Criterion), "host", rename.Replace(c.Reason)
				require.Equal(t, c, d.Checks[i], "%s %s", ours, name)
			}
			again, err := gate.Recompute(d, gate.KindOfMetric(host))
			require.NoError(t, err)
			require.Equal(t, hash(t, d), hash(t, again))
			again, err = gate.RecomputeFrom(d, e, gate.KindOfMetric(host))
			require.NoError(t, err)
			require.Equal(t, hash(t, d), hash(t, again))

			_, err = gate.Recompute(d)
			require.ErrorContains(t, err, `"host" is a metric of the host`)
			d = stored(t, gate.Evaluate(policy, alone(e)))
			_, err = gate.Recompute(d, gate.KindOfMetric(host))
			require.NoError(t, err, "a first deployment")
		}
	}
}

// A cost that has no value on some row is said to have none, also without the rows.
func TestHostMetric_Undefined(t *testing.T) {
	t.Parallel()
	m := ofRows(t, metrics.Info{Name: "ratio"}, func(r metrics.Row) float64 { return r.Value / (r.TruthValue - 7) })
	e := regression(60, 0.5)
	e.Truth.Value[9] = 7
	d := stored(t, gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{gate.Superior{Metric: m}, gate.Floor{Metric: m}}, First: []gate.Criterion{}}, e))
	for _, c := range d.Checks {
		require.Equal(t, gate.Undecided, c.Verdict, c.Reason)
		require.Contains(t, c.Reason, "metrics: ratio: undefined: row 9 has no finite cost")
	}
	_, err := gate.Recompute(d, gate.KindOfMetric(m))
	require.NoError(t, err)
}

// A host's function that modifies the counts, although it must not, spoils its own value only.
func TestHostMetric_ModifiesCounts(t *testing.T) {
	t.Parallel()
	spoils := ofCounts(t, metrics.Info{Name: "spoils"}, func(c metrics.Counts) (float64, error) {
		clear(c)
		return 0, nil
	})
	e := better(t)
	rows := metrics.NewRows(e.Target, e.Truth, e.Shadow)
	_, err := spoils.Measure(rows)
	require.NoError(t, err)
	spoilt, err := metrics.F1.Measure(rows)
	require.NoError(t, err)
	want, err := metrics.F1.Measure(metrics.NewRows(e.Target, e.Truth, e.Shadow))
	require.NoError(t, err)
	require.Equal(t, want, spoilt)
}

func TestHostMetric_Malformed(t *testing.T) {
	t.Parallel()
	cost := func(metrics.Row) float64 { return 1 }
	for _, name := range []string{"production", "shadow", "gain", "values"} {
		_, err := metrics.OfRows(metrics.Info{Name: name}, cost)
		require.ErrorContains(t, err, "which has another meaning in decisions")
	}
	for _, info := range []metrics.Info{{Name: "cost", Title: "\xff"}, {Name: "cost", Unit: "\xff"}} {
		_, err := metrics.OfRows(info, cost)
		require.ErrorContains(t, err, "want UTF-8")
	}
}

// The text of a host's error is stored as it is read back.
func TestHostMetric_ErrorNotUTF8(t *testing.T) {
	t.Parallel()
	m := ofCounts(t, metrics.Info{Name: "odd"}, func(metrics.Counts) (float64, error) {
		return 0, fmt.Errorf("%w: \xff", metrics.ErrUndefined)
	})
	d := gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{gate.Superior{Metric: m}, gate.SegmentVeto{Metric: m}, gate.Floor{Metric: m}}, First: []gate.Criterion{}}, better(t))
	_, err := gate.Recompute(stored(t, d), gate.KindOfMetric(m))
	require.NoError(t, err)
	require.Equal(t, hash(t, d), hash(t, stored(t, d)))
}

func TestHostMetric_Policy(t *testing.T) {
	t.Parallel()
	m := ofRows(t, metrics.Info{Name: "cost"}, func(metrics.Row) float64 { return 1 })
	other := ofRows(t, metrics.Info{Name: "cost"}, func(metrics.Row) float64 { return 2 })
	policy := gate.Policy{Name: "own", Criteria: []gate.Criterion{gate.Superior{Metric: m}}, First: []gate.Criterion{recentOnly{gate.NonInferior{Metric: m, Margin: 1}, 7}}}
	require.NoError(t, policy.Validate())
	data, err := json.Marshal(policy)
	require.NoError(t, err)
	require.Contains(t, string(data), `"metric":"cost"`)
	recent := gate.KindOf(func() recentOnly { return recentOnly{} })
	read, err := gate.ParsePolicy(data, recent, gate.KindOfMetric(m))
	require.NoError(t, err)
	require.Equal(t, policy, read)
	read, err = gate.ParsePolicy(data, recent)
	require.NoError(t, err)
	require.ErrorContains(t, read.Validate(), `Criteria[0]: Metric is "cost", want one of package metrics`)
	_, err = gate.ParsePolicy(data, recent, gate.KindOfMetric(m), gate.KindOfMetric(other))
	require.ErrorContains(t, err, `two metrics have the name "cost"`)
	_, err = gate.ParsePolicy(data, recent, gate.KindOfMetric(metrics.Named("cost")))
	require.ErrorIs(t, err, metrics.ErrNotMeasurable)

	policy.Criteria = append(policy.Criteria, gate.Floor{Metric: other})
	d := gate.Evaluate(policy, better(t))
	require.Equal(t, gate.Errored, d.Checks[2].Verdict)
	require.Contains(t, d.Checks[2].Reason, `two metrics have the name "cost"`)
}

// embedded, Behind and linked are what a host's criterion may hold a metric in.
type (
	embedded struct{ Own metrics.Metric }
	Behind   struct{ Other metrics.Metric }
	linked   struct {
		Metric metrics.Metric
		Next   *linked `json:"Next,omitempty"`
	}
)

// deep is a host's criterion with metrics at any depth.
type deep struct {
	embedded
	*Behind
	Link   linked
	Pair   [2]metrics.Metric
	Shared *linked `json:"-"`
}

func (deep) Kind() string                    { return "deep" }
func (deep) Check(*gate.Evidence) gate.Check { return gate.Check{} }

func TestHostMetric_Deep(t *testing.T) {
	t.Parallel()
	m := ofRows(t, metrics.Info{Name: "cost"}, func(metrics.Row) float64 { return 1 })
	shared := &linked{Metric: metrics.Named("cost")}
	shared.Next = shared
	c := deep{embedded{m}, &Behind{m}, linked{m, &linked{Metric: m}}, [2]metrics.Metric{m, metrics.F1}, shared}
	data, err := json.Marshal(gate.Policy{Criteria: []gate.Criterion{c, &c}})
	require.NoError(t, err)
	for _, kind := range []gate.Kind{
		gate.KindOf(func() deep { return deep{Shared: shared} }), gate.KindOf(func() gate.Kinded { return &deep{Shared: shared} }),
	} {
		p, err := gate.ParsePolicy(data, kind, gate.KindOfMetric(m))
		require.NoError(t, err)
		for _, read := range p.Criteria {
			require.Equal(t, c, reflect.Indirect(reflect.ValueOf(read)).Interface())
		}
	}
	require.Error(t, shared.Metric.Validate(), "what JSON does not hold is left as it is")
	ring := gate.KindOf(func() deep {
		c := deep{Link: linked{Next: &linked{}}}
		c.Link.Next.Next = c.Link.Next
		return c
	})
	p, err := gate.ParsePolicy(data, ring, gate.KindOfMetric(m))
	require.NoError(t, err)
	require.Equal(t, m, p.Criteria[0].(deep).Link.Next.Metric)
}

// A host's table of metrics shows what the host measures.
func TestHostMetric_Render(t *testing.T) {
	t.Parallel()
	m := ofCounts(t, metrics.Info{Name: "cost", LowerIsBetter: true, Unit: "EUR"}, func(c metrics.Counts) (float64, error) {
		return 1000 * c[1].FN / c.Total(), nil
	})
	d := gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{gate.Superior{Metric: m}}}, better(t))
	require.Contains(t, markdown(t, d), "| cost | ")
}

// TestHostErrorRates shows that Standard keeps its error rate where a host's row cost is in
// place of the primary metric: the cost of a false alarm and five times that of a miss, and
// the cost of an error of a regression, twice as large if the answer is too low. Costs of
// errors that are rare and gross are subject to the limit that [gate.Superior] states. The
// lines "cells" are the same cost of classes as a metric of counts.
//
//	SELFHEAL_SIMULATIONS=2500 go test ./gate -run HostErrorRates -v -timeout 2h
func TestHostErrorRates(t *testing.T) {
	t.Parallel()
	runs, full := simulations(t, 60)
	draws := 2000
	if !full {
		draws = 200
	}
	classes := ofRows(t, metrics.Info{Name: "cost", LowerIsBetter: true}, func(r metrics.Row) float64 {
		return [2][2]float64{{0, 1}, {5, 0}}[r.Truth][r.Class]
	})
	cells := ofCounts(t, metrics.Info{Name: "cost", LowerIsBetter: true}, func(c metrics.Counts) (float64, error) {
		return (c[1].FP + 5*c[1].FN) / c.Total(), nil
	})
	values := ofRows(t, metrics.Info{Name: "cost", LowerIsBetter: true}, func(r metrics.Row) float64 {
		return max(r.Value-r.TruthValue, 2*(r.TruthValue-r.Value))
	})
	const alpha, harm = 0.05, 0.01 // what Standard promises of equal and of worse models
	type line struct {
		task, shadow string
		metric       metrics.Metric
		population   interface {
			draw(rng *rand.Rand, n int) gate.Evidence
		}
		n, standard, superior int
	}
	equal := population{positive: 0.3, rho: 0.5, production: 1.5, shadow: 1.5}
	worse, better := equal, equal
	worse.shadow, better.shadow = 1.4, 1.8
	var lines []*line
	for _, n := range []int{200, 1000} {
		for _, l := range []line{
			{"rows", "equal", classes, equal, n, 0, 0}, {"rows", "worse", classes, worse, n, 0, 0}, {"rows", "better", classes, better, n, 0, 0},
			{"cells", "equal", cells, equal, n, 0, 0}, {"cells", "worse", cells, worse, n, 0, 0},
			{"values", "equal", values, numbers{usual: 1}, n, 0, 0}, {"values", "worse", values, numbers{usual: 1.05}, n, 0, 0},
		} {
			lines = append(lines, &l)
		}
	}
	workers(len(lines), func(i int) {
		l := lines[i]
		policy := gate.Standard()
		policy.Criteria = withDraws(policy.Criteria, draws)
		for k, c := range policy.Criteria {
			switch c := c.(type) {
			case gate.Superior:
				c.Metric = l.metric
				policy.Criteria[k] = c
			case gate.NonInferior:
				if c.Metric == metrics.Primary {
					c.Metric = l.metric
					policy.Criteria[k] = c
				}
			case gate.SegmentVeto:
				c.Metric = l.metric
				policy.Criteria[k] = c
			}
		}
		rng := rand.New(rand.NewPCG(uint64(i), 13))
		for range runs {
			d := gate.Evaluate(policy, l.population.draw(rng, l.n))
			if d.Outcome == gate.Promote {
				l.standard++
			}
			if slices.ContainsFunc(d.Checks, func(c gate.Check) bool { return c.Proof == gate.ProveBetter && c.Verdict == gate.Pass }) {
				l.superior++
			}
		}
	})
	var table strings.Builder
	fmt.Fprintf(&table, "promoted, in %% ± its standard error; %d bootstrap draws, seeds (line, 13)\n", draws)
	fmt.Fprintf(&table, "cost   shadow     n   runs |      Standard      Superior\n")
	for _, l := range lines {
		fmt.Fprintf(&table, "%-6s %-6s %5d %6d | %s %s\n", l.task, l.shadow, l.n, runs, rate(l.standard, runs), rate(l.superior, runs))
	}
	t.Log(table.String())
	for _, l := range lines {
		what := fmt.Sprintf("%s, %s, n=%d", l.task, l.shadow, l.n)
		switch l.shadow {
		case "equal":
			atMost(t, alpha, l.standard, runs, "Standard: "+what)
			atMost(t, alpha, l.superior, runs, "Superior: "+what)
		case "worse":
			atMost(t, harm, l.standard, runs, "Standard: "+what)
		case "better":
			if l.n == 1000 {
				atLeast(t, 0.4, l.standard, runs, "Standard: "+what)
			}
		}
	}
}
