package multivariate_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/multivariate"
)

// multivariate runs either method and returns what they have in common.
var methods = map[string]func(reference, current []drift.Column, cfg multivariate.Config) (drift.Result, []multivariate.Contribution, error){
	"DomainClassifier": func(reference, current []drift.Column, cfg multivariate.Config) (drift.Result, []multivariate.Contribution, error) {
		r, err := multivariate.DomainClassifier(reference, current, cfg)
		return r.Result, r.Columns, err
	},
	"PCAReconstruction": func(reference, current []drift.Column, cfg multivariate.Config) (drift.Result, []multivariate.Contribution, error) {
		r, err := multivariate.PCAReconstruction(reference, current, cfg)
		return r.Result, r.Columns, err
	},
}

// table draws correlated numbers a and b, an independent, heavy-tailed number c, one that
// follows from a category, and the category.
func table(rng *rand.Rand, n int, correlation float64) []drift.Column {
	a, b, c, d, e := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n), make([]string, n)
	for i := range n {
		a[i] = rng.NormFloat64()
		b[i] = correlation*a[i] + math.Sqrt(1-correlation*correlation)*rng.NormFloat64()
		c[i] = math.Exp(2 * rng.NormFloat64())
		level := rng.IntN(4)
		d[i] = float64(level) + 0.3*rng.NormFloat64()
		e[i] = fmt.Sprint(level)
		if rng.Float64() < 0.05 {
			c[i] = math.NaN()
		}
	}
	return []drift.Column{drift.Numeric("a", a), drift.Numeric("b", b), drift.Numeric("c", c), drift.Numeric("d", d), drift.Categorical("e", e)}
}

// Without any change a p-value of at most alpha has a chance of at most about alpha.
func TestMultivariate_FalseAlarms(t *testing.T) {
	t.Parallel()
	runs := 40
	if full() {
		runs = 4000
	}
	for name, method := range methods {
		for _, size := range [][2]int{{50, 50}, {200, 200}, {1000, 100}} {
			t.Run(fmt.Sprintf("%s/%v", name, size), func(t *testing.T) {
				t.Parallel()
				rng := rand.New(rand.NewPCG(40, uint64(size[0]+size[1])))
				alarms := map[float64]int{0.01: 0, 0.05: 0, 0.2: 0}
				for range runs {
					got, _, err := method(table(rng, size[0], 0.5), table(rng, size[1], 0.5), multivariate.Config{Seed: rng.Uint64()})
					require.NoError(t, err)
					for alpha := range alarms {
						if got.PValue <= alpha {
							alarms[alpha]++
						}
					}
				}
				t.Logf("%d runs, alarms by level: %v", runs, alarms)
				for alpha, n := range alarms {
					require.LessOrEqual(t, n, mostAlarms(runs, alpha), alpha)
				}
			})
		}
	}
}

// The dependence of two columns changes, and no column does: only these methods see it.
func TestMultivariate_SeesWhatSingleColumnsDoNot(t *testing.T) {
	t.Parallel()
	for name, method := range methods {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(41, 1))
			found := 0
			const runs = 20
			for range runs {
				reference, current := table(rng, 1000, 0.9), table(rng, 1000, 0)
				ref := newReference(t, reference...)
				require.NotEqual(t, drift.Drifted, detect(t, ref, drift.Config{}, profileOf(t, ref, current...)).Verdict)
				got, columns, err := method(reference, current, multivariate.Config{})
				require.NoError(t, err)
				if got.PValue < 0.001 {
					found++
				}
				require.ElementsMatch(t, []string{"a", "b"}, []string{columns[0].Column, columns[1].Column})
				require.Greater(t, columns[0].Share+columns[1].Share, 0.6)
			}
			require.GreaterOrEqual(t, found, 19)
		})
	}
}

func TestDomainClassifier_RanksTheShiftedColumn(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(42, 1))
	reference, current := table(rng, 500, 0.5), table(rng, 300, 0.5)
	values := normals(rng, 300, 1)
	values[0] = 1e6
	current[0] = drift.Numeric("a", values)
	got, err := multivariate.DomainClassifier(reference, current, multivariate.Config{})
	require.NoError(t, err)
	require.Equal(t, "a", got.Columns[0].Column)
	require.Greater(t, got.Columns[0].Share, 0.6)
	require.Greater(t, got.Result.Statistic, 0.65)
	require.InDelta(t, 2*got.Result.Statistic-1, got.Result.EffectSize, 1e-12)
	require.Less(t, got.Result.PValue, 1e-6)
	sum := 0.0
	for _, c := range got.Columns {
		sum += c.Share
	}
	require.InDelta(t, 1, sum, 1e-12)

	again, err := multivariate.DomainClassifier(reference, current, multivariate.Config{})
	require.NoError(t, err)
	require.Equal(t, got, again, "the seed decides")
}

func TestPCAReconstruction_Fields(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(43, 1))
	got, err := multivariate.PCAReconstruction(table(rng, 1000, 0.9), table(rng, 500, 0), multivariate.Config{})
	require.NoError(t, err)
	require.Greater(t, got.CurrentError, got.ReferenceError)
	require.Positive(t, got.Components)
	require.Less(t, got.Components, got.Features)
	require.Equal(t, 9, got.Features, "a, b, c, c missing, d, and four levels")
	require.Equal(t, []int{500, 500}, []int{got.Result.NReference, got.Result.NCurrent})
	all, err := multivariate.PCAReconstruction(table(rng, 1000, 0.9), table(rng, 500, 0), multivariate.Config{Variance: 0.999, MaxRows: 100})
	require.NoError(t, err)
	require.Greater(t, all.Components, got.Components)
	require.Equal(t, []int{50, 100}, []int{all.Result.NReference, all.Result.NCurrent})
}

func TestMultivariate_Errors(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(44, 1))
	good := table(rng, 100, 0.5)
	for name, method := range methods {
		t.Run(name, func(t *testing.T) {
			_, _, err := method(good, good[1:], multivariate.Config{MaxRows: 3, Variance: 1})
			require.Equal(t, []string{
				`drift: column "a": is missing; the reference has ["a" "b" "c" "d" "e"], current has ["b" "c" "d" "e"]`,
				`multivariate: invalid Config: MaxRows is 3, want at least 40`,
				`multivariate: invalid Config: Variance is 1, want between 0 and 1`,
			}, strings.Split(err.Error(), "\n"))
			_, _, err = method(good, table(rng, 39, 0), multivariate.Config{})
			require.EqualError(t, err, "drift: current: has 39 rows in 5 columns, want at least 40")
		})
	}
	constant := []drift.Column{drift.Numeric("x", repeat(50, 1.0))}
	got, err := multivariate.DomainClassifier(constant, constant, multivariate.Config{})
	require.NoError(t, err)
	require.Equal(t, 1.0, got.Result.PValue)
	require.Equal(t, 0.5, got.Result.Statistic)
	_, err = multivariate.PCAReconstruction(constant, constant, multivariate.Config{})
	require.EqualError(t, err, "drift: reference: has fewer than two features that vary, want at least two")
}

// Missing throughout, coded, infinite and unseen values are described like others.
func TestMultivariate_AwkwardColumns(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(45, 1))
	batch := func(last float64) []drift.Column {
		x := normals(rng, 200, 0)
		x[0] = math.Inf(1)
		return []drift.Column{
			drift.Numeric("x", x),
			drift.Numeric("gone", repeat(200, last)),
			drift.CategoricalCodes("coded", repeat(50, int32(-1), 0, 1, 2), []string{"a", "b", "c"}),
			drift.Categorical("ids", ids(int(200*last), 200)),
		}
	}
	for name, method := range methods {
		got, _, err := method(batch(1), batch(math.Copysign(2, 1)), multivariate.Config{})
		require.NoError(t, err, name)
		require.False(t, math.IsNaN(got.PValue), name)
	}
}

// A threshold on an embedding's distance, or on the wrong quantile of a bootstrap, calls
// every batch of 200 rows of 16 columns drifted.
func TestPeers_EmbeddingsWithoutDrift(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(46, 1))
	embeddings := func() []drift.Column {
		var columns []drift.Column
		for i := range 16 {
			columns = append(columns, drift.Numeric(fmt.Sprintf("x%d", i), normals(rng, 200, 0)))
		}
		return columns
	}
	const runs = 20
	for name, method := range methods {
		alarms := 0
		for range runs {
			got, _, err := method(embeddings(), embeddings(), multivariate.Config{})
			require.NoError(t, err)
			if got.PValue <= 0.05 {
				alarms++
			}
		}
		require.LessOrEqual(t, alarms, mostAlarms(runs, 0.05), name)
	}
}

func ExampleDomainClassifier() {
	got, err := multivariate.DomainClassifier(trainingData(), lastHour(), multivariate.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("AUC %.2f, p < 0.001: %v, mostly %s\n", got.Result.Statistic, got.Result.PValue < 0.001, got.Columns[0].Column)
	// Output: AUC 0.68, p < 0.001: true, mostly age
}

func ExamplePCAReconstruction() {
	got, err := multivariate.PCAReconstruction(trainingData(), lastHour(), multivariate.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d of %d components\n", got.Components, got.Features)
	// Output: 1 of 3 components
}

// Sixty columns of thirty levels are more features than are used, and not all rows are.
func TestMultivariate_MemoryIsBounded(t *testing.T) {
	rng := rand.New(rand.NewPCG(19, 1))
	wide := func() []drift.Column {
		var columns []drift.Column
		for i := range 60 {
			codes := make([]int32, 8000)
			for row := range codes {
				codes[row] = rng.Int32N(30)
			}
			columns = append(columns, drift.CategoricalCodes(fmt.Sprint(i), codes, levelNames(30)))
		}
		return columns
	}
	if full() { // seconds
		reference, current := wide(), wide()
		used := allocated(func() {
			got, err := multivariate.PCAReconstruction(reference, current, multivariate.Config{})
			require.NoError(t, err)
			require.LessOrEqual(t, got.Features, 1000)
			require.Less(t, got.Result.NCurrent, 5000)
		})
		require.Less(t, used, uint64(300_000_000))
	}

	var many []drift.Column
	for i := range 1001 {
		many = append(many, drift.Numeric(fmt.Sprint(i), make([]float64, 50)))
	}
	_, err := multivariate.DomainClassifier(many, many, multivariate.Config{})
	requireInputError(t, err, drift.InputError{Sample: "reference", Index: -1, What: "has 1001 columns, want at most 1000"})
}

func levelNames(n int) []string {
	levels := make([]string, n)
	for i := range levels {
		levels[i] = fmt.Sprintf("level %02d", i)
	}
	return levels
}

func TestResults_MarshalJSON(t *testing.T) {
	t.Parallel()
	result := drift.Result{Statistic: 0.5, PValue: math.NaN(), EffectSize: 0.25, NReference: 3, NCurrent: 4}
	const fields = `{"result":{"statistic":0.5,"p_value":null,"effect_size":0.25,"n_reference":3,"n_current":4},`
	for want, v := range map[string]any{
		fields + `"columns":[{"column":"x","share":1}]}`: multivariate.DomainResult{
			Result: result, Columns: []multivariate.Contribution{{Column: "x", Share: 1}}},
		fields + `"components":2,"features":5,"reference_error":1.5,"current_error":2,"columns":null}`: multivariate.ReconstructionResult{
			Result: result, Components: 2, Features: 5, ReferenceError: 1.5, CurrentError: 2},
	} {
		got, err := json.Marshal(v)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
}

// Whatever the numbers, p-values and effects are in their range.
func TestMultivariate_Properties(t *testing.T) {
	t.Parallel()
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250106))
	awkward := gen.SliceOfN(60, gen.OneGenOf(gen.Float64(), gen.Float64Range(-3, 3),
		gen.OneConstOf(0.0, 1.0, math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64)))
	for name, run := range methods {
		props.Property(name, prop.ForAll(func(a, b []float64) bool {
			columns := func(x, y []float64) []drift.Column {
				return []drift.Column{drift.Numeric("x", x), drift.Numeric("y", y)}
			}
			got, _, err := run(columns(a, b), columns(b, a), multivariate.Config{})
			return err == nil && got.PValue >= 0 && got.PValue <= 1 && got.EffectSize >= 0 && got.EffectSize <= 1
		}, awkward, awkward))
	}
	props.TestingRun(t)
}
