package sequential_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate/sequential"
)

func newBetting(t testing.TB, cfg sequential.BettingConfig) *sequential.Betting {
	t.Helper()
	b, err := sequential.NewBetting(cfg)
	require.NoError(t, err)
	return b
}

func TestBetting_Zero(t *testing.T) {
	t.Parallel()
	var b sequential.Betting
	require.ErrorContains(t, b.Add(0.5), "want a Betting made by NewBetting")
	require.Equal(t, 1.0, b.Evalue())
	require.Equal(t, 1.0, b.PValue())
	require.False(t, b.Rejected())
	require.Zero(t, b.N())
	_, err := json.Marshal(&b)
	require.ErrorContains(t, err, "want a Betting made by NewBetting")
}

// TestBetting_Vector is a product of eight factors computed by hand.
func TestBetting_Vector(t *testing.T) {
	t.Parallel()
	b := newBetting(t, sequential.BettingConfig{Null: 0.5, Lambdas: []float64{0.5}})
	highest := 1.0
	for _, x := range []float64{1, 1, 0, 1, 1, 1, 0, 1} {
		require.NoError(t, b.Add(x))
		highest = max(highest, b.Evalue())
	}
	require.InDelta(t, 2.1457672119140625, b.Evalue(), 1e-14) // logarithms cost the last bits
	require.InDelta(t, 1/highest, b.PValue(), 1e-14)
	require.Equal(t, 8, b.N())
	require.False(t, b.Rejected())
}

func TestBetting_Mixture(t *testing.T) {
	t.Parallel()
	b := newBetting(t, sequential.BettingConfig{Null: 0.5, Lambdas: []float64{0.5, 1}})
	require.Equal(t, 1.0, b.Evalue())
	require.Equal(t, 1.0, b.PValue())
	for _, x := range []float64{1, 0.25} {
		require.NoError(t, b.Add(x))
	}
	require.InDelta(t, (1.25*0.875+1.5*0.75)/2, b.Evalue(), 1e-14)
}

func TestBetting_Config(t *testing.T) {
	t.Parallel()
	b := newBetting(t, sequential.BettingConfig{Null: 0.8})
	require.Equal(t, 0.05, b.Config().Alpha)
	require.Len(t, b.Config().Lambdas, 6)
	require.InDelta(t, 1, b.Config().Lambdas[5], 1e-12)
	_, err := sequential.NewBetting(sequential.BettingConfig{Null: 1, Alpha: -1, Lambdas: []float64{0.5, 1, math.NaN()}})
	for _, want := range []string{"Null is 1", "Alpha is -1", "Lambdas[1] is 1", "Lambdas[2] is NaN"} {
		require.ErrorContains(t, err, want)
	}
}

func TestBetting_Add(t *testing.T) {
	t.Parallel()
	b := newBetting(t, sequential.BettingConfig{})
	for _, x := range []float64{-0.1, 1.1, math.NaN(), math.Inf(1)} {
		require.ErrorContains(t, b.Add(x), "sequential: betting: value 0 is ")
	}
	require.Zero(t, b.N())
	require.Equal(t, 1.0, b.Evalue())
}

// TestBetting_Rejects finds harm, does not forget it, and stays finite.
func TestBetting_Rejects(t *testing.T) {
	t.Parallel()
	b := newBetting(t, sequential.BettingConfig{})
	for range 20_000 {
		require.NoError(t, b.Add(1))
	}
	require.True(t, b.Rejected())
	require.Equal(t, math.MaxFloat64, b.Evalue())
	for range 60_000 {
		require.NoError(t, b.Add(0))
	}
	require.True(t, b.Rejected(), "for good")
	require.Less(t, b.Evalue(), 1.0)
	require.Less(t, b.PValue(), 1e-300)
}

func TestBetting_Resumes(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	a := newBetting(t, sequential.BettingConfig{Null: 0.4})
	b := newBetting(t, sequential.BettingConfig{})
	for range 300 {
		x := rng.Float64()
		require.NoError(t, a.Add(x))
		data, err := json.Marshal(a)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, b))
		require.Equal(t, a, b)
	}
}

func TestBetting_InvalidState(t *testing.T) {
	t.Parallel()
	for name, state := range map[string]string{
		"nothing":  `{}`,
		"no JSON":  `{`,
		"unknown":  `{"schema_version":1,"config":{"null":0.5,"alpha":0.05,"lambdas":[1]},"n":1,"log_wealth":[0],"highest_log_wealth":0,"more":1}`,
		"version":  `{"schema_version":7,"config":{"null":0.5,"alpha":0.05,"lambdas":[1]},"n":1,"log_wealth":[0],"highest_log_wealth":0}`,
		"lengths":  `{"schema_version":1,"config":{"null":0.5,"alpha":0.05,"lambdas":[1]},"n":1,"log_wealth":[0,0],"highest_log_wealth":0}`,
		"bet":      `{"schema_version":1,"config":{"null":0.5,"alpha":0.05,"lambdas":[3]},"n":1,"log_wealth":[0],"highest_log_wealth":0}`,
		"negative": `{"schema_version":1,"config":{"null":0.5,"alpha":0.05,"lambdas":[1]},"n":-1,"log_wealth":[0],"highest_log_wealth":-1}`,
	} {
		b := newBetting(t, sequential.BettingConfig{})
		require.NoError(t, b.Add(1))
		before := b.Evalue()
		require.ErrorIs(t, b.UnmarshalJSON([]byte(state)), sequential.ErrInvalidState, name)
		require.Equal(t, before, b.Evalue(), name)
	}
}

// TestBetting_FalseAlarms looks after every one of 1000 values under nulls at the edge,
// and finds the chance of ever rejecting to be at most alpha.
func TestBetting_FalseAlarms(t *testing.T) {
	t.Parallel()
	const runs, looks, alpha = 1000, 1000, 0.05
	limit := alpha*runs + 3*math.Sqrt(runs*alpha*(1-alpha))
	for name, draw := range map[string]func(rng *rand.Rand) float64{
		"uniform":  func(rng *rand.Rand) float64 { return rng.Float64() },
		"coin":     func(rng *rand.Rand) float64 { return float64(rng.IntN(2)) },
		"mostly 0": func(rng *rand.Rand) float64 { return max(0, 10*rng.Float64()-9) },
		"paired losses": func(rng *rand.Rand) float64 {
			return (rng.Float64() - rng.Float64() + 1) / 2
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(7, 7))
			rejected := 0
			for range runs {
				b := newBetting(t, sequential.BettingConfig{Alpha: alpha, Lambdas: []float64{0.1, 0.4, 1.6}})
				for range looks {
					if err := b.Add(draw(rng)); err != nil {
						t.Fatal(err)
					}
				}
				if b.Rejected() {
					rejected++
				}
			}
			t.Logf("%d of %d runs rejected a true null", rejected, runs)
			require.LessOrEqual(t, float64(rejected), limit)
		})
	}
}

func FuzzBetting(f *testing.F) {
	f.Add([]byte(`{"schema_version":1,"config":{"null":0.5,"alpha":0.05,"lambdas":[1]},"n":1,"log_wealth":[0.4],"highest_log_wealth":0.4}`), 0.5)
	f.Add([]byte(`{"log_wealth":[1e308,-1e308]}`), 1.0)
	f.Fuzz(func(t *testing.T, state []byte, x float64) {
		b := newBetting(t, sequential.BettingConfig{})
		if b.UnmarshalJSON(state) != nil {
			return
		}
		_ = b.Add(x)
		if e := b.Evalue(); math.IsNaN(e) || math.IsInf(e, 0) || e < 0 {
			t.Errorf("e-value %v", e)
		}
		if p := b.PValue(); !(p >= 0 && p <= 1) {
			t.Errorf("p-value %v", p)
		}
		data, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.UnmarshalJSON(data); err != nil {
			t.Errorf("what was written cannot be read: %v", err)
		}
	})
}

func BenchmarkBetting_Add(b *testing.B) {
	bets, err := sequential.NewBetting(sequential.BettingConfig{})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if err := bets.Add(0.5); err != nil {
			b.Fatal(err)
		}
	}
}
