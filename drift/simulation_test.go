package drift_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/selfheal-ml/selfheal/drift"
)

// full asks for simulations at full size, which take minutes.
func full() bool { return os.Getenv("SELFHEAL_SIMULATIONS") == "full" }

// population is a distribution from which a column is drawn: row by row, or as counts.
type population struct {
	name string
	// draw and below, P(X <= x), are those of numbers.
	draw  func(rng *rand.Rand) float64
	below func(x float64) float64
	// shares are the probabilities of the levels "0", "1", ... of a categorical column.
	shares []float64
	// spoil changes counts after they are drawn; nil changes nothing.
	spoil func(counts []int64, rows int)
}

func equalShares(k int) []float64 {
	shares := make([]float64, k)
	for i := range shares {
		shares[i] = 1 / float64(k)
	}
	return shares
}

// harmonicShares are proportional to 1, 1/2, 1/3, ...
func harmonicShares(k int) []float64 {
	shares, sum := make([]float64, k), 0.0
	for i := range shares {
		shares[i] = 1 / float64(i+1)
		sum += shares[i]
	}
	for i := range shares {
		shares[i] /= sum
	}
	return shares
}

func normalBelow(x float64) float64 { return distuv.UnitNormal.CDF(x) }

// populations are numbers, well-behaved, heavy-tailed and few-valued, and categories.
func populations() []population {
	normal := population{name: "normal", draw: (*rand.Rand).NormFloat64, below: normalBelow}
	return []population{
		normal, normal,
		{name: "uniform", draw: (*rand.Rand).Float64, below: func(x float64) float64 { return min(max(x, 0), 1) }},
		{
			name:  "lognormal",
			draw:  func(rng *rand.Rand) float64 { return math.Exp(2 * rng.NormFloat64()) },
			below: func(x float64) float64 { return normalBelow(math.Log(max(x, 0)) / 2) },
		},
		{
			name:  "Cauchy",
			draw:  func(rng *rand.Rand) float64 { return math.Tan(math.Pi * (rng.Float64() - 0.5)) },
			below: func(x float64) float64 { return 0.5 + math.Atan(x)/math.Pi },
		},
		{
			name:  "few values",
			draw:  func(rng *rand.Rand) float64 { return math.Floor(3 * rng.ExpFloat64()) },
			below: func(x float64) float64 { return max(0, 1-math.Exp(-(math.Floor(x)+1)/3)) },
		},
		{name: "30 categories", shares: equalShares(30)},
		{name: "30 uneven categories", shares: harmonicShares(30)},
		{name: "100 categories", shares: equalShares(100)},
		{name: "100 uneven categories", shares: harmonicShares(100)},
	}
}

// sample draws n rows of a column.
func (p population) sample(rng *rand.Rand, name string, n int) drift.Column {
	if p.shares == nil {
		values := make([]float64, n)
		for i := range values {
			values[i] = p.draw(rng)
		}
		return drift.Numeric(name, values)
	}
	levels, codes := make([]string, len(p.shares)), make([]int32, 0, n)
	for i, count := range multinomial(rng, n, p.shares) {
		levels[i] = fmt.Sprint(i)
		for range count {
			codes = append(codes, int32(i))
		}
	}
	return drift.CategoricalCodes(name, codes, levels)
}

// counts draws n rows as counts on the cells of a column, the last for unseen values.
func (p population) counts(rng *rand.Rand, ref *drift.Reference, column, n int) []int64 {
	var shares []float64
	if p.shares == nil {
		before := 0.0
		for _, edge := range ref.Edges(column) {
			after := p.below(edge)
			shares = append(shares, after-before)
			before = after
		}
		return multinomial(rng, n, append(shares, 1-before, 0))
	}
	known := 0.0
	for _, level := range ref.Levels(column) {
		var i int
		if _, err := fmt.Sscan(level, &i); err != nil {
			panic(err)
		}
		shares = append(shares, p.shares[i])
		known += p.shares[i]
	}
	return multinomial(rng, n, append(shares, max(1-known, 0)))
}

// multinomial draws n times from the shares. Each count is binomial given those before.
func multinomial(rng *rand.Rand, n int, shares []float64) []int64 {
	counts := make([]int64, len(shares))
	rest := 1.0
	for i, share := range shares {
		if n == 0 {
			break
		}
		draw := float64(n)
		if p := share / rest; p < 1 {
			draw = distuv.Binomial{N: float64(n), P: max(p, 0), Src: rng}.Rand()
		}
		if i == len(shares)-1 && share > 0 {
			draw = float64(n) // what rounding left
		}
		counts[i] = int64(draw)
		n -= int(draw)
		rest -= share
	}
	return counts
}

// simulated is a reference of so many columns, cycling through the populations, and what it
// takes to draw more rows.
type simulated struct {
	populations []population
	ref         *drift.Reference
}

func newSimulated(t testing.TB, rng *rand.Rand, rows, columns int) simulated {
	t.Helper()
	all := populations()
	var s simulated
	var data []drift.Column
	for i := range columns {
		p := all[i%len(all)]
		s.populations = append(s.populations, p)
		data = append(data, p.sample(rng, fmt.Sprintf("%s %d", p.name, i), rows))
	}
	s.ref = newReference(t, data...)
	return s
}

// profile draws rows from the same populations.
func (s simulated) profile(rng *rand.Rand, rows int) *drift.Profile {
	p := s.ref.NewProfile()
	counts := make([][]int64, len(s.populations))
	for i := range counts {
		counts[i] = s.populations[i].counts(rng, s.ref, i, rows)
		if spoil := s.populations[i].spoil; spoil != nil {
			spoil(counts[i], rows)
		}
	}
	p.SetCounts(rows, counts)
	return p
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

// Without any change, whatever the number of rows and columns, the chance that any column is
// called drifted is at most 5 %, and that the data set is at most 0.1 %.
func TestSimulation_FalseAlarms(t *testing.T) {
	t.Parallel()
	type size struct{ columns, rows, runs int }
	sizes := []size{{10, 50, 60}, {10, 1_000, 60}, {10, 100_000, 30}, {100, 200, 5}, {100, 100_000, 3}}
	if full() {
		sizes = nil
		for _, rows := range []int{50, 100, 200, 500, 1_000, 10_000, 100_000} {
			sizes = append(sizes, size{10, rows, 2000}, size{100, rows, 300}, size{1000, rows, 30})
		}
	}
	for _, s := range sizes {
		t.Run(fmt.Sprintf("columns=%d/rows=%d", s.columns, s.rows), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(uint64(s.columns), uint64(s.rows)))
			columns, sets := 0, 0
			names := map[string]int{}
			for range s.runs {
				sim := newSimulated(t, rng, 2_000, s.columns)
				report := detect(t, sim.ref, drift.Config{}, sim.profile(rng, s.rows))
				drifted := report.DriftedColumns()
				if len(drifted) > 0 {
					columns++
				}
				for _, name := range drifted {
					names[name]++
				}
				if report.Verdict == drift.Drifted {
					sets++
				}
			}
			t.Logf("%d runs: any column %.2f %%, data set %.2f %% %v", s.runs,
				100*float64(columns)/float64(s.runs), 100*float64(sets)/float64(s.runs), names)
			require.LessOrEqual(t, columns, mostAlarms(s.runs, 0.05))
			require.LessOrEqual(t, sets, mostAlarms(s.runs, 0.001))
		})
	}
}

// Levels that are rare, and so unseen at times, are no drift either, however many the rows.
func TestSimulation_RareCategories(t *testing.T) {
	t.Parallel()
	runs := 30
	if full() {
		runs = 2_000
	}
	for _, p := range []population{{name: "even", shares: equalShares(1_000)}, {name: "uneven", shares: harmonicShares(3_000)}} {
		for _, rows := range []int{1_000, 100_000} {
			t.Run(fmt.Sprintf("%s/rows=%d", p.name, rows), func(t *testing.T) {
				t.Parallel()
				rng := rand.New(rand.NewPCG(72, uint64(rows)))
				alarms := 0
				for range runs {
					s := simulated{[]population{p}, newReference(t, p.sample(rng, "x", 1_000))}
					if detect(t, s.ref, noFloor, s.profile(rng, rows)).Columns[0].Verdict == drift.Drifted {
						alarms++
					}
				}
				t.Logf("%d alarms in %d runs", alarms, runs)
				require.LessOrEqual(t, alarms, mostAlarms(runs, 0.05))
			})
		}
	}
}

// shifted draws a normal population moved by a number of standard deviations.
func shifted(by float64) population {
	return population{
		name:  "normal",
		draw:  func(rng *rand.Rand) float64 { return by + rng.NormFloat64() },
		below: func(x float64) float64 { return normalBelow(x - by) },
	}
}

// Each change is found in at least 95 of 100 runs in one of ten, and of a hundred, columns;
// one that is too small to matter is found in none, however many the rows.
func TestSimulation_Power(t *testing.T) {
	t.Parallel()
	runs := 20
	if full() {
		runs = 400
	}
	cases := []struct {
		name   string
		column int // of populations: 0 is normal, 6 has 30 categories
		rows   int
		change population
		spoil  func(counts []int64, rows int) // after drawing
		found  bool
	}{
		{name: "0.5 sigma at 200 rows", rows: 200, change: shifted(0.5), found: true},
		{name: "2 sigma and a value of a million at 200 rows", rows: 200, change: shifted(2), found: true,
			spoil: func(counts []int64, _ int) { moveOne(counts, len(counts)-2) }},
		{name: "0.01 sigma at a million rows", rows: 1_000_000, change: shifted(0.01)},
		{name: "5 % unseen categories at 1000 rows", column: 6, rows: 1_000, change: populations()[6], found: true,
			spoil: func(counts []int64, rows int) {
				for range rows / 20 {
					moveOne(counts, len(counts)-1)
				}
			}},
	}
	for _, c := range cases {
		for _, columns := range []int{10, 100} {
			t.Run(fmt.Sprintf("%s/columns=%d", c.name, columns), func(t *testing.T) {
				t.Parallel()
				rng := rand.New(rand.NewPCG(uint64(columns), uint64(c.rows)))
				found := 0
				sim := newSimulated(t, rng, 2_000, columns)
				for range runs {
					if full() {
						sim = newSimulated(t, rng, 2_000, columns)
					}
					changed := simulated{append([]population{}, sim.populations...), sim.ref}
					changed.populations[c.column] = c.change
					changed.populations[c.column].spoil = c.spoil
					report := detect(t, sim.ref, drift.Config{}, changed.profile(rng, c.rows))
					if report.Columns[c.column].Verdict == drift.Drifted {
						found++
					}
				}
				t.Logf("found in %d of %d runs", found, runs)
				if c.found {
					require.GreaterOrEqual(t, float64(found), 0.95*float64(runs))
				} else {
					require.Zero(t, found)
				}
			})
		}
	}
}

// moveOne takes an observation from the cell that holds the most, and puts it into another.
func moveOne(counts []int64, to int) {
	most := 0
	for i := range counts {
		if counts[i] > counts[most] && i != to {
			most = i
		}
	}
	counts[most]--
	counts[to]++
}
