package drift_test

import (
	"bytes"
	"encoding"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

var (
	_ encoding.BinaryAppender    = (*drift.Reference)(nil)
	_ encoding.BinaryMarshaler   = (*drift.Reference)(nil)
	_ encoding.BinaryUnmarshaler = (*drift.Reference)(nil)
	_ encoding.BinaryAppender    = (*drift.Profile)(nil)
	_ encoding.BinaryMarshaler   = (*drift.Profile)(nil)
	_ encoding.BinaryUnmarshaler = (*drift.Profile)(nil)
)

func TestBinary_RoundTrip(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(41, 1))
	ref := newReference(t, append(tenColumns(rng, 3000), drift.Numeric("never", repeat(3000, math.NaN())))...)
	p := profileOf(t, ref, append(tenColumns(rng, 500), drift.Numeric("never", repeat(500, 1.5)))...)

	data, err := ref.MarshalBinary()
	require.NoError(t, err)
	var read drift.Reference
	require.NoError(t, read.UnmarshalBinary(data))
	require.Equal(t, ref.Fingerprint(), read.Fingerprint())
	require.Equal(t, toJSON(t, ref), toJSON(t, &read), "both forms hold the same")
	require.Less(t, len(data), len(toJSON(t, ref))/2)

	counts, err := p.AppendBinary([]byte("before"))
	require.NoError(t, err)
	require.Equal(t, "before", string(counts[:6]))
	again := read.NewProfile()
	require.NoError(t, again.UnmarshalBinary(counts[6:]))
	require.Equal(t, toJSON(t, p), toJSON(t, again))
	require.NoError(t, again.Add(append(tenColumns(rng, 5), drift.Numeric("never", repeat(5, 1.0)))), "it can be counted on")

	other := newReference(t, tenColumns(rng, 100)...)
	require.ErrorIs(t, other.NewProfile().UnmarshalBinary(counts[6:]), drift.ErrReferenceMismatch)
	require.ErrorIs(t, other.UnmarshalBinary(counts[6:]), drift.ErrCorrupt)
	require.Error(t, new(drift.Profile).UnmarshalBinary(counts[6:]))
	_, err = new(drift.Profile).MarshalBinary()
	require.Error(t, err)
	_, err = new(drift.Reference).MarshalBinary()
	require.Error(t, err)
}

// A binary form with any byte changed or missing is refused.
func TestBinary_EveryByteIsChecked(t *testing.T) {
	t.Parallel()
	ref := newReference(t, drift.Numeric("age", []float64{1, 2.5, 3, math.NaN()}), drift.Categorical("c", []string{"a", "b", "b", "a"}))
	p := profileOf(t, ref, drift.Numeric("age", []float64{2}), drift.Categorical("c", []string{"z"}))
	data, err := ref.MarshalBinary()
	require.NoError(t, err)
	counts, err := p.MarshalBinary()
	require.NoError(t, err)
	for i := range data {
		changed := slices.Clone(data)
		changed[i] ^= 0x40
		require.ErrorIs(t, new(drift.Reference).UnmarshalBinary(changed), drift.ErrCorrupt)
		require.ErrorIs(t, new(drift.Reference).UnmarshalBinary(data[:i]), drift.ErrCorrupt)
	}
	before := toJSON(t, p)
	for i := range counts {
		changed := slices.Clone(counts)
		changed[i] ^= 0x40
		require.ErrorIs(t, p.UnmarshalBinary(changed), drift.ErrCorrupt)
		require.ErrorIs(t, p.UnmarshalBinary(counts[:i]), drift.ErrCorrupt)
	}
	require.Equal(t, before, toJSON(t, p), "what was there stays")
	require.ErrorIs(t, new(drift.Reference).UnmarshalBinary(append(slices.Clone(data), 0)), drift.ErrCorrupt)
}

// The fuzzers change the content and put the right checksum on it, which is what a mistaken
// writer would do.
func FuzzReference_UnmarshalBinary(f *testing.F) {
	for _, name := range []string{"normal", "orders of magnitude", "few values"} {
		ref := newReference(f, drift.Numeric("x", append(drawn(name, 1, 50), math.NaN())), drift.Categorical("c", repeat(17, "a", "b", "c")))
		data, err := ref.MarshalBinary()
		require.NoError(f, err)
		f.Add(data[:len(data)-32])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var r drift.Reference
		if err := r.UnmarshalBinary(drift.WithChecksum(body)); err != nil {
			require.ErrorIs(t, err, drift.ErrCorrupt)
			return
		}
		data, err := r.MarshalBinary()
		require.NoError(t, err)
		require.True(t, bytes.Equal(drift.WithChecksum(body), data))
		form, err := json.Marshal(&r)
		require.NoError(t, err)
		var same drift.Reference
		require.NoError(t, same.UnmarshalJSON(form))
		require.Equal(t, r.Fingerprint(), same.Fingerprint())
		_, err = json.Marshal(detect(t, &r, drift.Config{}, r.NewProfile()))
		require.NoError(t, err)
	})
}

func FuzzProfile_UnmarshalBinary(f *testing.F) {
	columns := []drift.Column{drift.Numeric("x", append(drawn("normal", 1, 50), math.NaN())), drift.Categorical("c", repeat(17, "a", "b", "c"))}
	ref := newReference(f, columns...)
	data, err := profileOf(f, ref, columns...).MarshalBinary()
	require.NoError(f, err)
	f.Add(data[:len(data)-32])
	f.Fuzz(func(t *testing.T, body []byte) {
		p := ref.NewProfile()
		if err := p.UnmarshalBinary(drift.WithChecksum(body)); err != nil {
			require.Zero(t, p.Rows())
			return
		}
		require.NoError(t, p.Merge(p))
		_, err = json.Marshal(detect(t, ref, drift.Config{}, p))
		require.NoError(t, err)
	})
}
