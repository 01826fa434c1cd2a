package evidently_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/evidently"
)

// evidentlyCase is what testdata/evidently_vectors.py got from Evidently.
type evidentlyCase struct {
	Columns []struct {
		Name, Kind, Method string
		Reference, Current []any
		Threshold, Score   float64
	}
	Drifted int
	Share   float64
}

func readEvidently(t *testing.T) map[string]evidentlyCase {
	t.Helper()
	var v struct{ Cases map[string]evidentlyCase }
	readTestdata(t, "evidently_vectors.json", &v)
	require.NotEmpty(t, v.Cases)
	return v.Cases
}

// evidentlyColumn decodes numbers, which are in units of 1/1000, or levels.
func evidentlyColumn(name, kind string, values []any) drift.Column {
	if kind == "numeric" {
		numbers := make([]float64, len(values))
		for i, v := range values {
			switch v := v.(type) {
			case nil:
				numbers[i] = math.NaN()
			case string:
				numbers[i] = map[string]float64{"inf": math.Inf(1), "-inf": math.Inf(-1)}[v]
			case float64:
				numbers[i] = v / 1000
			}
		}
		return drift.Numeric(name, numbers)
	}
	var levels []string
	index, codes := map[string]int32{}, make([]int32, len(values))
	for i, v := range values {
		level, present := v.(string)
		if !present {
			codes[i] = -1
			continue
		}
		code, known := index[level]
		if !known {
			code = int32(len(levels))
			index[level] = code
			levels = append(levels, level)
		}
		codes[i] = code
	}
	return drift.CategoricalCodes(name, codes, levels)
}

// The names under which Evidently reports its methods.
var evidentlyTitles = map[string]evidently.Method{
	"K-S p_value":                   evidently.MethodKS,
	"chi-square p_value":            evidently.MethodChiSquare,
	"Z-test p_value":                evidently.MethodZ,
	"Wasserstein distance (normed)": evidently.MethodWasserstein,
	"Jensen-Shannon distance":       evidently.MethodJensenShannon,
}

func TestPreset_Vectors(t *testing.T) {
	t.Parallel()
	for name, c := range readEvidently(t) {
		t.Run(name, func(t *testing.T) {
			var reference, current []drift.Column
			for _, column := range c.Columns {
				reference = append(reference, evidentlyColumn(column.Name, column.Kind, column.Reference))
				current = append(current, evidentlyColumn(column.Name, column.Kind, column.Current))
			}
			got, err := evidently.Preset(reference, current, evidently.Config{})
			require.NoError(t, err)
			drifted := 0
			for i, want := range c.Columns {
				column := got.Columns[i]
				require.Equal(t, want.Name, column.Name)
				require.Equal(t, evidentlyTitles[want.Method], column.Method, want.Name)
				require.Equal(t, want.Threshold, column.Threshold, want.Name)
				// Its z-test subtracts from 1, so nothing below 1e-16 is left of a p-value.
				if math.Abs(want.Score-column.Score) > 1e-15 {
					requireClose(t, want.Score, column.Score, 1e-6, want.Name)
				}
				if column.Drifted {
					drifted++
				}
			}
			require.Equal(t, c.Drifted, drifted)
			require.InDelta(t, c.Share, got.Share, 1e-12)
			require.Equal(t, c.Share >= 0.5, got.Drifted)
		})
	}
}

func TestPreset_BadColumns(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	reference := []drift.Column{drift.Numeric("x", repeat(5, 1.0, 2)), drift.Numeric("empty", repeat(10, nan))}
	got, err := evidently.Preset(reference, reference, evidently.Config{DriftShare: 0.1})
	require.NoError(t, err)
	require.Equal(t, "There are 0 values in the reference and 0 now.", got.Columns[1].Reason)
	require.Equal(t, 1.0, got.Columns[0].Score)
	require.False(t, got.Drifted)
	_, err = json.Marshal(got)
	require.NoError(t, err)

	_, err = evidently.Preset(reference, []drift.Column{drift.Categorical("x", nil)}, evidently.Config{DriftShare: 2})
	require.ErrorIs(t, err, drift.ErrInvalidInput)
	require.Equal(t, []string{
		`drift: column "x": is categorical, want numeric as in the reference`,
		`drift: column "empty": is missing; the reference has ["x" "empty"], current has ["x"]`,
		`evidently: invalid Config: DriftShare is 2, want above 0 and at most 1`,
	}, strings.Split(err.Error(), "\n"))
	_, err = evidently.Preset(nil, nil, evidently.Config{})
	require.EqualError(t, err, "drift: reference: has no columns")
}

func ExamplePreset() {
	report, err := evidently.Preset(trainingData(), lastHour(), evidently.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range report.Columns {
		fmt.Printf("%s: %s %.0e, drifted %v\n", c.Name, c.Method, c.Score, c.Drifted)
	}
	fmt.Println(report.Drifted)
	// Output:
	// age: ks 2e-10, drifted true
	// region: z 1e+00, drifted false
	// true
}

// Whatever the numbers, the report is plain JSON.
func TestPreset_Properties(t *testing.T) {
	t.Parallel()
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250106))
	awkward := gen.SliceOfN(60, gen.OneGenOf(gen.Float64(), gen.Float64Range(-3, 3),
		gen.OneConstOf(0.0, 1.0, math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64)))
	props.Property("evidently", prop.ForAll(func(a, b []float64) bool {
		report, err := evidently.Preset([]drift.Column{drift.Numeric("x", a)}, []drift.Column{drift.Numeric("x", b)}, evidently.Config{})
		if err != nil {
			return false
		}
		_, err = json.Marshal(report)
		return err == nil
	}, awkward, awkward))
	props.TestingRun(t)
}
