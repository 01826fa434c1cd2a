package gate_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/internal/multinomial"
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/labels"
)

// simulations returns on how many comparisons each line of a table rests: few, so that
// the tests are quick, or as many as the environment asks for where the numbers matter:
//
//	SELFHEAL_SIMULATIONS=10000 go test ./gate -run ErrorRates -v -timeout 4h
func simulations(t *testing.T, few int) (runs int, full bool) {
	t.Helper()
	text := os.Getenv("SELFHEAL_SIMULATIONS")
	if text == "" {
		return few, false
	}
	runs, err := strconv.Atoi(text)
	require.NoError(t, err, "SELFHEAL_SIMULATIONS")
	require.Positive(t, runs, "SELFHEAL_SIMULATIONS")
	return runs, true
}

// population is what rows are drawn from: a share of them is positive, and a model
// scores slope*y + noise. The models' noises have the correlation rho. A score above 1
// answers positive.
type population struct {
	positive, rho      float64
	production, shadow float64 // the slopes
}

// cells returns the probability of each truth and both answers, as bits.
func (p population) cells() []float64 {
	cells := make([]float64, 8)
	const steps, reach = 500, 8.0
	for i := range steps {
		u := reach * (2*(float64(i)+0.5)/steps - 1) // the common noise
		weight := distuv.UnitNormal.Prob(u) * 2 * reach / steps
		for y, share := range []float64{1 - p.positive, p.positive} {
			answer := func(slope float64) float64 {
				return distuv.UnitNormal.CDF((slope*float64(y) + math.Sqrt(p.rho)*u - 1) / math.Sqrt(1-p.rho))
			}
			a, b := answer(p.production), answer(p.shadow)
			for k, q := range []float64{(1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b} {
				cells[4*y+k] += weight * share * q
			}
		}
	}
	return cells
}

// f1 returns both models' F1.
func f1(cells []float64) (production, shadow float64) {
	positive := cells[4] + cells[5] + cells[6] + cells[7]
	a, b := cells[6]+cells[7], cells[5]+cells[7]
	return 2 * a / (positive + a + cells[2] + cells[3]), 2 * b / (positive + b + cells[1] + cells[3])
}

// lowered returns the population with a shadow that finds so few positives that its F1
// is the given share of production's.
func (p population) lowered(share float64) population {
	production, _ := f1(p.cells())
	lo, hi := 0.0, p.shadow
	for range 30 {
		p.shadow = (lo + hi) / 2
		if _, shadow := f1(p.cells()); shadow < share*production {
			lo = p.shadow
		} else {
			hi = p.shadow
		}
	}
	return p
}

// rowNames are as many IDs as the simulations need.
var rowNames = func() []string {
	names := make([]string, 20_000)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	return names
}()

// draw draws rows with calibrated probabilities.
func (p population) draw(rng *rand.Rand, n int) gate.Evidence {
	answers := func() metrics.Answers {
		return metrics.Answers{Class: make([]int, n), Probability: [][]float64{make([]float64, n), make([]float64, n)}}
	}
	production, shadow := answers(), answers()
	e := gate.Evidence{
		Target:     binary,
		Coverage:   labels.Count{Predictions: n, Labelled: n},
		IDs:        rowNames[:n],
		Truth:      metrics.Answers{Class: make([]int, n)},
		Production: &production,
		Shadow:     shadow,
	}
	common, own := math.Sqrt(p.rho), math.Sqrt(1-p.rho)
	for i := range n {
		y := 0
		if rng.Float64() < p.positive {
			y = 1
		}
		e.Truth.Class[i] = y
		u := rng.NormFloat64()
		answer := func(slope float64, a metrics.Answers) {
			score := slope*float64(y) + common*u + own*rng.NormFloat64()
			if score > 1 {
				a.Class[i] = 1
			}
			odds := p.positive / (1 - p.positive) * math.Exp(slope*score-slope*slope/2)
			a.Probability[1][i] = odds / (1 + odds)
			a.Probability[0][i] = 1 / (1 + odds)
		}
		answer(p.production, production)
		answer(p.shadow, shadow)
	}
	return e
}

// numbers is what rows of a regression are drawn from. Production errs with a standard
// deviation of 1, the shadow with another, and another again on a share of the rows. The
// errors of both have a correlation of 0.5.
type numbers struct {
	usual, rare float64 // the shadow's standard deviations
	share       float64 // of the rows for which rare holds
}

// rareErrors returns the shadow that errs less than production but for a share of the
// rows, on which it errs so much more that its RMSE is the given multiple of production's.
func rareErrors(usual, share, rmse float64) numbers {
	return numbers{usual, math.Sqrt((rmse*rmse - (1-share)*usual*usual) / share), share}
}

// draw draws rows.
func (p numbers) draw(rng *rand.Rand, n int) gate.Evidence {
	production := metrics.Answers{Value: make([]float64, n)}
	e := gate.Evidence{
		Target:     number,
		Coverage:   labels.Count{Predictions: n, Labelled: n},
		IDs:        rowNames[:n],
		Truth:      metrics.Answers{Value: make([]float64, n)},
		Production: &production,
		Shadow:     metrics.Answers{Value: make([]float64, n)},
	}
	for i := range n {
		y, common := 3*rng.NormFloat64(), rng.NormFloat64()
		wrong := func() float64 { return math.Sqrt(0.5) * (common + rng.NormFloat64()) }
		scale := p.usual
		if rng.Float64() < p.share {
			scale = p.rare
		}
		e.Truth.Value[i], production.Value[i], e.Shadow.Value[i] = y, y+wrong(), y+scale*wrong()
	}
	return e
}

// oracle are draws of a statistic under populations that no test of given rows knows. A
// line between them makes the best test that there could be.
type oracle struct {
	gain  []float64 // in F1, sorted
	ratio []float64 // of the likelihoods of two populations, sorted
}

// consult draws n rows of a population many times. The ratio is that of the alternative
// to the null, so that by Neyman and Pearson no test whatever is better.
func consult(drawn, null, alternative population, n int, seed uint64) oracle {
	const draws = 20_000
	a, b := null.cells(), alternative.cells()
	sampler, counts := multinomial.New(n, drawn.cells(), seed), make([]float64, 8)
	var o oracle
	for range draws {
		sampler.Draw(counts)
		production, shadow := f1(counts)
		if math.IsNaN(production) || math.IsNaN(shadow) {
			production, shadow = 0, 0
		}
		var ratio float64
		for i, c := range counts {
			ratio += c * math.Log(b[i]/a[i])
		}
		o.gain, o.ratio = append(o.gain, shadow-production), append(o.ratio, ratio)
	}
	slices.Sort(o.gain)
	slices.Sort(o.ratio)
	return o
}

// upper returns the line that a share alpha of the sorted values is above.
func upper(sorted []float64, alpha float64) float64 {
	return sorted[len(sorted)-1-int(alpha*float64(len(sorted)))]
}

// above returns the share of the sorted values that is above the line.
func above(sorted []float64, line float64) float64 {
	i, _ := slices.BinarySearchFunc(sorted, line, func(v, line float64) int {
		if v <= line {
			return -1
		}
		return 1
	})
	return 1 - float64(i)/float64(len(sorted))
}

// atMost requires that a count is not above what a probability of at most p explains
// once in ten thousand such tests.
func atMost(t *testing.T, p float64, count, runs int, what string) {
	t.Helper()
	luck := distuv.Binomial{N: float64(runs), P: p}
	require.Greater(t, 1-luck.CDF(float64(count)-1), 1e-4, "%s: %d of %d, want at most %.1f %%", what, count, runs, 100*p)
}

// atLeast is the opposite of atMost.
func atLeast(t *testing.T, p float64, count, runs int, what string) {
	t.Helper()
	atMost(t, 1-max(p, 0), runs-count, runs, what+", the others")
}

// withDraws returns the criteria with another number of bootstrap draws.
func withDraws(criteria []gate.Criterion, draws int) []gate.Criterion {
	all := slices.Clone(criteria)
	for i, c := range all {
		switch c := c.(type) {
		case gate.Superior:
			c.Draws = draws
			all[i] = c
		case gate.NonInferior:
			c.Draws = draws
			all[i] = c
		}
	}
	return all
}

// stands reports whether a check keeps the shadow from being promoted.
func stands(c gate.Check) bool { return c.Verdict != gate.Pass && c.Verdict != gate.Skipped }

// workers calls do for each of n, two at a time.
func workers(n int, do func(i int)) {
	next := make(chan int)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// TestErrorRates shows how often a shadow of known quality is promoted: by Standard as a
// whole, by its proof of superiority alone, and by Classic, which has no error rate.
// Beside them is what the best conceivable tests would do, which know the populations:
// one of F1 at 5 %, the same if it must also promote at most 1 % of the worse models, and
// one of whatever the answers tell at 5 %. Each share has its standard error. Run it with
// -v for the table.
//
// Below are Standard's two proofs about F1, which bound its error rates, by themselves: of
// classes alone, so that many more comparisons can be made. Package paired's
// TestTilted_SmallLevels is about the small levels that a budget grants.
//
// F1 is 0.443 for production's slope of 1.5, 0.425 for 1.4, which is 4.1 % worse, and
// 0.490 for 1.8. The regressions with "rare errors" err less than production but for 0.5 %
// of the rows, which make their RMSE as large, or 5 % larger: no test of a mean without a
// bound keeps its level for them until such rows are many (Bahadur & Savage 1956).
func TestErrorRates(t *testing.T) {
	t.Parallel()
	runs, full := simulations(t, 20)
	proofRuns := max(runs, 400)
	standard, classic := gate.Standard(), gate.Classic()
	draws, proofDraws := 2000, 2000
	if !full {
		draws, proofDraws = 300, 100
		standard.Criteria = withDraws(standard.Criteria, draws)
	}
	const alpha, harm = 0.05, 0.01 // what Standard promises of equal and of worse models

	type line struct {
		task, shadow string
		rho          float64
		population   interface {
			draw(rng *rand.Rand, n int) gate.Evidence
		}
		n, runs                     int
		ofF1, ofBoth, ofAny         float64
		standard, superior, classic int
	}
	sizes := []int{200, 1000, 5000}
	var equals, worses, betters []*line
	for _, rho := range []float64{0.5, 0.9} {
		for _, n := range sizes {
			equal := population{positive: 0.1, rho: rho, production: 1.5, shadow: 1.5}
			worse, better := equal, equal
			worse.shadow, better.shadow = 1.4, 1.8
			null, bad, good := consult(equal, equal, better, n, 1), consult(worse, equal, better, n, 2), consult(better, equal, better, n, 3)
			bar := upper(null.gain, alpha)
			best := line{
				task: "binary", rho: rho, n: n, runs: runs,
				ofF1:   above(good.gain, bar),
				ofBoth: above(good.gain, max(bar, upper(bad.gain, harm))),
				ofAny:  above(good.ratio, upper(null.ratio, alpha)),
			}
			of := func(shadow string, p population) *line {
				l := best
				l.shadow, l.population = shadow, p
				return &l
			}
			equals, worses, betters = append(equals, of("equal", equal)), append(worses, of("worse", worse)), append(betters, of("better", better))
		}
	}
	superior := gate.Superior{Metric: metrics.Primary, Alpha: alpha, Draws: proofDraws}
	notWorse := gate.NonInferior{Metric: metrics.Primary, Relative: 0.03, Alpha: harm, Draws: proofDraws}
	var proofs []*proofLine
	for _, e := range equals {
		equal := e.population.(population)
		proofs = append(proofs,
			&proofLine{proof: "superior at 5 %", shadow: "equal", population: equal, n: e.n, alpha: alpha, criterion: func(seed uint64) gate.Criterion {
				c := superior
				c.Seed = seed
				return c
			}},
			&proofLine{proof: "loss below 3 % at 1 %", shadow: "3 % worse", population: equal.lowered(0.97), n: e.n, alpha: harm, criterion: func(seed uint64) gate.Criterion {
				c := notWorse
				c.Seed = seed
				return c
			}})
	}
	slices.SortStableFunc(proofs, func(a, b *proofLine) int { return cmp.Compare(b.alpha, a.alpha) })
	lines := slices.Concat(equals, worses, betters)
	for _, c := range []struct {
		shadow     string
		population numbers
	}{
		{"equal", numbers{usual: 1}}, {"worse", numbers{usual: 1.05}}, {"better", numbers{usual: 0.9}},
		{"equal, rare errors", rareErrors(0.8, 0.005, 1)}, {"worse, rare errors", rareErrors(0.8, 0.005, 1.05)},
	} {
		for _, n := range sizes {
			lines = append(lines, &line{task: "regression", shadow: c.shadow, rho: 0.5, population: c.population, n: n, runs: runs})
		}
	}
	workers(len(lines)+len(proofs), func(i int) {
		if i >= len(lines) {
			proofs[i-len(lines)].run(proofRuns, uint64(i-len(lines)))
			return
		}
		l := lines[i]
		if l.n == 5000 && !full {
			l.runs /= 2
		}
		rng := rand.New(rand.NewPCG(uint64(i), 9))
		for range l.runs {
			e := l.population.draw(rng, l.n)
			d := gate.Evaluate(standard, e)
			if d.Outcome == gate.Promote {
				l.standard++
			}
			if slices.ContainsFunc(d.Checks, func(c gate.Check) bool { return c.Proof == gate.ProveBetter && c.Verdict == gate.Pass }) {
				l.superior++
			}
			if !slices.ContainsFunc(classic.Criteria, func(c gate.Criterion) bool { return stands(c.Check(&e)) }) {
				l.classic++
			}
		}
	})

	var table strings.Builder
	fmt.Fprintf(&table, "promoted, in %% ± its standard error; %d bootstrap draws, seeds (line, 9)\n", draws)
	fmt.Fprintf(&table, "task       shadow             rho     n   runs |      Standard      Superior       Classic | best of F1, of F1 and 1 %% of worse, of any\n")
	for _, l := range lines {
		fmt.Fprintf(&table, "%-10s %-18s %3.1f %5d %6d | %s %s %s |", l.task, l.shadow, l.rho, l.n, l.runs,
			rate(l.standard, l.runs), rate(l.superior, l.runs), rate(l.classic, l.runs))
		if l.ofAny > 0 && l.shadow == "better" {
			fmt.Fprintf(&table, " %10.1f %23.1f %7.1f", 100*l.ofF1, 100*l.ofBoth, 100*l.ofAny)
		}
		table.WriteByte('\n')
	}
	fmt.Fprintf(&table, "\nproven, in %% ± its standard error; binary, of classes alone, %d bootstrap draws, seeds line and run\n", proofDraws)
	fmt.Fprintf(&table, "proof                 shadow    rho     n   runs |        proven\n")
	for _, l := range proofs {
		fmt.Fprintf(&table, "%-21s %-9s %3.1f %5d %6d | %s\n", l.proof, l.shadow, l.population.rho, l.n, proofRuns, rate(l.proven, proofRuns))
	}
	t.Log(table.String())

	for _, l := range proofs {
		what := fmt.Sprintf("%s, %s, rho=%.1f, n=%d", l.proof, l.shadow, l.population.rho, l.n)
		atMost(t, l.alpha, l.proven, proofRuns, what)
	}
	for _, l := range lines {
		what := fmt.Sprintf("%s, %s, rho=%.1f, n=%d", l.task, l.shadow, l.rho, l.n)
		switch l.shadow {
		case "equal":
			atMost(t, alpha, l.standard, l.runs, "Standard: "+what)
			atMost(t, alpha, l.superior, l.runs, "Superior: "+what)
			if l.task == "binary" {
				atLeast(t, 2*alpha, l.classic, l.runs, "Classic: "+what)
			}
		case "worse":
			atMost(t, harm, l.standard, l.runs, "Standard: "+what)
		case "better":
			const near = 0.1 // how far below the best is good enough
			if l.task == "regression" {
				continue
			}
			atLeast(t, l.ofF1-near, l.superior, l.runs, "Superior: "+what)
			if l.n == 200 {
				atLeast(t, l.ofBoth-near, l.standard, l.runs, "Standard: "+what)
				continue
			}
			atLeast(t, l.ofF1-near, l.standard, l.runs, "Standard: "+what)
			if l.rho == 0.9 {
				atLeast(t, map[int]float64{1000: 0.65, 5000: 0.99}[l.n], l.standard, l.runs, "Standard: "+what)
			}
		default: // rare errors, which few rows cannot tell of
			if l.n == 200 {
				atLeast(t, 0.2, l.standard, l.runs, "the limit that Standard states: "+what)
			}
		}
	}
}

// proofLine is how often one proof is given, whose chance of passing by luck is to be at
// most alpha for a shadow of the population.
type proofLine struct {
	proof, shadow string
	population    population
	n             int
	alpha         float64
	criterion     func(seed uint64) gate.Criterion
	proven        int
}

// run draws the cells of so many comparisons.
func (l *proofLine) run(runs int, seed uint64) {
	sampler, counts := multinomial.New(l.n, l.population.cells(), seed), make([]float64, 8)
	for run := range runs {
		sampler.Draw(counts)
		var s segmented
		s.add(counts, "all")
		e := s.evidence()
		if l.criterion(uint64(run)).Check(&e).Verdict == gate.Pass {
			l.proven++
		}
	}
}

// rate writes a share with its standard error, in %. Where none or all were counted, that of
// one more or less is shown, because 0 would claim certainty.
func rate(count, runs int) string {
	n := float64(runs)
	p := float64(count) / n
	q := min(max(p, 1/n), max(1-1/n, 0.5))
	return fmt.Sprintf("%6.2f ± %4.2f", 100*p, 100*math.Sqrt(q*(1-q)/n))
}

// TestNonInferior_ErrorRate has a shadow whose F1 is lower by just the margin, on as few
// rows as Standard takes: nearly the level must be passed, neither more nor far less.
func TestNonInferior_ErrorRate(t *testing.T) {
	t.Parallel()
	runs, full := simulations(t, 150)
	draws := 2000
	if !full {
		draws = 100
	}
	const alpha, rows = 0.1, 200
	l := proofLine{
		population: population{positive: 0.1, rho: 0.5, production: 1.5, shadow: 1.5}.lowered(0.97), n: rows,
		criterion: func(seed uint64) gate.Criterion {
			return gate.NonInferior{Metric: metrics.F1, Relative: 0.03, Alpha: alpha, Draws: draws, Seed: seed}
		},
	}
	l.run(runs, 1)
	passed := l.proven
	t.Logf("a loss of just the margin is ruled out in %.2f %% of %d", 100*float64(passed)/float64(runs), runs)
	atMost(t, alpha, passed, runs, "ruled out")
	atLeast(t, 0.7*alpha, passed, runs, "ruled out")
}

// TestSegmentErrorRates shows how often Segments vetoes a shadow that is worse nowhere,
// and one whose F1 in one of twenty segments is 20 % lower than production's, because it
// finds fewer of the positive rows. Beside it is how often the best conceivable tests
// would find that at the level of Holm's first step. Run it with -v for the table.
func TestSegmentErrorRates(t *testing.T) {
	t.Parallel()
	runs, full := simulations(t, 20)
	const alpha, segments = 0.05, 20
	proven := gate.SegmentVeto{Metric: metrics.F1, MaxDrop: 0.05, MinRows: 30, Alpha: alpha}
	point := gate.SegmentVeto{Metric: metrics.F1, MaxDrop: 0.05, MinRows: 30}
	draws := 2000
	if !full {
		draws = 300
		proven.Draws = draws
	}

	type line struct {
		population    population
		rows          int // of a segment
		worse         bool
		ofF1, ofAny   float64
		proven, point int
		hits          int // vetoes of the segment that is worse
		undecided     int // segments
	}
	var lines []*line
	for _, rho := range []float64{0.5, 0.9} {
		for _, c := range []struct {
			positive float64
			rows     int
			worse    bool
		}{
			{0.1, 50, false}, {0.1, 200, false}, {0.1, 500, false}, {0.5, 500, false},
			{0.1, 500, true}, {1.0 / 3, 500, true}, {0.5, 500, true},
		} {
			lines = append(lines, &line{population: population{c.positive, rho, 1.5, 1.5}, rows: c.rows, worse: c.worse})
		}
	}
	workers(len(lines), func(i int) {
		l := lines[i]
		equal := multinomial.New(l.rows, l.population.cells(), uint64(2*i))
		lowered := l.population.lowered(0.8)
		drop := multinomial.New(l.rows, lowered.cells(), uint64(2*i+1))
		if l.worse {
			null, bad := consult(l.population, l.population, lowered, l.rows, 1), consult(lowered, l.population, lowered, l.rows, 2)
			l.ofF1 = 1 - above(bad.gain, upper(null.gain, 1-alpha/segments))
			l.ofAny = above(bad.ratio, upper(null.ratio, alpha/segments))
		}
		counts := make([]float64, 8)
		for range runs {
			var s segmented
			for k := range segments {
				if l.worse && k == 0 {
					drop.Draw(counts)
				} else {
					equal.Draw(counts)
				}
				s.add(counts, string(rune('a'+k)))
			}
			e := s.evidence()
			check := proven.Check(&e)
			if check.Verdict == gate.Fail {
				l.proven++
			}
			if check.Segments[0].Verdict == gate.Fail {
				l.hits++
			}
			for _, s := range check.Segments {
				if s.Verdict == gate.Undecided {
					l.undecided++
				}
			}
			if point.Check(&e).Verdict == gate.Fail {
				l.point++
			}
		}
	})

	var table strings.Builder
	fmt.Fprintf(&table, "vetoed, in %% of %d comparisons of %d segments; %d bootstrap draws, seeds 2 * line, 2 * line + 1\n", runs, segments, draws)
	fmt.Fprintf(&table, "shadow                       rho positive rows | vetoed  point | its segment, best of F1, of any | too small to tell\n")
	for _, l := range lines {
		shadow, found := "worse nowhere", ""
		if l.worse {
			shadow = "F1 20 % lower in one segment"
			found = fmt.Sprintf("%11.2f %11.1f %7.1f", 100*float64(l.hits)/float64(runs), 100*l.ofF1, 100*l.ofAny)
		}
		fmt.Fprintf(&table, "%-28s %3.1f %6.0f %% %4d | %6.2f %6.2f | %-31s | %.1f\n", shadow, l.population.rho, 100*l.population.positive, l.rows,
			100*float64(l.proven)/float64(runs), 100*float64(l.point)/float64(runs), found, 100*float64(l.undecided)/float64(runs*segments))
	}
	t.Log(table.String())

	for _, l := range lines {
		what := fmt.Sprintf("rho=%.1f, %.0f %% positive, %d rows", l.population.rho, 100*l.population.positive, l.rows)
		if !l.worse {
			atMost(t, alpha, l.proven, runs, what)
			if l.population.positive == 0.1 {
				atLeast(t, 0.5, l.point, runs, "point estimate: "+what)
			}
			continue
		}
		atLeast(t, min(0.9, l.ofF1-0.1), l.hits, runs, what)
	}
}

// segmented builds evidence of classes alone, segment by segment.
type segmented struct {
	truth, production, shadow []int
	segments                  []string
}

// add appends as many rows of each cell as counted.
func (s *segmented) add(counts []float64, segment string) {
	rows := 0
	for _, c := range counts {
		rows += int(c)
	}
	s.truth, s.production = slices.Grow(s.truth, rows), slices.Grow(s.production, rows)
	s.shadow, s.segments = slices.Grow(s.shadow, rows), slices.Grow(s.segments, rows)
	for cell, c := range counts {
		for range int(c) {
			s.truth = append(s.truth, cell>>2)
			s.production = append(s.production, cell>>1&1)
			s.shadow = append(s.shadow, cell&1)
			s.segments = append(s.segments, segment)
		}
	}
}

func (s *segmented) evidence() gate.Evidence {
	n := len(s.truth)
	return gate.Evidence{
		Target:     binary,
		Coverage:   labels.Count{Predictions: n, Labelled: n},
		IDs:        rowNames[:n],
		Truth:      metrics.Answers{Class: s.truth},
		Production: &metrics.Answers{Class: s.production},
		Shadow:     metrics.Answers{Class: s.shadow},
		Segments:   map[string][]string{"k": s.segments},
	}
}
