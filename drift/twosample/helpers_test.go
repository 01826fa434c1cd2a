package twosample_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
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

// floats reads any bytes as numbers, NaN and infinities among them.
func floats(data []byte) []float64 {
	values := make([]float64, 0, len(data)/8)
	for len(data) >= 8 {
		values = append(values, math.Float64frombits(binary.LittleEndian.Uint64(data)))
		data = data[8:]
	}
	return values
}

func bytesOf(values ...float64) []byte {
	var data []byte
	for _, x := range values {
		data = binary.LittleEndian.AppendUint64(data, math.Float64bits(x))
	}
	return data
}

func addSamples(f *testing.F) {
	f.Add(bytesOf(1, 2, 3), bytesOf(2, 3, 4, 5))
	f.Add(bytesOf(), bytesOf(math.NaN()))
	f.Add(bytesOf(math.MaxFloat64, -math.MaxFloat64, 0), bytesOf(math.Inf(1), math.Inf(-1), math.Copysign(0, -1)))
	f.Add(bytesOf(5e-324, 1e-323, 2e-323), bytesOf(0, 5e-324, 1.5e-323))
	f.Add(bytesOf(1e20, math.Nextafter(1e20, 2e20)), bytesOf(1e20, 1e20))
}

func requireUnit(t *testing.T, values ...float64) {
	t.Helper()
	for _, x := range values {
		require.True(t, x >= 0 && x <= 1, "%v is not in [0, 1]", x)
	}
}

// requireClose compares within a relative error, or an absolute one of 1e-15 at 0.
func requireClose(t *testing.T, want, got, relative float64, msg ...any) {
	t.Helper()
	if math.Abs(want-got) > relative*math.Abs(want)+1e-15 {
		require.Failf(t, "numbers differ", "want %v, got %v, relative tolerance %v %v", want, got, relative, msg)
	}
}

// readTestdata reads a JSON file of testdata into v.
func readTestdata(t *testing.T, name string, v any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, v))
}

func requireInputError(t *testing.T, err error, want drift.InputError) {
	t.Helper()
	require.ErrorIs(t, err, drift.ErrInvalidInput)
	var got *drift.InputError
	require.ErrorAs(t, err, &got)
	require.Equal(t, want, *got)
}

// full asks for simulations at full size, which take minutes.
func full() bool { return os.Getenv("SELFHEAL_SIMULATIONS") == "full" }

type countMethod = func(reference, current []int) (drift.Result, error)
