package drift_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
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

func TestProfile_AddErrors(t *testing.T) {
	t.Parallel()
	ref := newReference(t, drift.Numeric("age", []float64{1, 2}), drift.Categorical("region", []string{"n", "s"}))
	p := profileOf(t, ref, drift.Numeric("age", []float64{1}), drift.Categorical("region", []string{"s"}))
	before, err := json.Marshal(p)
	require.NoError(t, err)

	err = p.Add([]drift.Column{drift.Categorical("age", []string{"1"}), drift.Numeric("other", []float64{1})})
	require.ErrorIs(t, err, drift.ErrInvalidInput)
	require.Equal(t, []string{
		`drift: column "age": is categorical, want numeric as in the reference`,
		`drift: column "region": is missing; the reference has ["age" "region"], the batch has ["age" "other"]`,
	}, strings.Split(err.Error(), "\n"))

	err = p.Add([]drift.Column{
		drift.Numeric("age", []float64{5, 6}),
		drift.CategoricalCodes("region", []int32{0, 9}, []string{"n"}),
	})
	require.EqualError(t, err, `drift: column "region": index 1: code is 9, want -1 (missing) to 0`)

	after, err := json.Marshal(p)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after), "a refused batch leaves nothing behind")
	require.Equal(t, 1, p.Rows())

	require.NoError(t, p.Add([]drift.Column{drift.Numeric("age", nil), drift.Categorical("region", nil), drift.Numeric("more", nil)}))
	require.Equal(t, 1, p.Rows())

	require.ErrorIs(t, new(drift.Profile).Add(nil), drift.ErrInvalidInput)
}

func TestProfile_CodesAndNamesAreTheSame(t *testing.T) {
	t.Parallel()
	ref := newReference(t, drift.Categorical("c", []string{"a", "b", "b"}))
	names := profileOf(t, ref, drift.Categorical("c", []string{"b", "a", "new", "\xff"}))
	codes := profileOf(t, ref, drift.CategoricalCodes("c", []int32{1, 2, 0, 3}, []string{"new", "b", "a", "newer", "unused"}))
	require.Equal(t, toJSON(t, names), toJSON(t, codes))

	fromCodes := newReference(t, drift.CategoricalCodes("c", []int32{2, 0, 0}, []string{"b", "unused", "a"}))
	require.Equal(t, ref.Fingerprint(), fromCodes.Fingerprint())
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return string(data)
}

func TestProfile_JSON(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 1))
	ref := newReference(t, tenColumns(rng, 400)...)
	p := profileOf(t, ref, tenColumns(rng, 300)...)
	data := toJSON(t, p)

	read := ref.NewProfile()
	require.NoError(t, json.Unmarshal([]byte(data), read))
	require.Equal(t, 300, read.Rows())
	require.Equal(t, data, toJSON(t, read))
	require.NoError(t, read.Merge(p))
	require.Equal(t, 600, read.Rows())

	t.Run("other reference", func(t *testing.T) {
		other := newReference(t, tenColumns(rng, 400)...)
		require.ErrorIs(t, json.Unmarshal([]byte(data), other.NewProfile()), drift.ErrReferenceMismatch)
		require.ErrorIs(t, other.NewProfile().Merge(p), drift.ErrReferenceMismatch)
		detector, err := drift.NewDetector(other, drift.Config{})
		require.NoError(t, err)
		_, err = detector.Detect(p)
		require.ErrorIs(t, err, drift.ErrReferenceMismatch)
	})
	t.Run("changed", func(t *testing.T) {
		into := profileOf(t, ref, tenColumns(rng, 10)...)
		before := toJSON(t, into)
		changed := strings.Replace(data, `"rows":300`, `"rows":301`, 1)
		require.ErrorIs(t, into.UnmarshalJSON([]byte(changed)), drift.ErrCorrupt)
		require.Equal(t, before, toJSON(t, into), "what was there stays")
	})
	t.Run("zero", func(t *testing.T) {
		require.Error(t, new(drift.Profile).UnmarshalJSON([]byte(data)))
		_, err := json.Marshal(new(drift.Profile))
		require.Error(t, err)
		require.ErrorIs(t, p.Merge(nil), drift.ErrInvalidInput)
		require.ErrorIs(t, p.Merge(new(drift.Profile)), drift.ErrInvalidInput)
	})
}

// anyNumber covers what a float64 can be, and often the same values.
func anyNumber() gopter.Gen {
	return gen.OneGenOf(
		gen.Float64Range(-3, 3),
		gen.IntRange(-2, 2).Map(func(i int) float64 { return float64(i) }),
		gen.UInt64().Map(math.Float64frombits),
		gen.OneConstOf(math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0.0,
			math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 0.1, 1e300, -1e300),
	)
}

func TestProfile_MergeIsExact(t *testing.T) {
	t.Parallel()
	parameters := gopter.DefaultTestParametersWithSeed(20250104)
	parameters.MinSuccessfulTests = 200
	props := gopter.NewProperties(parameters)
	sample := gen.SliceOf(anyNumber())
	columns := func(values []float64) []drift.Column {
		names := make([]string, len(values))
		for i, x := range values {
			names[i] = fmt.Sprint(math.Mod(math.Round(x), 5))
		}
		return []drift.Column{drift.Numeric("x", values), drift.Categorical("c", names)}
	}
	state := func(p *drift.Profile) string { return toJSON(t, p) }

	props.Property("in parts, in any order and grouping, as at once", prop.ForAll(func(base, a, b, c []float64) bool {
		ref := newReference(t, columns(append(base, 1, 2))...)
		whole := profileOf(t, ref, columns(append(append(append([]float64{}, a...), b...), c...))...)

		pa, pb, pc := profileOf(t, ref, columns(a)...), profileOf(t, ref, columns(b)...), profileOf(t, ref, columns(c)...)
		require.NoError(t, pb.Merge(pc))
		require.NoError(t, pa.Merge(pb)) // a + (b + c)

		left := profileOf(t, ref, columns(c)...)
		require.NoError(t, left.Add(columns(a)))
		require.NoError(t, left.Merge(profileOf(t, ref, columns(b)...))) // (c + a) + b
		require.NoError(t, left.Merge(ref.NewProfile()))
		return state(whole) == state(pa) && state(whole) == state(left)
	}, sample, sample, sample, sample))

	props.Property("of a profile with itself counts twice", prop.ForAll(func(a []float64) bool {
		ref := newReference(t, columns([]float64{1, 2})...)
		twice := profileOf(t, ref, columns(append(append([]float64{}, a...), a...))...)
		p := profileOf(t, ref, columns(a)...)
		require.NoError(t, p.Merge(p))
		return state(p) == state(twice)
	}, sample))
	props.TestingRun(t)
}

// Mean and standard deviation are those of exact arithmetic on values that are rounded to a
// unit far below what they differ by, so far that it rarely shows.
func TestProfile_Moments(t *testing.T) {
	t.Parallel()
	cases := map[string][]float64{
		"cancellation":  {1e300, 1, -1e300, 1e-300},
		"large offset":  {1e9 + 1, 1e9 + 2, 1e9 + 4},
		"one":           {math.Pi},
		"smallest":      {math.SmallestNonzeroFloat64, 0, math.SmallestNonzeroFloat64},
		"largest":       {math.MaxFloat64, math.MaxFloat64, -math.MaxFloat64},
		"equal tenths":  {0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1},
		"mixed":         {-3.7, 1e-20, 2.5e17, -1e5, 0, 42},
		"sign and zero": {-1.5, math.Copysign(0, -1), 1.5},
	}
	for name, values := range cases {
		t.Run(name, func(t *testing.T) {
			ref := newReference(t, drift.Numeric("x", values))
			got := detect(t, ref, drift.Config{}, ref.NewProfile()).Columns[0].Reference.Numbers
			mean, std := exactMoments(values)
			unit := math.Max((slices.Max(values)/2-slices.Min(values)/2)*0x1p-46, 0x1p-1020)
			require.InDelta(t, mean, got.Mean, unit)
			require.InDelta(t, std, got.Std, unit)
			if slices.Contains([]string{"large offset", "one", "equal tenths", "sign and zero"}, name) {
				require.Equal(t, mean, got.Mean)
				require.Equal(t, std, got.Std)
			}
		})
	}
}

func exactMoments(values []float64) (mean, std float64) {
	n := new(big.Rat).SetInt64(int64(len(values)))
	sum, squares := new(big.Rat), new(big.Rat)
	for _, x := range values {
		r := new(big.Rat).SetFloat64(x)
		sum.Add(sum, r)
		squares.Add(squares, r.Mul(r, r))
	}
	m := new(big.Rat).Quo(sum, n)
	mean, _ = m.Float64()
	variance := squares.Quo(squares, n)
	variance.Sub(variance, m.Mul(m, m))
	root := new(big.Float).SetPrec(3000).SetRat(variance)
	std, _ = root.Sqrt(root).Float64()
	return mean, std
}
