package drift_test

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

func TestNewReference_Errors(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		columns []drift.Column
		cfg     drift.ReferenceConfig
		want    []string
	}{
		{"nothing", nil, drift.ReferenceConfig{}, []string{"drift: reference: has no columns"}},
		{"no rows", []drift.Column{drift.Numeric("a", nil)}, drift.ReferenceConfig{}, []string{"drift: reference: has no rows"}},
		{"all at once",
			[]drift.Column{
				drift.Numeric("a", []float64{1, 2}),
				drift.Numeric("a", []float64{1, 2}),
				drift.Categorical("b", []string{"x"}),
				drift.CategoricalCodes("c", []int32{0, 2}, []string{"x", "y"}),
				drift.CategoricalCodes("d", []int32{0, -2}, []string{"x", "y"}),
				drift.CategoricalCodes("e", []int32{0, 0}, []string{"x", "x"}),
				drift.Numeric("", []float64{1, 2}),
				{},
			},
			drift.ReferenceConfig{Cells: 1},
			[]string{
				`drift: column "a": is given twice`,
				`drift: column "b": has 1 rows, want 2 as in "a"`,
				`drift: column "c": index 1: code is 2, want -1 (missing) to 1`,
				`drift: column "d": index 1: code is -2, want -1 (missing) to 1`,
				`drift: column "e": level "x" is listed twice, as 0 and as 1`,
				`drift: column "": has a name that is empty or not UTF-8`,
				`drift: column "": has no kind; make it with Numeric, Categorical or CategoricalCodes`,
				`drift: ReferenceConfig.Cells: is 1, want 2 to 65536`,
			}},
		{"text that is not UTF-8", []drift.Column{drift.Categorical("a", []string{"x", "\xff"})}, drift.ReferenceConfig{},
			[]string{`drift: column "a": index 1: "\xff" is not UTF-8`}},
		{"a level that is not UTF-8", []drift.Column{drift.CategoricalCodes("a", []int32{0}, []string{"\xff"})}, drift.ReferenceConfig{},
			[]string{`drift: column "a": level "\xff" is not UTF-8`}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := drift.NewReference(c.columns, c.cfg)
			require.ErrorIs(t, err, drift.ErrInvalidInput)
			require.Equal(t, c.want, strings.Split(err.Error(), "\n"))
		})
	}
}

func TestReference_JSON(t *testing.T) {
	t.Parallel()
	columns := tenColumns(rand.New(rand.NewPCG(1, 1)), 3000)
	ref := newReference(t, columns...)
	require.Equal(t, 3000, ref.Rows())
	require.Len(t, ref.Names(), 10)
	require.Len(t, ref.Fingerprint(), 64)

	data, err := json.Marshal(ref)
	require.NoError(t, err)
	again := newReference(t, columns...)
	dataAgain, err := json.Marshal(again)
	require.NoError(t, err)
	require.Equal(t, string(data), string(dataAgain), "equal input gives equal bytes")
	require.Equal(t, ref.Fingerprint(), again.Fingerprint())

	for name, form := range map[string][]byte{"as written": data, "indented": indent(t, data)} {
		t.Run(name, func(t *testing.T) {
			var read drift.Reference
			require.NoError(t, json.Unmarshal(form, &read))
			require.Equal(t, ref.Fingerprint(), read.Fingerprint())
			p := read.NewProfile()
			require.NoError(t, p.Add(columns))
			require.NoError(t, p.Merge(ref.NewProfile()), "it is the same reference")
			written, err := json.Marshal(&read)
			require.NoError(t, err)
			require.Equal(t, string(data), string(written))
		})
	}

	t.Run("zero", func(t *testing.T) {
		_, err := json.Marshal(new(drift.Reference))
		require.ErrorContains(t, err, "holds nothing to write")
		_, err = drift.NewDetector(new(drift.Reference), drift.Config{})
		require.Error(t, err)
	})
}

func indent(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, json.Indent(&b, data, "", "\t"))
	return b.Bytes()
}

// Whatever byte of a small reference is changed, it is not read as another reference.
func TestReference_EveryByteIsChecked(t *testing.T) {
	t.Parallel()
	ref := newReference(t,
		drift.Numeric("age", []float64{1, 2.5, 3, math.NaN()}),
		drift.Categorical("region", []string{"north", "south", "south", "<&>"}))
	data, err := json.Marshal(ref)
	require.NoError(t, err)
	content := bytes.Index(data, []byte(`"content"`))
	for i := range data {
		for _, flip := range []byte{0x01, 0x20, 0x80} {
			changed := slices.Clone(data)
			changed[i] ^= flip
			var read drift.Reference
			err := read.UnmarshalJSON(changed)
			if i > content+len(`"content"`) {
				require.ErrorIs(t, err, drift.ErrCorrupt, "byte %d: %s", i, changed)
			}
			if err == nil {
				require.Equal(t, ref.Fingerprint(), read.Fingerprint())
			}
		}
		require.ErrorIs(t, new(drift.Reference).UnmarshalJSON(data[:i]), drift.ErrCorrupt)
	}
	err = new(drift.Reference).UnmarshalJSON(bytes.Replace(data, []byte("north"), []byte("morth"), 1))
	require.ErrorContains(t, err, "drift: stored data are corrupt: drift.reference: content has SHA-256 ")
}

// A reference is shared by replicas: run with -race.
func TestReference_ConcurrentUse(t *testing.T) {
	t.Parallel()
	columns := tenColumns(rand.New(rand.NewPCG(2, 1)), 500)
	ref := newReference(t, columns...)
	detector, err := drift.NewDetector(ref, drift.Config{})
	require.NoError(t, err)
	reports := make([]string, 8)
	var wg sync.WaitGroup
	for i := range reports {
		wg.Go(func() {
			p := ref.NewProfile()
			if p.Add(columns) != nil {
				return
			}
			if report, err := detector.Detect(p); err == nil {
				reports[i] = report.String()
			}
		})
	}
	wg.Wait()
	for _, r := range reports {
		require.Equal(t, "stable: 0 of 10 columns drifted", r)
	}
}
