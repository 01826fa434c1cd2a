package drift_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

// normals returns n numbers with a mean.
func normals(rng *rand.Rand, n int, mean float64) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = mean + rng.NormFloat64()
	}
	return values
}

func repeat[T any](n int, values ...T) []T {
	all := make([]T, 0, n*len(values))
	for range n {
		all = append(all, values...)
	}
	return all
}

func TestNewDetector_Errors(t *testing.T) {
	t.Parallel()
	ref := newReference(t, drift.Numeric("age", []float64{1}), drift.Numeric("income", []float64{1}))
	_, err := drift.NewDetector(nil, drift.Config{})
	require.Error(t, err)

	_, err = drift.NewDetector(ref, drift.Config{
		Alpha: 1, Correction: "holm", NumericEffect: 2, CategoricalEffect: -1, RateEffect: math.NaN(),
		Detectable: 1.5, DriftShare: -0.1, MinRows: -1,
		Columns: map[string]drift.ColumnConfig{"agee": {}, "age": {Effect: 3, RateEffect: -3}},
	})
	require.Equal(t, []string{
		`drift: invalid Config: Alpha is 1, want between 0 and 1`,
		`Correction is "holm", want "bh" or "none"`,
		`NumericEffect is 2, want above 0 and at most 1`,
		`CategoricalEffect is -1, want above 0 and at most 1`,
		`RateEffect is NaN, want above 0 and at most 1`,
		`Detectable is 1.5, want above 0 and at most 1`,
		`DriftShare is -0.1, want above 0 and at most 1`,
		`MinRows is -1, want at least 1`,
		`Columns["age"].Effect is 3, want above 0 and at most 1`,
		`Columns["age"].RateEffect is -3, want above 0 and at most 1`,
		`Columns names "agee", which the reference does not have; it has ["age" "income"]`,
	}, strings.Split(err.Error(), "\n"))

	detector, err := drift.NewDetector(ref, drift.Config{})
	require.NoError(t, err)
	_, err = detector.Detect(nil)
	require.Error(t, err)
	_, err = detector.Detect(new(drift.Profile))
	require.Error(t, err)
}

func TestDetector_Verdicts(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(4, 1))
	nan := math.NaN()
	cases := []struct {
		name               string
		reference, current drift.Column
		cfg                drift.Config
		verdict            drift.Verdict
		reason             string
	}{
		{"constant stays", drift.Numeric("x", repeat(500, 7.0)), drift.Numeric("x", repeat(500, 7.0)), drift.Config{},
			drift.Stable, "No significant change: with 95 % confidence, D is at most 0.0859."},
		{"constant moves", drift.Numeric("x", repeat(500, 7.0)), drift.Numeric("x", repeat(500, 7.1)), drift.Config{},
			drift.Drifted, "Values up to 7 went from 100 % to 0 %, the median from 7 to 7.1: a distance D of 1 (floor 0.1, adjusted p < 1e-15). 100 % of the finite values are outside of the reference's range (0.996 without noise, floor 0.02, adjusted p < 1e-15)."},
		{"a value between two known ones", drift.Numeric("x", repeat(250, 0.0, 1)), drift.Numeric("x", repeat(500, 0.5)), drift.Config{},
			drift.Drifted, "Values up to 0 went from 50 % to 0 %, the median from 0 to 0.5: a distance D of 0.5 (0.498 without noise, floor 0.1, adjusted p < 1e-15)."},
		{"reference without values", drift.Numeric("x", repeat(500, nan)), drift.Numeric("x", repeat(500, 1.0)), drift.Config{},
			drift.Drifted, "Missing values went from 100 % to 0 % of the rows (floor 0.02, adjusted p < 1e-15)."},
		{"a first value", drift.Numeric("x", repeat(500, nan)), drift.Numeric("x", append(repeat(499, nan), 1)), drift.Config{},
			drift.Stable, "No significant change: with 95 % confidence, the rate of missing values changed by at most 1.1 percentage points."},
		{"reference without values and few rows", drift.Numeric("x", repeat(500, nan)), drift.Numeric("x", repeat(20, 1.0)), drift.Config{},
			drift.Insufficient, "20 rows are too few to tell; about 30 would do."},
		{"no values", drift.Numeric("x", repeat(500, nan)), drift.Numeric("x", repeat(500, nan)), drift.Config{},
			drift.Invalid, "Neither side holds a value of this column."},
		{"current without values", drift.Numeric("x", repeat(500, 1.0)), drift.Numeric("x", repeat(500, nan)), drift.Config{},
			drift.Drifted, "Missing values went from 0 % to 100 % of the rows (floor 0.02, adjusted p < 1e-15)."},
		{"infinite", drift.Numeric("x", repeat(500, 1.0)), drift.Numeric("x", append(repeat(450, 1.0), repeat(50, math.Inf(1))...)), drift.Config{},
			drift.Drifted, "Infinite values went from 0 % to 10 % (floor 0.02, adjusted p = 1.5e-15)."},
		{"real but small", drift.Numeric("x", normals(rng, 50000, 0)), drift.Numeric("x", normals(rng, 50000, 0.1)), drift.Config{},
			drift.Stable, "A real change, but too small to matter: values up to 0.109 went from 54.7 % to 50.4 %, the median from -0.00498 to 0.099: a distance D of 0.0429 (0.0425 without noise, floor 0.1, adjusted p < 1e-15)."},
		{"an override lowers the floor", drift.Numeric("x", normals(rng, 50000, 0)), drift.Numeric("x", normals(rng, 50000, 0.1)),
			drift.Config{Columns: map[string]drift.ColumnConfig{"x": {Effect: 0.03}}},
			drift.Drifted, "Values up to 0.105 went from 54 % to 50.3 %, the median from 0.00469 to 0.0973: a distance D of 0.0368 (0.0364 without noise, floor 0.03, adjusted p < 1e-15)."},
		{"too few rows, however clear", drift.Numeric("x", normals(rng, 500, 0)), drift.Numeric("x", normals(rng, 20, 50)), drift.Config{},
			drift.Insufficient, "20 rows are too few to tell; about 68 would do."},
		{"few rows but clear", drift.Numeric("x", normals(rng, 500, 0)), drift.Numeric("x", normals(rng, 40, 2)), drift.Config{},
			drift.Drifted, "Values up to 0.8 went from 82.2 % to 15 %, the median from -0.0326 to 2.09: a distance D of 0.672 (0.663 without noise, floor 0.1, adjusted p < 1e-15). 25 % of the finite values are outside of the reference's range (0.246 without noise, floor 0.02, adjusted p = 6.3e-12)."},
		{"few values in many rows", drift.Numeric("x", normals(rng, 500, 0)), drift.Numeric("x", append(repeat(20, nan), normals(rng, 20, 0)...)),
			drift.Config{RateEffect: 1},
			drift.Insufficient, "20 values in 40 rows are too few to tell; about 140 would do."},
		{"too small a reference", drift.Numeric("x", normals(rng, 40, 0)), drift.Numeric("x", normals(rng, 5000, 0)), drift.Config{},
			drift.Insufficient, "The reference has only 40 values, too few to tell whatever the number of current rows."},
		{"one value", drift.Categorical("x", []string{"a"}), drift.Categorical("x", repeat(500, "a")), drift.Config{},
			drift.Insufficient, "The reference has only 1 value of 1 level, too few to tell whatever the number of current rows."},
		{"one value in two rows", drift.Numeric("x", normals(rng, 500, 0)), drift.Numeric("x", []float64{0, nan}), drift.Config{},
			drift.Insufficient, "1 value in 2 rows is too few to tell; about 140 would do."},
		{"means that differ by little", drift.Numeric("x", repeat(500, 1_701_260_997.0, 1_701_260_999)), drift.Numeric("x", repeat(500, 1_701_260_997.0, 1_701_261_001)),
			drift.Config{NumericMethod: drift.MethodWasserstein, RateEffect: 1},
			drift.Drifted, "The values moved by 0.5 standard deviations, their mean from 1701260998 to 1701260999 (0.429 without noise, floor 0.25, adjusted p < 1e-15)."},
		{"no rows", drift.Numeric("x", normals(rng, 500, 0)), drift.Numeric("x", nil), drift.Config{},
			drift.Insufficient, "0 rows are too few to tell; about 68 would do."},
		{"levels stay", drift.Categorical("x", repeat(100, "a", "b", "c")), drift.Categorical("x", repeat(100, "a", "b", "c")), drift.Config{},
			drift.Stable, "No significant change: with 95 % confidence, the total variation is at most 0.111."},
		{"levels move", drift.Categorical("x", repeat(100, "a", "b", "c")), drift.Categorical("x", repeat(100, "a", "a", "b")), drift.Config{},
			drift.Drifted, "\"a\" went from 33.3 % to 66.7 % and \"c\" from 33.3 % to 0 %. The shares of the levels moved by 0.333 in total variation (0.296 without noise, floor 0.1, adjusted p < 1e-15)."},
		{"all unseen", drift.Categorical("x", repeat(100, "a", "b")), drift.Categorical("x", repeat(100, "c")), drift.Config{},
			drift.Drifted, "Values unseen in the reference went from 0 % to 100 % (floor 0.02, adjusted p < 1e-15). The shares of the levels moved by 1 in total variation (floor 0.1, adjusted p < 1e-15)."},
		{"one level only", drift.Categorical("x", repeat(500, "a")), drift.Categorical("x", repeat(500, "a")), drift.Config{},
			drift.Stable, "No significant change: with 95 % confidence, the total variation is at most 0.0859."},
		{"identifiers", drift.Categorical("x", ids(0, 500)), drift.Categorical("x", ids(500, 500)), drift.Config{},
			drift.Insufficient, "The reference has only 500 values of 500 levels, too few to tell whatever the number of current rows."},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ref := newReference(t, c.reference)
			report := detect(t, ref, c.cfg, profileOf(t, ref, c.current))
			got := report.Columns[0]
			require.Equal(t, c.reason, got.Reason)
			require.Equal(t, c.verdict, got.Verdict)
			require.Equal(t, strings.Contains(got.Reason, "about"), got.NeededRows > 0)
			_, err := json.Marshal(report)
			require.NoError(t, err, "every number is finite")
		})
	}
}

// ids returns n different names.
func ids(from, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("id-%d", from+i)
	}
	return all
}

// Enough rows according to NeededRows are enough.
func TestDetector_NeededRowsWouldDo(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 1))
	ref := newReference(t, drift.Numeric("x", normals(rng, 1000, 0)), drift.Categorical("c", repeat(250, "a", "b", "c", "d")))
	batch := func(n int) []drift.Column {
		return []drift.Column{drift.Numeric("x", normals(rng, n, 0)), drift.Categorical("c", repeat(n, "a", "b", "c", "d")[:n])}
	}
	first := detect(t, ref, drift.Config{}, profileOf(t, ref, batch(20)...))
	require.Equal(t, drift.Insufficient, first.Verdict)
	require.Greater(t, first.NeededRows, 20)
	require.Equal(t, fmt.Sprintf("2 of 2 columns have too few rows to tell. About %d rows would do.", first.NeededRows), first.Reason)
	second := detect(t, ref, drift.Config{}, profileOf(t, ref, batch(first.NeededRows)...))
	require.Equal(t, drift.Stable, second.Verdict, second.Columns)
}

// The same of many levels, of which those with few rows count as one: what is said to be
// enough is, and if nothing is, that is said at once.
func TestDetector_NeededRowsOfManyLevels(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 2))
	for _, c := range []struct {
		shares []float64
		rows   int // of the reference
	}{
		{equalShares(50), 500}, {equalShares(50), 2_000}, {harmonicShares(50), 1_000},
		{equalShares(200), 2_000}, {equalShares(200), 50_000}, {harmonicShares(200), 50_000},
	} {
		p := population{shares: c.shares}
		said, enough := 0, 0
		for range 10 {
			s := simulated{[]population{p}, newReference(t, p.sample(rng, "x", c.rows))}
			for _, rows := range []int{20, 100} {
				first := detect(t, s.ref, drift.Config{}, s.profile(rng, rows)).Columns[0]
				if first.Verdict == drift.Drifted {
					continue // a false alarm, of which one in twenty may be
				}
				require.Equal(t, drift.Insufficient, first.Verdict)
				if first.NeededRows == 0 {
					continue
				}
				said++
				if detect(t, s.ref, drift.Config{}, s.profile(rng, first.NeededRows)).Columns[0].Verdict == drift.Stable {
					enough++
				}
			}
		}
		t.Logf("%d levels, %d rows: %d of %d were enough", len(c.shares), c.rows, enough, said)
		require.GreaterOrEqual(t, float64(enough), 0.8*float64(said), "%d levels, %d rows", len(c.shares), c.rows)
	}
}

// A share of drifted columns that is exactly the limit is at least the limit, also where
// their product is rounded.
func TestDetector_DriftShareIsALimitOfTheShare(t *testing.T) {
	t.Parallel()
	const columns = 100
	batch := func(drifted int) []drift.Column {
		var all []drift.Column
		for i := range columns {
			value := 1.0
			if i < drifted {
				value = 2
			}
			all = append(all, drift.Numeric(fmt.Sprint(i), repeat(500, value)))
		}
		return all
	}
	ref := newReference(t, batch(0)...)
	report := detect(t, ref, drift.Config{DriftShare: 0.07}, profileOf(t, ref, batch(7)...))
	require.Equal(t, 0.07, report.Share)
	require.Equal(t, drift.Drifted, report.Verdict)
}

// What is stable was not shown to be unchanged: the reason says how much it may have changed.
func TestDetector_StableSaysWhatIsRuledOut(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 3))
	missing := func(n int, share float64) drift.Column {
		values := normals(rng, n, 0)
		for i := range values {
			if rng.Float64() < share {
				values[i] = math.NaN()
			}
		}
		return drift.Numeric("x", values)
	}
	ruledOut := 0
	const runs = 40
	for range runs {
		ref := newReference(t, missing(1000, 0.10))
		c := detect(t, ref, drift.Config{}, profileOf(t, ref, missing(150, 0.15))).Columns[0]
		for _, test := range c.Tests {
			if test.PValue > 0.05 {
				require.Zero(t, test.CI.Lo, "the interval and the p-value agree")
			}
		}
		if c.Verdict != drift.Stable {
			continue
		}
		hi := c.Tests[1].CI.Hi
		require.Contains(t, c.Reason, fmt.Sprintf("the rate of missing values changed by at most %v percentage points", math.Round(1000*hi)/10))
		if hi < 0.05 {
			ruledOut++
		}
	}
	require.LessOrEqual(t, ruledOut, mostAlarms(runs, 0.05), "how often the reason excludes what is true")
}

// On a small reference, and on a column of few values, D on the cells is that on the values.
func TestDetector_AgreesWithTheTestsOnSamples(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(6, 1))
	few := func(n int) []float64 {
		values := normals(rng, n, 0)
		for i := range values {
			values[i] = math.Round(2 * values[i])
		}
		return values
	}
	for name, c := range map[string]struct{ reference, current []float64 }{
		"small":    {normals(rng, 300, 0), normals(rng, 200, 0.3)},
		"few":      {few(5000), few(3000)},
		"infinite": {append(normals(rng, 300, 0), math.Inf(1)), append(normals(rng, 200, 0), math.Inf(-1))},
	} {
		t.Run(name, func(t *testing.T) {
			ref := newReference(t, drift.Numeric("x", c.reference))
			got := detect(t, ref, drift.Config{}, profileOf(t, ref, drift.Numeric("x", c.current))).Columns[0].Tests[0]
			want, err := drift.KolmogorovSmirnov(c.reference, c.current)
			require.NoError(t, err)
			require.Equal(t, want.Statistic, got.Statistic)
			requireClose(t, want.PValue, got.PValue, 0.05) // the limit, where the other is exact
			require.Equal(t, want.NCurrent, got.NCurrent)
		})
	}
	t.Run("quantile cells", func(t *testing.T) {
		reference, current := normals(rng, 20000, 0), normals(rng, 5000, 0.2)
		ref, err := drift.NewReference([]drift.Column{drift.Numeric("x", reference)}, drift.ReferenceConfig{Cells: 64})
		require.NoError(t, err)
		got := detect(t, ref, drift.Config{}, profileOf(t, ref, drift.Numeric("x", current))).Columns[0]
		want, err := drift.KolmogorovSmirnov(reference, current)
		require.NoError(t, err)
		require.LessOrEqual(t, got.Tests[0].Statistic, want.Statistic)
		require.GreaterOrEqual(t, got.Tests[0].Statistic, want.Statistic-1.0/64)

		w, err := drift.Wasserstein1(reference, current)
		require.NoError(t, err)
		requireClose(t, w.Statistic, *got.Distances.Wasserstein1, 0.05)
	})
}

func TestDetector_UnitsMakeNoDifference(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 1))
	reference, current := normals(rng, 3000, 0), normals(rng, 500, 0.4)
	run := func(factor float64) drift.ColumnReport {
		scale := func(values []float64) []float64 {
			scaled := make([]float64, len(values))
			for i := range values {
				scaled[i] = factor * values[i]
			}
			return scaled
		}
		ref := newReference(t, drift.Numeric("x", scale(reference)))
		return detect(t, ref, drift.Config{}, profileOf(t, ref, drift.Numeric("x", scale(current)))).Columns[0]
	}
	one, thousand := run(1), run(1000)
	require.Equal(t, one.Tests, thousand.Tests)
	require.Equal(t, one.Verdict, thousand.Verdict)
	require.Equal(t, one.Distances.PSI, thousand.Distances.PSI)
	requireClose(t, 1000**one.Distances.Wasserstein1, *thousand.Distances.Wasserstein1, 1e-9)
}

func TestDetector_DataSetVerdict(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(8, 2))
	const columns = 10
	batch := func(n, drifted, empty int) []drift.Column {
		var all []drift.Column
		for i := range columns {
			values := normals(rng, n, 0)
			if i < drifted {
				values = normals(rng, n, 3)
			}
			if i >= columns-empty {
				values = repeat(n, math.NaN())
			}
			all = append(all, drift.Numeric(fmt.Sprintf("x%d", i), values))
		}
		return all
	}
	ref := newReference(t, batch(1000, 0, 0)...)
	half := newReference(t, batch(1000, 0, 5)...)
	none := newReference(t, batch(1000, 0, columns)...)
	cases := []struct {
		name    string
		ref     *drift.Reference
		current []drift.Column
		cfg     drift.Config
		verdict drift.Verdict
		summary string
	}{
		{"two of ten", ref, batch(400, 2, 0), drift.Config{}, drift.Stable, "stable: 2 of 10 columns drifted (x0, x1)"},
		{"three of ten", ref, batch(400, 3, 0), drift.Config{}, drift.Drifted, "drifted: 3 of 10 columns (x0, x1, x2)"},
		{"two of five that can be judged", half, batch(400, 2, 5), drift.Config{}, drift.Drifted, "drifted: 2 of 5 columns (x0, x1)"},
		{"nothing can be judged", none, batch(400, 0, columns), drift.Config{}, drift.Insufficient, "insufficient: 0 of 0 columns drifted"},
		{"the undecided could tip it", ref, batch(45, 1, 0), drift.Config{}, drift.Insufficient, "insufficient: 1 of 10 columns drifted (x0)"},
		{"the drifted suffice", ref, batch(45, 4, 0), drift.Config{}, drift.Drifted, "drifted: 4 of 10 columns (x0, x1, x2, x3)"},
		{"ignored", ref, batch(400, 1, 0), drift.Config{Columns: map[string]drift.ColumnConfig{"x0": {Ignore: true}}},
			drift.Stable, "stable: 0 of 9 columns drifted"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			report := detect(t, c.ref, c.cfg, profileOf(t, c.ref, c.current...))
			require.Equal(t, c.verdict, report.Verdict, report.Reason)
			require.Equal(t, c.summary, summaryInOrder(report))
		})
	}
}

// summaryInOrder is the report's summary with the names sorted.
func summaryInOrder(report *drift.Report) string {
	head, list, any := strings.Cut(report.String(), " (")
	if !any {
		return head
	}
	names := strings.Split(strings.TrimSuffix(list, ")"), ", ")
	slices.Sort(names)
	return head + " (" + strings.Join(names, ", ") + ")"
}

// The adjusted p-values are those of the definition by Benjamini and Hochberg.
func TestDetector_Correction(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(9, 1))
	var reference, current []drift.Column
	for i := range 6 {
		name := fmt.Sprintf("x%d", i)
		reference = append(reference, drift.Numeric(name, normals(rng, 400, 0)))
		current = append(current, drift.Numeric(name, normals(rng, 400, 0.05*float64(i))))
	}
	ref := newReference(t, reference...)
	profile := profileOf(t, ref, current...)
	plain := detect(t, ref, drift.Config{Correction: drift.NoCorrection}, profile)
	adjusted := detect(t, ref, drift.Config{}, profile)
	// The p-value of a column is that of its strongest test, times their number.
	strongest := func(report *drift.Report, column int) drift.Test {
		return slices.MinFunc(report.Columns[column].Tests, func(a, b drift.Test) int { return cmp.Compare(a.PValue, b.PValue) })
	}
	var family []float64
	for i, c := range plain.Columns {
		test := strongest(plain, i)
		require.Len(t, c.Tests, 2)
		require.Equal(t, min(2*test.PValue, 1), test.AdjustedPValue)
		family = append(family, test.AdjustedPValue)
	}
	for i, p := range family {
		want := 1.0
		for _, threshold := range family {
			if threshold < p {
				continue
			}
			rank := 0
			for _, other := range family {
				if other <= threshold {
					rank++
				}
			}
			want = min(want, threshold*6/float64(rank))
		}
		requireClose(t, want, strongest(adjusted, i).AdjustedPValue, 1e-12)
	}
}

// A report of profiles that were counted apart is byte for byte that of one profile.
func TestDetector_MergedProfilesGiveTheSameBytes(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(10, 1))
	ref := newReference(t, tenColumns(rng, 800)...)
	parts := [][]drift.Column{tenColumns(rng, 100), tenColumns(rng, 1), tenColumns(rng, 250)}
	forward, backward := ref.NewProfile(), ref.NewProfile()
	for i := range parts {
		require.NoError(t, forward.Add(parts[i]))
		require.NoError(t, backward.Merge(profileOf(t, ref, parts[len(parts)-1-i]...)))
	}
	require.Equal(t, toJSON(t, detect(t, ref, drift.Config{}, forward)), toJSON(t, detect(t, ref, drift.Config{}, backward)))
}
