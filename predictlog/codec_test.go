package predictlog_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// codecSchema has a column of each kind and three classes.
func codecSchema(tb testing.TB) *predictlog.Schema {
	tb.Helper()
	schema, err := predictlog.NewSchema([]predictlog.Column{
		{Name: "income", Kind: predictlog.Numeric, Rule: "gte=0"},
		{Name: "region", Kind: predictlog.Categorical},
	}, predictlog.Target{Task: predictlog.Multiclass, Classes: []string{"no", "maybe", "yes"}})
	require.NoError(tb, err)
	return schema
}

func encode(tb testing.TB, codec *predictlog.Codec, r predictlog.Record) []byte {
	tb.Helper()
	data, err := codec.AppendRecord(nil, r)
	require.NoError(tb, err)
	return data
}

// randomRecord returns one of few records, so that equal ones are met, in one of the forms
// that are equal.
func randomRecord(rng *rand.Rand) predictlog.Record {
	pick := func(n int) bool { return rng.IntN(n) == 0 }
	r := predictlog.Record{
		ID:      []string{"a", "b"}[rng.IntN(2)],
		Time:    time.Date(2025, 3, 1, 12, 0, 0, 1000*rng.IntN(2)+rng.IntN(1000), time.UTC),
		Latency: time.Duration(rng.IntN(2000)),
		Row:     predictlog.Row{{}, {}},
	}
	if pick(2) {
		r.Time = r.Time.In(time.FixedZone("east", 3600))
	}
	numbers := []float64{
		0, math.Copysign(0, -1), 1, -1, 0.1, math.Inf(1), math.Inf(-1), math.NaN(), math.Float64frombits(0x7ff0000000000001),
		1<<53 - 1, 1 << 53, 1<<53 + 2, math.MaxFloat64, math.SmallestNonzeroFloat64, math.MaxInt64,
	}
	if pick(2) {
		r.Row[0] = predictlog.Number(numbers[rng.IntN(len(numbers))])
	}
	if pick(2) {
		r.Row[1] = predictlog.Category([]string{"", "north", "é"}[rng.IntN(3)])
	}
	if pick(2) {
		r.Model, r.Version = "m", "3"
		r.Output.Class = []string{"no", "yes"}[rng.IntN(2)]
		if pick(2) {
			r.Output.Probabilities = []float64{0.25, 0, 0.75}
		}
	}
	switch rng.IntN(3) {
	case 0:
		r.Violations, r.Tags = []predictlog.Violation{}, map[string]string{}
	case 1:
		r.Violations = []predictlog.Violation{{Column: "income", Rule: "gte=0", Value: "-1"}}
		r.Tags = map[string]string{"a": "1", "b": "", "tenant": "x"}
	}
	return r
}

func TestCodec_Properties(t *testing.T) {
	t.Parallel()
	params := gopter.DefaultTestParametersWithSeed(20250101)
	params.MinSuccessfulTests = 5000
	props := gopter.NewProperties(params)
	schema := codecSchema(t)
	codec := predictlog.NewCodec(schema)
	props.Property("decoding gives the record back, and equal records are those of equal encodings and hashes", prop.ForAll(func(seed uint64) bool {
		rng := rand.New(rand.NewPCG(seed, 0))
		r, s := randomRecord(rng), randomRecord(rng)
		if rng.IntN(2) == 0 {
			s = r.Clone()
		}
		encoded, other := encode(t, codec, r), encode(t, codec, s)
		decoded, err := codec.Decode(encoded)
		return err == nil && decoded.Equal(r) && decoded.Time.Location() == time.UTC &&
			r.Equal(s) == (string(encoded) == string(other)) &&
			r.Equal(s) == (codec.Hash(r) == codec.Hash(s)) &&
			codec.Hash(r) == sha256.Sum256(encoded)
	}, gen.UInt64()))
	props.TestingRun(t)
}

// A changed byte is always found, and so is one that is missing or too much.
func TestCodec_Damage(t *testing.T) {
	t.Parallel()
	codec := predictlog.NewCodec(codecSchema(t))
	rng := rand.New(rand.NewPCG(1, 2))
	data := encode(t, codec, predictlog.Record{
		ID: "a", Time: time.UnixMicro(1), Row: predictlog.Row{predictlog.Number(0.1), predictlog.Category("north")},
		Output: predictlog.Output{Class: "no"}, Tags: map[string]string{"a": "b"},
	})
	for i := range data {
		for bit := range 8 {
			damaged := append([]byte(nil), data...)
			damaged[i] ^= 1 << bit
			_, err := codec.Decode(damaged)
			require.ErrorIs(t, err, predictlog.ErrDamagedRecord)
			damaged[rng.IntN(len(data))] ^= 0x10
			if string(damaged) != string(data) {
				_, err = codec.Decode(damaged)
				require.ErrorIs(t, err, predictlog.ErrDamagedRecord)
			}
		}
		_, err := codec.Decode(data[:i])
		require.ErrorIs(t, err, predictlog.ErrDamagedRecord)
	}
	_, err := codec.Decode(append(data, 0))
	require.ErrorIs(t, err, predictlog.ErrDamagedRecord)
}

// What is stored today must be read for ever: a change of these bytes needs a new format.
func TestCodec_Golden(t *testing.T) {
	t.Parallel()
	codec := predictlog.NewCodec(codecSchema(t))
	require.Equal(t, codec.Schema().Fingerprint()[:16], codec.Schema().ShortFingerprint())
	r := predictlog.Record{
		ID: "id-1", Time: time.Date(2025, 3, 1, 12, 0, 0, 123456789, time.UTC), Model: "credit", Version: "3",
		Row:        predictlog.Row{predictlog.Number(-0.5), predictlog.Category("north")},
		Output:     predictlog.Output{Class: "yes", Probabilities: []float64{0, 0.25, 0.75}},
		Latency:    1500 * time.Microsecond,
		Violations: []predictlog.Violation{{Column: "income", Rule: "gte=0", Value: "-0.5"}},
		Tags:       map[string]string{"tenant": "b", "a": ""},
	}
	const want = "01519d28ad8c77db6d0469642d3100062f46a99d1240066372656469740133b8170201bfe000000000000004056e6f727468037965730200030200013fd0000000000000013fe80000000000000106696e636f6d65056774653d30042d302e35020161000674656e616e740162d6f507a8"
	require.Equal(t, want, hex.EncodeToString(encode(t, codec, r)))
	data, err := hex.DecodeString(want)
	require.NoError(t, err)
	decoded, err := codec.Decode(data)
	require.NoError(t, err)
	require.Equal(t, r.Clone(), decoded)
	dst, err := codec.AppendRecord([]byte("kept"), r)
	require.NoError(t, err)
	require.Equal(t, "kept"+string(data), string(dst))
}

func TestCodec_EarlierSchemas(t *testing.T) {
	t.Parallel()
	newSchema := func(target predictlog.Target, columns ...predictlog.Column) *predictlog.Schema {
		schema, err := predictlog.NewSchema(columns, target)
		require.NoError(t, err)
		return schema
	}
	income := predictlog.Column{Name: "income", Kind: predictlog.Numeric}
	age := predictlog.Column{Name: "age", Kind: predictlog.Numeric}
	gone := predictlog.Column{Name: "gone", Kind: predictlog.Categorical}
	two := predictlog.Target{Classes: []string{"no", "yes"}}
	three := predictlog.Target{Task: predictlog.Multiclass, Classes: []string{"maybe", "yes", "no"}}
	regression := predictlog.Target{Task: predictlog.Regression}
	row := predictlog.Row{predictlog.Number(1000), predictlog.Number(42), predictlog.Category("x")}
	now := []predictlog.Column{{Name: "new", Kind: predictlog.Numeric}, {Name: "age", Kind: predictlog.Categorical}, income}
	for _, tc := range []struct {
		name      string
		from, to  predictlog.Target
		old, want predictlog.Output
	}{
		{"same target", two, two, predictlog.Output{Class: "yes", Probabilities: []float64{0.25, 0.75}}, predictlog.Output{Class: "yes", Probabilities: []float64{0.25, 0.75}}},
		{"more classes", two, three, predictlog.Output{Class: "yes", Probabilities: []float64{0.25, 0.75}}, predictlog.Output{Class: "yes", Probabilities: []float64{0, 0.75, 0.25}}},
		{"no probabilities", two, three, predictlog.Output{Class: "yes"}, predictlog.Output{Class: "yes"}},
		{"no answer", two, regression, predictlog.Output{}, predictlog.Output{}},
		{"class is gone", three, two, predictlog.Output{Class: "maybe"}, predictlog.Output{}},
		{"probable class is gone", three, two, predictlog.Output{Class: "yes", Probabilities: []float64{0.25, 0.75, 0}}, predictlog.Output{}},
		{"improbable class is gone", three, two, predictlog.Output{Class: "yes", Probabilities: []float64{0, 0.75, 0.25}}, predictlog.Output{Class: "yes", Probabilities: []float64{0.25, 0.75}}},
		{"class of a regression", two, regression, predictlog.Output{Class: "yes"}, predictlog.Output{}},
		{"value of a classifier", regression, two, predictlog.Output{Value: 1.5}, predictlog.Output{}},
		{"-0 of a classifier", regression, two, predictlog.Output{Value: math.Copysign(0, -1)}, predictlog.Output{}},
		{"value", regression, regression, predictlog.Output{Value: 1.5}, predictlog.Output{Value: 1.5}},
	} {
		from := newSchema(tc.from, income, age, gone)
		r := predictlog.Record{ID: "a", Time: time.UnixMicro(1), Version: "3", Row: row, Output: tc.old}
		data := encode(t, predictlog.NewCodec(from), r)

		r.Row = predictlog.Row{predictlog.Missing(), predictlog.Missing(), predictlog.Number(1000)}
		r.Output = tc.want
		to := newSchema(tc.to, now...)
		decoded, err := predictlog.NewCodec(to, from).Decode(data)
		require.NoError(t, err, tc.name)
		require.True(t, decoded.Equal(r), "%s: %+v", tc.name, decoded)

		_, err = predictlog.NewCodec(to).Decode(data)
		require.ErrorIs(t, err, predictlog.ErrUnknownSchema)
		var unknown *predictlog.UnknownSchemaError
		require.ErrorAs(t, err, &unknown)
		require.Equal(t, from.ShortFingerprint(), unknown.Fingerprint)
		require.EqualError(t, err, "predictlog: record of the unknown schema "+from.ShortFingerprint())
	}
}

func TestCodec_InvalidRecord(t *testing.T) {
	t.Parallel()
	codec := predictlog.NewCodec(codecSchema(t))
	dst, err := codec.AppendRecord([]byte("kept"), predictlog.Record{ID: "a"})
	require.ErrorIs(t, err, predictlog.ErrInvalidRecord)
	require.Equal(t, "kept", string(dst))
	require.Equal(t, codec.Hash(predictlog.Record{ID: "a"}), codec.Hash(predictlog.Record{ID: "a"}))
	require.NotEqual(t, codec.Hash(predictlog.Record{ID: "a"}), codec.Hash(predictlog.Record{ID: "b"}))
}

func ExampleCodec() {
	before, err := predictlog.NewSchema([]predictlog.Column{
		{Name: "income", Kind: predictlog.Numeric},
	}, predictlog.Target{})
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err := predictlog.NewCodec(before).AppendRecord(nil, predictlog.Record{
		ID: "a", Time: time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC), Row: predictlog.Row{predictlog.Number(1200)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(data), "bytes")

	// A year later the model has one input more.
	after, err := predictlog.NewSchema(append(before.Columns(), predictlog.Column{
		Name: "region", Kind: predictlog.Categorical,
	}), predictlog.Target{})
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := predictlog.NewCodec(after, before).Decode(data)
	fmt.Println(r.ID, r.Row, err)
	// Output:
	// 36 bytes
	// a [1200 missing] <nil>
}

func BenchmarkCodec(b *testing.B) {
	codec := predictlog.NewCodec(wide(b))
	r := predictlog.Record{
		ID: "0190163d-8694-739b-aea5-000000000001", Time: time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC), Model: "credit", Version: "3",
		Output: predictlog.Output{Class: "1", Probabilities: []float64{0.25, 0.75}}, Latency: time.Millisecond,
	}
	for i := range codec.Schema().Len() {
		r.Row = append(r.Row, predictlog.Number(float64(i)+0.1))
	}
	data := encode(b, codec, r)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		var buf []byte
		for b.Loop() {
			buf, _ = codec.AppendRecord(buf[:0], r)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := codec.Decode(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("hash", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			codec.Hash(r)
		}
	})
}

// wide returns a schema of 12 numbers.
func wide(tb testing.TB) *predictlog.Schema {
	tb.Helper()
	columns := make([]predictlog.Column, 12)
	for i := range columns {
		columns[i] = predictlog.Column{Name: fmt.Sprintf("x%d", i), Kind: predictlog.Numeric}
	}
	schema, err := predictlog.NewSchema(columns, predictlog.Target{})
	require.NoError(tb, err)
	return schema
}
