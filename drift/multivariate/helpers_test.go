package multivariate_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"

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

func requireInputError(t *testing.T, err error, want drift.InputError) {
	t.Helper()
	require.ErrorIs(t, err, drift.ErrInvalidInput)
	var got *drift.InputError
	require.ErrorAs(t, err, &got)
	require.Equal(t, want, *got)
}

// full asks for simulations at full size, which take minutes.
func full() bool { return os.Getenv("SELFHEAL_SIMULATIONS") == "full" }

// ids returns n different names.
func ids(from, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("id-%d", from+i)
	}
	return all
}

func profileOf(t testing.TB, ref *drift.Reference, columns ...drift.Column) *drift.Profile {
	t.Helper()
	p := ref.NewProfile()
	require.NoError(t, p.Add(columns))
	return p
}

func newReference(t testing.TB, columns ...drift.Column) *drift.Reference {
	t.Helper()
	ref, err := drift.NewReference(columns, drift.ReferenceConfig{})
	require.NoError(t, err)
	return ref
}

func detect(t testing.TB, ref *drift.Reference, cfg drift.Config, p *drift.Profile) *drift.Report {
	t.Helper()
	detector, err := drift.NewDetector(ref, cfg)
	require.NoError(t, err)
	report, err := detector.Detect(p)
	require.NoError(t, err)
	return report
}

func rowsOf(values []float64) [][]float64 {
	rows := make([][]float64, len(values))
	for i := range rows {
		rows[i] = values[i : i+1]
	}
	return rows
}

// mostAlarms returns the number of alarms in so many runs that is exceeded with a
// probability of at most 0.001 if each comes at this rate.
func mostAlarms(runs int, rate float64) int {
	k := 0
	for (distuv.Binomial{N: float64(runs), P: rate}).Survival(float64(k)) > 0.001 {
		k++
	}
	return k
}

// trainingData and lastHour stand for a host's own tables.
func trainingData() []drift.Column {
	age, region := make([]float64, 1000), make([]string, 1000)
	for i := range age {
		age[i] = float64(20 + i%50)
		region[i] = []string{"north", "south"}[i%2]
	}
	return []drift.Column{drift.Numeric("age", age), drift.Categorical("region", region)}
}

func lastHour() []drift.Column {
	age, region := make([]float64, 400), make([]string, 400)
	for i := range age {
		age[i] = float64(30 + i%50)
		region[i] = []string{"north", "south"}[i%2]
	}
	return []drift.Column{drift.Numeric("age", age), drift.Categorical("region", region)}
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
