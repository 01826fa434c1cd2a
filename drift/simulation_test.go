package drift_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
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

// tilted moves the shares up and down in turn by so much of themselves.
func tilted(shares []float64, by float64) []float64 {
	moved, sum := make([]float64, len(shares)), 0.0
	for i, share := range shares {
		moved[i] = share * (1 + by*float64(1-2*(i%2)))
		sum += moved[i]
	}
	for i := range moved {
		moved[i] /= sum
	}
	return moved
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
		{name: "2 uneven categories", shares: []float64{0.9, 0.1}},
		{name: "3 uneven categories", shares: []float64{0.8, 0.1, 0.1}},
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

// setAlarms is what is simulated of a data set of so many columns without any change.
type setAlarms struct {
	columns, runs int
	any, sets     int       // runs with a drifted column, and with a drifted data set
	smallest      []float64 // p-values of columns whose effect reaches the floor
	names         map[string]int
}

// add counts a report. Of its p-values those before the correction over the columns matter:
// only a column that has one of at most j/columns of Alpha, with an effect of at least the
// floor, can be one of j drifted ones.
func (a *setAlarms) add(report *drift.Report) {
	a.runs++
	drifted := report.DriftedColumns()
	if len(drifted) > 0 {
		a.any++
	}
	for _, name := range drifted {
		a.names[name]++
	}
	if report.Verdict == drift.Drifted {
		a.sets++
	}
	for _, c := range report.Columns {
		smallest := 1.0
		for _, test := range c.Tests {
			if test.EffectSize >= test.Floor {
				smallest = min(smallest, test.PValue*float64(len(c.Tests)))
			}
		}
		a.smallest = append(a.smallest, smallest)
	}
}

// bound returns an upper bound of the chance that the data set is called drifted. Columns are
// independent here, and j of them drift only if j have a p-value of at most j/columns of
// Alpha, so it is at most the sum, over the numbers j that make a data set, of the binomial
// chances of that. The rates are taken at the upper end of their 99 % intervals. (Columns
// of different rates exceed a number above the mean more seldom than columns of the mean
// rate do: Hoeffding, "On the distribution of the number of successes in independent
// trials", 1956.)
func (a *setAlarms) bound() float64 {
	sum := 0.0
	for j := int(math.Ceil(0.3 * float64(a.columns))); j <= a.columns; j++ {
		below := 0
		for _, p := range a.smallest {
			if p <= 0.05*float64(j)/float64(a.columns) {
				below++
			}
		}
		rate := distuv.Beta{Alpha: float64(below + 1), Beta: float64(len(a.smallest) - below)}.Quantile(0.99)
		sum += distuv.Binomial{N: float64(a.columns), P: rate}.Survival(float64(j) - 0.5)
	}
	return sum
}

// Without any change, whatever the number of rows and columns, the chance that any column is
// called drifted is at most 5 %, and that the data set is at most 0.1 %. The second is too
// seldom to be counted: of less than a thousand runs none may show it, and at full size it is
// bounded from the p-values of the columns.
func TestSimulation_FalseAlarms(t *testing.T) {
	t.Parallel()
	type size struct{ columns, rows, runs int }
	sizes := []size{{12, 50, 60}, {12, 1_000, 60}, {12, 100_000, 30}, {100, 200, 5}, {100, 100_000, 3}, {1000, 50, 1}}
	if full() {
		sizes = nil
		// From some hundred rows on noise hardly reaches the floors.
		for _, rows := range []int{50, 100, 200} {
			sizes = append(sizes, size{12, rows, 4000}, size{100, rows, 600}, size{1000, rows, 300})
		}
		for _, rows := range []int{500, 1_000, 10_000, 100_000} {
			sizes = append(sizes, size{12, rows, 1000}, size{100, rows, 100}, size{1000, rows, 20})
		}
	}
	for _, s := range sizes {
		t.Run(fmt.Sprintf("columns=%d/rows=%d", s.columns, s.rows), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(uint64(s.columns), uint64(s.rows)))
			found := setAlarms{columns: s.columns, names: map[string]int{}}
			for range s.runs {
				sim := newSimulated(t, rng, 2_000, s.columns)
				found.add(detect(t, sim.ref, drift.Config{}, sim.profile(rng, s.rows)))
			}
			t.Logf("%d runs: any column %.2f %%, data set %.2f %%, at most %.2g by the columns' p-values; %v", s.runs,
				100*float64(found.any)/float64(s.runs), 100*float64(found.sets)/float64(s.runs), found.bound(), found.names)
			require.LessOrEqual(t, found.any, mostAlarms(s.runs, 0.05))
			require.LessOrEqual(t, found.sets, s.runs/1_000)
			if full() {
				require.LessOrEqual(t, found.bound(), 0.001)
			}
		})
	}
}

// At the small levels of many columns no approximation may be off, least of all where the
// expected counts are small and differ and one side is far larger.
func TestSimulation_FewLevels(t *testing.T) {
	t.Parallel()
	const columns = 1000
	populations := [][]float64{{0.9, 0.1}, {0.7, 0.1, 0.1, 0.1}}
	runs, references := 6, 1
	if full() {
		populations = append(populations, []float64{0.99, 0.01}, []float64{0.8, 0.1, 0.1}, harmonicShares(8))
		runs, references = 400, 8
	}
	for _, shares := range populations {
		for _, size := range [][2]int{{1_000, 50}, {20_000, 50}, {20_000, 300}, {100, 2_000}} {
			t.Run(fmt.Sprintf("levels=%.2g/%d against %d", shares, size[1], size[0]), func(t *testing.T) {
				t.Parallel()
				rng := rand.New(rand.NewPCG(75, uint64(size[0]+size[1])))
				p := population{shares: shares}
				alarms := 0
				var sim simulated
				for run := range runs {
					if run%(runs/references) == 0 {
						sim = simulated{}
						var data []drift.Column
						for i := range columns {
							sim.populations = append(sim.populations, p)
							data = append(data, p.sample(rng, fmt.Sprint(i), size[0]))
						}
						sim.ref = newReference(t, data...)
					}
					if len(detect(t, sim.ref, drift.Config{}, sim.profile(rng, size[1])).DriftedColumns()) > 0 {
						alarms++
					}
				}
				t.Logf("any of %d columns: %d of %d runs", columns, alarms, runs)
				require.LessOrEqual(t, alarms, mostAlarms(runs, 0.05))
			})
		}
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
		{name: "5 % missing at 1000 rows", rows: 1_000, change: shifted(0), found: true,
			spoil: func(counts []int64, rows int) {
				for range rows / 20 {
					counts[slices.Index(counts, slices.Max(counts))]--
				}
			}},
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

// Whether a change of the shares of many levels is drift depends on its size, not on how much
// noise the numbers of rows and levels add to it. Below the floor it is hardly ever drift;
// twice the floor is found wherever there are rows enough to tell, and never called stable.
func TestSimulation_VerdictsDependOnTheEffectAlone(t *testing.T) {
	t.Parallel()
	runs := 20
	if full() {
		runs = 2_000
	}
	sizes := []struct {
		reference, current int
		enough             bool // to find twice the floor
	}{{2_000, 300, false}, {2_000, 1_000, false}, {2_000, 5_000, true}, {20_000, 2_000, true}, {50_000, 50_000, true}}
	for _, levels := range []int{4, 30, 100} {
		shares := equalShares(levels)
		for _, variation := range []float64{0, 0.04, 0.2} {
			changed := population{shares: tilted(shares, 2*variation)}
			for i, size := range sizes {
				t.Run(fmt.Sprintf("levels=%d/variation=%v/%d against %d", levels, variation, size.current, size.reference), func(t *testing.T) {
					t.Parallel()
					rng := rand.New(rand.NewPCG(uint64(levels), uint64(100*variation)+uint64(1000*i)))
					drifted, stable := 0, 0
					var effect, observed float64
					for range runs {
						ref := newReference(t, population{shares: shares}.sample(rng, "x", size.reference))
						c := detect(t, ref, drift.Config{}, simulated{[]population{changed}, ref}.profile(rng, size.current)).Columns[0]
						switch c.Verdict {
						case drift.Drifted:
							drifted++
						case drift.Stable:
							stable++
						}
						effect += c.Tests[0].EffectSize / float64(runs)
						observed += c.Tests[0].Observed / float64(runs)
					}
					t.Logf("drifted %.1f %%, stable %.1f %%, effect %.3f, observed %.3f",
						100*float64(drifted)/float64(runs), 100*float64(stable)/float64(runs), effect, observed)
					if variation < 0.1 {
						require.LessOrEqual(t, drifted, mostAlarms(runs, 0.05))
						require.Less(t, effect, max(variation+0.002, 0.03))
						return
					}
					require.LessOrEqual(t, stable, mostAlarms(runs, 0.05))
					if size.enough {
						require.GreaterOrEqual(t, float64(drifted), 0.95*float64(runs))
					}
				})
			}
		}
	}
}

// The same of numbers: a D of half the floor. Below some hundred rows it cannot be told from
// one of the floor, so it is drift there in as many runs as the significance of such a change
// lets pass, up to a quarter.
func TestSimulation_HalfTheFloorOfD(t *testing.T) {
	t.Parallel()
	runs := 60
	if full() {
		runs = 2_000
	}
	by := 2 * distuv.UnitNormal.Quantile((1+0.05)/2) // at which D is 0.05
	for rows, rate := range map[int]float64{100: 0.25, 300: 0.12, 1_000: 0.05, 5_000: 0.05} {
		t.Run(fmt.Sprintf("rows=%d", rows), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(73, uint64(rows)))
			drifted := 0
			effect, observed := 0.0, 0.0
			for range runs {
				ref := newReference(t, shifted(0).sample(rng, "x", 2_000))
				c := detect(t, ref, drift.Config{}, simulated{[]population{shifted(by)}, ref}.profile(rng, rows)).Columns[0]
				if c.Verdict == drift.Drifted {
					drifted++
				}
				effect += c.Tests[0].EffectSize / float64(runs)
				observed += c.Tests[0].Observed / float64(runs)
			}
			t.Logf("drifted %.1f %%, effect %.3f, observed %.3f", 100*float64(drifted)/float64(runs), effect, observed)
			require.LessOrEqual(t, drifted, mostAlarms(runs, rate))
		})
	}
}

// Levels that the reference happens to lack are no effect of their own.
func TestSimulation_UnseenLevelsAreNoEffect(t *testing.T) {
	t.Parallel()
	p := population{shares: equalShares(1_000)}
	for _, method := range []drift.Method{drift.MethodChiSquare, drift.MethodJensenShannon, drift.MethodHellinger, drift.MethodPSI} {
		rng := rand.New(rand.NewPCG(74, 1))
		effect, observed := 0.0, 0.0
		const runs = 10
		for range runs {
			ref := newReference(t, p.sample(rng, "x", 1_000))
			test := column(t, ref, method, simulated{[]population{p}, ref}.profile(rng, 2_000)).Tests[0]
			effect, observed = effect+test.EffectSize/runs, observed+test.Observed/runs
		}
		require.Less(t, effect, 0.1, method)
		require.Greater(t, observed, 0.3, method)
	}
}
