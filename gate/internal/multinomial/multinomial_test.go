package multinomial_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/selfheal-ml/selfheal/gate/internal/multinomial"
)

// TestBinomial compares draws of two cells with the binomial probabilities by a
// chi-square test, below and above the mean of ten at which the method changes, at both
// halves of p, and where Stirling's series takes over from the table.
func TestBinomial(t *testing.T) {
	t.Parallel()
	const draws = 200_000
	for seed, c := range []struct {
		n int
		p float64
	}{
		{1, 0.3}, {5, 0.5}, {20, 0.1}, {20, 0.9}, {19, 0.5}, {20, 0.5}, {21, 0.5}, {40, 0.3}, {60, 0.7},
		{1000, 0.004}, {1000, 0.0099}, {1000, 0.0101}, {1000, 0.4}, {1_000_000, 1e-5}, {1_000_000, 0.5}, {20_000_000, 0.1},
	} {
		t.Run(fmt.Sprintf("n=%d,p=%v", c.n, c.p), func(t *testing.T) {
			t.Parallel()
			s := multinomial.New(c.n, []float64{c.p, 1 - c.p}, uint64(seed))
			law := distuv.Binomial{N: float64(c.n), P: c.p}
			// Bins of about a twentieth of the probability each.
			var edges []float64
			mean, sd := law.Mean(), law.StdDev()
			for z := -2.4; z <= 2.4; z += 0.25 {
				if edge := math.Floor(mean + z*sd); edge >= 0 && edge < float64(c.n) && (len(edges) == 0 || edge > edges[len(edges)-1]) {
					edges = append(edges, edge)
				}
			}
			observed := make([]float64, len(edges)+1)
			counts := make([]float64, 2)
			for range draws {
				s.Draw(counts)
				require.Equal(t, float64(c.n), counts[0]+counts[1])
				bin := 0
				for bin < len(edges) && counts[0] > edges[bin] {
					bin++
				}
				observed[bin]++
			}
			var chi2, below float64
			degrees := -1.0
			for i, o := range observed {
				upTo := 1.0
				if i < len(edges) {
					upTo = law.CDF(edges[i])
				}
				expected := draws * (upTo - below)
				below = upTo
				if expected < 5 {
					continue
				}
				chi2 += (o - expected) * (o - expected) / expected
				degrees++
			}
			p := 1.0
			if degrees > 0 {
				p = distuv.ChiSquared{K: degrees}.Survival(chi2)
			}
			require.Greater(t, p, 1e-4, "chi2 = %v on %v degrees", chi2, degrees)
		})
	}
}

// TestDraw checks the means and covariances of several cells.
func TestDraw(t *testing.T) {
	t.Parallel()
	const n, draws = 500, 100_000
	p := []float64{0.02, 0, 0.5, 0.001, 0.279, 0.2}
	s := multinomial.New(n, p, 3)
	counts := make([]float64, len(p))
	sum := make([]float64, len(p))
	products := make([][]float64, len(p))
	for i := range products {
		products[i] = make([]float64, len(p))
	}
	for range draws {
		s.Draw(counts)
		for i, a := range counts {
			sum[i] += a
			for j, b := range counts {
				products[i][j] += (a - n*p[i]) * (b - n*p[j])
			}
		}
	}
	for i := range p {
		sd := math.Sqrt(n * p[i] * (1 - p[i]))
		require.InDelta(t, n*p[i], sum[i]/draws, 5*sd/math.Sqrt(draws))
		for j := range p {
			want := -n * p[i] * p[j]
			if i == j {
				want += n * p[i]
			}
			sdj := math.Sqrt(n * p[j] * (1 - p[j]))
			require.InDelta(t, want, products[i][j]/draws, 8*sd*sdj/math.Sqrt(draws)+1e-9)
		}
	}
}

func TestDraw_Edges(t *testing.T) {
	t.Parallel()
	counts := []float64{7, 7, 7}
	multinomial.New(10, []float64{0, 0, 0}, 1).Draw(counts)
	require.Equal(t, []float64{0, 0, 0}, counts)
	multinomial.New(10, []float64{0, 4, 0}, 1).Draw(counts)
	require.Equal(t, []float64{0, 10, 0}, counts)
	multinomial.New(0, []float64{1, 4, 0}, 1).Draw(counts)
	require.Equal(t, []float64{0, 0, 0}, counts)
}

func TestDraw_Repeatable(t *testing.T) {
	t.Parallel()
	p := []float64{0.1, 0.2, 0.7}
	a, b, c := make([]float64, 3), make([]float64, 3), make([]float64, 3)
	multinomial.New(1000, p, 1).Draw(a)
	multinomial.New(1000, p, 1).Draw(b)
	multinomial.New(1000, p, 2).Draw(c)
	require.Equal(t, a, b)
	require.NotEqual(t, a, c)
}

func BenchmarkDraw(b *testing.B) {
	p := []float64{0.7, 0.05, 0.06, 0.09, 0.02, 0.01, 0.01, 0.06}
	for _, n := range []int{200, 1000, 1_000_000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			s, counts := multinomial.New(n, p, 1), make([]float64, len(p))
			b.ReportAllocs()
			for b.Loop() {
				s.Draw(counts)
			}
		})
	}
}
