package drift_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

// column compares one column by a method.
func column(t *testing.T, ref *drift.Reference, method drift.Method, p *drift.Profile) drift.ColumnReport {
	t.Helper()
	cfg := drift.Config{Columns: map[string]drift.ColumnConfig{"x": {Method: method}}}
	return detect(t, ref, cfg, p).Columns[0]
}

// On levels, and on numbers that each have a cell, the observed effect is what the function of
// that name says.
func TestMethods_AgreeWithTheFunctions(t *testing.T) {
	t.Parallel()
	reference, current := []int{500, 300, 150, 50}, []int{200, 150, 100, 50}
	expand := func(counts []int) drift.Column {
		var values []string
		for i, n := range counts {
			values = append(values, repeat(n, fmt.Sprint(i))...)
		}
		return drift.Categorical("x", values)
	}
	ref := newReference(t, expand(reference))
	profile := profileOf(t, ref, expand(current))
	for method, function := range map[drift.Method]func(r, c []int) (drift.Result, error){
		drift.MethodChiSquare: drift.ChiSquare[int], drift.MethodG: drift.GTest[int], drift.MethodPSI: drift.PSI[int],
		drift.MethodJensenShannon: drift.JensenShannon[int], drift.MethodHellinger: drift.Hellinger[int],
	} {
		want, err := function(reference, current)
		require.NoError(t, err)
		got := column(t, ref, method, profile).Tests[0]
		require.Equal(t, method, got.Name)
		effect := want.Statistic
		if method == drift.MethodChiSquare || method == drift.MethodG {
			effect = want.EffectSize
			require.Equal(t, want.Statistic, got.Statistic)
			// The larger one of X² and of G with Williams' correction.
			require.GreaterOrEqual(t, got.PValue, 0.9*want.PValue)
			require.Less(t, got.PValue, 1.5*want.PValue)
		}
		require.Equal(t, effect, got.Observed, method)
		require.Less(t, got.EffectSize, got.Observed, method)
	}

	rng := rand.New(rand.NewPCG(60, 1))
	x, y := normals(rng, 800, 0), normals(rng, 500, 0.4)
	numbers := newReference(t, drift.Numeric("x", x))
	want, err := drift.Wasserstein1(x, y)
	require.NoError(t, err)
	got := column(t, numbers, drift.MethodWasserstein, profileOf(t, numbers, drift.Numeric("x", y)))
	requireClose(t, want.Statistic/got.Reference.Numbers.Std, got.Tests[0].Observed, 0.02)
	require.Equal(t, drift.Drifted, got.Verdict)
	require.Contains(t, got.Reason, "standard deviations, their mean from")
}

func TestMethods_Reasons(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(61, 1))
	ref := newReference(t, drift.Numeric("x", normals(rng, 2000, 0)))
	profile := profileOf(t, ref, drift.Numeric("x", normals(rng, 1000, 1)))
	for method, reason := range map[drift.Method]string{
		drift.MethodChiSquare:     "The shares of the groups moved by 0.",
		drift.MethodPSI:           "The shares of the groups moved by a PSI of ",
		drift.MethodJensenShannon: "The shares of the groups moved by a Jensen-Shannon distance of 0.",
		drift.MethodHellinger:     "The shares of the groups moved by a Hellinger distance of 0.",
		drift.MethodWasserstein:   "The values moved by ",
	} {
		c := column(t, ref, method, profile)
		require.True(t, strings.HasPrefix(c.Reason, reason), c.Reason)
	}
}

// A column that never varied in the reference is measured in the deviations of both sides.
func TestMethods_WassersteinOfAConstant(t *testing.T) {
	t.Parallel()
	ref := newReference(t, drift.Numeric("x", repeat(500, 7.0)))
	same := column(t, ref, drift.MethodWasserstein, profileOf(t, ref, drift.Numeric("x", repeat(500, 7.0))))
	require.Equal(t, drift.Stable, same.Verdict)
	require.Zero(t, same.Tests[0].EffectSize)
	moved := column(t, ref, drift.MethodWasserstein, profileOf(t, ref, drift.Numeric("x", repeat(500, 7.5))))
	require.Equal(t, drift.Drifted, moved.Verdict)
	require.InDelta(t, 1, moved.Tests[0].EffectSize, 1e-9, "what is above the range is spread evenly from there to the largest value")
	infinite := column(t, ref, drift.MethodWasserstein, profileOf(t, ref, drift.Numeric("x", repeat(500, math.Inf(1)))))
	require.Equal(t, drift.Drifted, infinite.Verdict)
	require.Zero(t, infinite.Tests[0].EffectSize, "the rate of infinities says it")
}

func TestMethods_Floors(t *testing.T) {
	t.Parallel()
	ref := newReference(t, drift.Numeric("x", repeat(50, 1.0, 2)), drift.Categorical("c", repeat(50, "a", "b")))
	p := profileOf(t, ref, drift.Numeric("x", repeat(50, 1.0, 2)), drift.Categorical("c", repeat(50, "a", "b")))
	floors := func(cfg drift.Config) (numeric, categorical float64) {
		report := detect(t, ref, cfg, p)
		return report.Columns[0].Tests[0].Floor, report.Columns[1].Tests[0].Floor
	}
	for _, c := range []struct {
		cfg                  drift.Config
		numeric, categorical float64
	}{
		{drift.Config{}, 0.1, 0.1},
		{drift.Config{NumericMethod: drift.MethodWasserstein}, 0.25, 0.1},
		{drift.Config{NumericMethod: drift.MethodWasserstein, NumericEffect: 3}, 3, 0.1},
		{drift.Config{NumericEffect: 0.3, Columns: map[string]drift.ColumnConfig{"x": {Method: drift.MethodPSI}}}, 0.1, 0.1},
		{drift.Config{Columns: map[string]drift.ColumnConfig{"x": {Method: drift.MethodPSI, Effect: 2}, "c": {Effect: 0.7}}}, 2, 0.7},
	} {
		numeric, categorical := floors(c.cfg)
		require.Equal(t, c.numeric, numeric)
		require.Equal(t, c.categorical, categorical)
	}
}

// methodsFor returns the methods that can compare the values of a column, in their order: what
// is required of all methods is required of a new one too.
func methodsFor(kind drift.Kind) []drift.Method {
	var names []drift.Method
	for _, m := range drift.Methods() {
		if slices.Contains(m.Kinds, kind) {
			names = append(names, m.Name)
		}
	}
	return names
}

// listed is how an error lists methods.
func listed(methods []drift.Method) string {
	texts := make([]string, len(methods))
	for i, m := range methods {
		texts[i] = string(m)
	}
	return strings.Join(texts, ", ")
}

func TestMethods_Described(t *testing.T) {
	t.Parallel()
	titles := make(map[string]bool)
	for _, m := range drift.Methods() {
		require.NotEmpty(t, m.Effect, m.Name)
		require.False(t, titles[m.Title], m.Title)
		titles[m.Title] = true
		require.Equal(t, m.Rate == nil, len(m.Kinds) > 0, m.Name)
		require.Equal(t, m.Rate == nil, m.Floor > 0, m.Name)
	}
	drift.Methods()[0].Kinds[0] = drift.KindCategorical
	require.Equal(t, []drift.Kind{drift.KindNumeric}, drift.Methods()[0].Kinds, "a copy")
}

func TestMethods_Errors(t *testing.T) {
	t.Parallel()
	ref := newReference(t, drift.Numeric("x", []float64{1}), drift.Categorical("c", []string{"a"}))
	_, err := drift.NewDetector(ref, drift.Config{
		NumericMethod: drift.MethodMissing, CategoricalMethod: drift.MethodKS,
		Columns: map[string]drift.ColumnConfig{"x": {Method: drift.MethodPSI, Effect: math.Inf(1)}, "c": {Method: "anova", Effect: 1}},
	})
	categorical := listed(categoricalMethods)
	require.Equal(t, []string{
		`drift: invalid Config: NumericMethod is "missing_rate", want for a numeric column one of ` + listed(numericMethods),
		`CategoricalMethod is "kolmogorov_smirnov", want for a categorical column one of ` + categorical,
		`Columns["c"].Method is "anova", want for a categorical column one of ` + categorical,
		`Columns["x"].Effect is +Inf, want above 0 and finite for psi`,
	}, strings.Split(err.Error(), "\n"))
}

// Whatever the numbers, every number in the report is finite, and every effect in its
// interval.
func TestMethods_Properties(t *testing.T) {
	t.Parallel()
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250106))
	awkward := gen.SliceOfN(60, gen.OneGenOf(gen.Float64(), gen.Float64Range(-3, 3),
		gen.OneConstOf(0.0, 1.0, math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64)))
	for _, method := range numericMethods {
		props.Property(string(method), prop.ForAll(func(a, b []float64) bool {
			ref := newReference(t, drift.Numeric("x", a))
			c := column(t, ref, method, profileOf(t, ref, drift.Numeric("x", b)))
			_, err := json.Marshal(c)
			for _, test := range c.Tests {
				if !(0 <= test.CI.Lo && test.CI.Lo <= test.EffectSize && test.EffectSize <= test.CI.Hi) {
					return false
				}
			}
			return err == nil
		}, awkward, awkward))
	}
	props.TestingRun(t)
}

// effects are the true effects of a change of shares, by the methods on levels.
func effects(p, q []float64) map[drift.Method]float64 {
	var variation, psi, divergence, affinity float64
	for i := range p {
		middle := (p[i] + q[i]) / 2
		variation += math.Abs(p[i]-q[i]) / 2
		psi += (q[i] - p[i]) * math.Log(q[i]/p[i])
		divergence += p[i]*math.Log2(p[i]/middle)/2 + q[i]*math.Log2(q[i]/middle)/2
		affinity += math.Sqrt(p[i] * q[i])
	}
	return map[drift.Method]float64{
		drift.MethodChiSquare: variation, drift.MethodG: variation, drift.MethodPSI: psi,
		drift.MethodJensenShannon: math.Sqrt(max(divergence, 0)), drift.MethodHellinger: math.Sqrt(max(1-affinity, 0)),
	}
}

// The interval holds the true effect in about 95 of 100 cases or more, changed or not.
func TestIntervals_Coverage(t *testing.T) {
	t.Parallel()
	runs := 60
	if full() {
		runs = 2000
	}
	levels := func(shares []float64) population { return population{shares: shares} }
	// missing is a population of normal numbers of which a share is missing.
	missing := func(share float64) population {
		return population{draw: func(rng *rand.Rand) float64 {
			if rng.Float64() < share {
				return math.NaN()
			}
			return rng.NormFloat64()
		}}
	}
	type comparison struct {
		method             drift.Method
		test               int // position in the report
		reference, current population
		rows               [2]int
		want               float64
	}
	sizes := [2]int{1000, 600}
	cases := []comparison{
		{drift.MethodKS, 0, shifted(0), shifted(0), sizes, 0},
		{drift.MethodKS, 0, shifted(0), shifted(0.3), sizes, 2*normalBelow(0.15) - 1},
		{drift.MethodWasserstein, 0, shifted(0), shifted(0), sizes, 0},
		{drift.MethodWasserstein, 0, shifted(0), shifted(0.3), sizes, 0.3},
		{drift.MethodKS, 1, missing(0.05), missing(0.05), sizes, 0},
		{drift.MethodKS, 1, missing(0.02), missing(0.06), sizes, 0.04},
	}
	few := equalShares(4)
	for _, change := range [][2][]float64{
		{{0.4, 0.3, 0.2, 0.1}, {0.3, 0.25, 0.2, 0.25}},
		{few, few},
		{equalShares(30), equalShares(30)},
		{equalShares(30), tilted(equalShares(30), 0.4)},
		{equalShares(100), equalShares(100)},
		{equalShares(100), tilted(equalShares(100), 0.4)},
		{harmonicShares(100), tilted(harmonicShares(100), 0.4)},
	} {
		p, q := change[0], change[1]
		for i, rows := range [][2]int{{2000, 300}, {2000, 2000}, {300, 5000}} {
			if i > 0 && !full() {
				break
			}
			for method, want := range effects(p, q) {
				cases = append(cases, comparison{method, 0, levels(p), levels(q), rows, want})
			}
		}
	}
	for i, c := range cases {
		t.Run(fmt.Sprintf("%s/levels=%d/%v/%.2g", c.method, len(c.current.shares), c.rows, c.want), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(62, uint64(i)))
			misses := 0
			for range runs {
				ref := newReference(t, c.reference.sample(rng, "x", c.rows[0]))
				test := column(t, ref, c.method, profileOf(t, ref, c.current.sample(rng, "x", c.rows[1]))).Tests[c.test]
				require.LessOrEqual(t, test.CI.Lo, test.EffectSize)
				require.GreaterOrEqual(t, test.CI.Hi, test.EffectSize)
				require.Equal(t, 0.95, test.CI.Level)
				if c.want < test.CI.Lo || c.want > test.CI.Hi {
					misses++
				}
			}
			t.Logf("%.1f %% of %d intervals miss", 100*float64(misses)/float64(runs), runs)
			require.LessOrEqual(t, misses, mostAlarms(runs, 0.06))
		})
	}
}
