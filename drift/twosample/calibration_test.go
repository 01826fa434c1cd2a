package twosample_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/multivariate"
	"github.com/selfheal-ml/selfheal/drift/twosample"
)

const (
	calibrationAlpha = 0.05
	calibrationSeed  = 20250203
	// calibrationDeviations is how many standard deviations the band is wide on either side:
	// of some 150 rates one outside it by chance is expected in ten runs with other seeds.
	calibrationDeviations = 3.3
)

var calibrationSizes = []size{{20, 20}, {50, 500}, {200, 1000}, {500, 500}, {1000, 100}, {5000, 5000}}

type size struct{ n, m int }

func (s size) String() string { return fmt.Sprintf("%d/%d", s.n, s.m) }

// calibrationRuns is the number of simulated pairs for each rate: few, unless somebody
// reads the tables.
func calibrationRuns() int {
	if full() || testing.Verbose() {
		return 2000
	}
	return 100
}

// law draws one value. Values of a categorical law are 0, 1, 2, ...
type law func(rng *rand.Rand) float64

func normalLaw(shift float64) law {
	return func(rng *rand.Rand) float64 { return rng.NormFloat64() + shift }
}

func categoricalLaw(shares ...float64) law {
	return func(rng *rand.Rand) float64 {
		u := rng.Float64()
		for i, share := range shares {
			if u -= share; u < 0 {
				return float64(i)
			}
		}
		return float64(len(shares) - 1)
	}
}

func draw(rng *rand.Rand, n int, l law) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = l(rng)
	}
	// All methods sort, and none depends on the order. Sorting once saves half of the time.
	slices.Sort(values)
	return values
}

// onCounts makes a method on counts one on categories 0, 1, 2, ...
func onCounts(f countMethod) sampleMethod {
	return func(reference, current []float64) (drift.Result, error) {
		const most = 8
		var r, c [most]int
		for _, x := range reference {
			r[int(x)]++
		}
		for _, x := range current {
			c[int(x)]++
		}
		return f(r[:], c[:])
	}
}

func onRates(f func(reference, current [2]int) (drift.Result, error)) sampleMethod {
	return onCounts(func(r, c []int) (drift.Result, error) {
		return f([2]int{r[1], r[0]}, [2]int{c[1], c[0]})
	})
}

type calibratedMethod struct {
	name     string
	f        sampleMethod
	cautious bool // exact on a discrete scale, on which 5 % may not be a level
}

var (
	omnibusMethods = []calibratedMethod{
		{"KolmogorovSmirnov", drift.KolmogorovSmirnov[float64], true},
		{"CramerVonMises", twosample.CramerVonMises[float64], false},
		{"AndersonDarling", twosample.AndersonDarling[float64], false},
		{"MannWhitney", twosample.MannWhitney[float64], false},
		{"EppsSingleton", twosample.EppsSingleton[float64], false},
	}
	// The t tests are calibrated for means that are nearly normal, which means of twenty
	// log-normal values are not.
	meanMethods = []calibratedMethod{
		{"WelchT", twosample.WelchT[float64], false},
		{"StudentT", twosample.StudentT[float64], false},
	}
	categoryMethods = []calibratedMethod{
		{"ChiSquare", onCounts(drift.ChiSquare[int]), false},
		{"GTest", onCounts(drift.GTest[int]), false},
	}
	rateMethods = []calibratedMethod{
		{"FisherExact", onRates(twosample.FisherExact), true},
		{"TwoProportionZ", onRates(twosample.TwoProportionZ), false},
	}
)

// calibrationCases are the null distributions with the methods that fit them.
var calibrationCases = []struct {
	name    string
	law     law
	methods []calibratedMethod
}{
	{"normal", normalLaw(0), slices.Concat(omnibusMethods, meanMethods)},
	{"log-normal", func(rng *rand.Rand) float64 { return math.Exp(rng.NormFloat64()) }, omnibusMethods},
	{"few-valued", func(rng *rand.Rand) float64 { return math.Floor(3 * rng.ExpFloat64()) }, omnibusMethods},
	{"categorical", categoricalLaw(0.4, 0.3, 0.2, 0.1), categoryMethods},
	{"yes or no", categoricalLaw(0.7, 0.3), rateMethods},
}

// alarmRate is how often a method is significant at 5 %.
type alarmRate struct {
	rate   float64 // among the pairs of which it does not warn
	judged int     // their number
	all    float64 // among all pairs
}

// excluded says that the method warns of most pairs, so that its rate is held to nothing.
func (a alarmRate) excluded(runs int) bool { return a.judged < runs/2 }

// alarms simulates pairs of samples and returns the rates of the methods.
func alarms(t *testing.T, seed uint64, runs int, s size, reference, current law, methods []calibratedMethod) []alarmRate {
	t.Helper()
	found, counted, warned := make([]atomic.Int64, len(methods)), make([]atomic.Int64, len(methods)), make([]atomic.Int64, len(methods))
	var next atomic.Int64
	var group sync.WaitGroup
	failed := make(chan error, runs*len(methods))
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for run := next.Add(1); run <= int64(runs); run = next.Add(1) {
				rng := rand.New(rand.NewPCG(seed, uint64(run)))
				r, c := draw(rng, s.n, reference), draw(rng, s.m, current)
				for i, m := range methods {
					got, err := m.f(r, c)
					if err != nil {
						failed <- err
						continue
					}
					significant := got.PValue <= calibrationAlpha
					if len(got.Warnings) > 0 {
						if significant {
							warned[i].Add(1)
						}
						continue
					}
					counted[i].Add(1)
					if significant {
						found[i].Add(1)
					}
				}
			}
		})
	}
	group.Wait()
	close(failed)
	for err := range failed {
		require.NoError(t, err)
	}
	rates := make([]alarmRate, len(methods))
	for i := range rates {
		alarms, judged := float64(found[i].Load()), int(counted[i].Load())
		rates[i] = alarmRate{
			rate:   alarms / float64(judged),
			judged: judged,
			all:    (alarms + float64(warned[i].Load())) / float64(runs),
		}
	}
	return rates
}

// TestCalibration_FalseAlarms prints the rate of false alarms at 5 % of each method with a
// p-value for each kind of data and pair of sizes, and fails where it is outside the
// binomial band around 5 %, only above it for exact tests on a discrete scale and at 20
// against 20 values. Methods on values judge all pairs. Pairs of which a method on counts warns
// are left out: it has said that its p-value is a rough guide. Where it warns of most pairs,
// as the tests on four categories do at 20 against 20, nothing is required, and the table
// has the rate of all pairs with a star.
//
// It simulates 200 pairs for each rate, or with -v 2000, which takes half a minute on two
// cores.
func TestCalibration_FalseAlarms(t *testing.T) {
	runs := calibrationRuns()
	for kind, c := range calibrationCases {
		rates := map[size][]alarmRate{}
		var outside []string
		for i, s := range calibrationSizes {
			rates[s] = alarms(t, calibrationSeed+uint64(10*kind+i), runs, s, c.law, c.law, c.methods)
			for j, m := range c.methods {
				got := rates[s][j]
				if c.name != "categorical" && c.name != "yes or no" {
					require.Equal(t, runs, got.judged, "%s at %v", m.name, s)
				}
				if got.excluded(runs) {
					continue
				}
				band := calibrationDeviations * math.Sqrt(calibrationAlpha*(1-calibrationAlpha)/float64(got.judged))
				// Of so few values all exact tests have few p-values, and Epps and
				// Singleton's correction is too strong.
				cautious := m.cautious || s == size{20, 20}
				if got.rate > calibrationAlpha+band || !cautious && got.rate < calibrationAlpha-band {
					outside = append(outside, fmt.Sprintf("%s at %v: %.2f %%", m.name, s, 100*got.rate))
				}
			}
		}
		t.Logf("%s, %d pairs, false alarms in %% (*: warns of most pairs, not required):\n%s", c.name, runs, rateTable(c.methods, runs, rates))
		require.Empty(t, outside, "%s: outside the band around 5 %%", c.name)
	}
}

// rateTable has a line for each method and a column for each pair of sizes.
func rateTable(methods []calibratedMethod, runs int, rates map[size][]alarmRate) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-18s", "")
	for _, s := range calibrationSizes {
		fmt.Fprintf(&b, "%11v", s)
	}
	for i, m := range methods {
		fmt.Fprintf(&b, "\n%-18s", m.name)
		for _, s := range calibrationSizes {
			if r := rates[s][i]; r.excluded(runs) {
				fmt.Fprintf(&b, "%10.2f*", 100*r.all)
			} else {
				fmt.Fprintf(&b, "%11.2f", 100*r.rate)
			}
		}
	}
	return b.String()
}

// TestCalibration_MMD does the same for the permutation test, whose rate is 5 % by
// construction, with the kernel and with random features. Without -v, large samples are left
// out.
func TestCalibration_MMD(t *testing.T) {
	for i, s := range calibrationSizes {
		cfg, runs := multivariate.MMDConfig{Permutations: 99}, calibrationRuns()
		if s.n+s.m > 1000 && runs < 2000 {
			continue
		}
		if s.n+s.m > 100 {
			cfg.Features = 16
		}
		method := calibratedMethod{"MMD", onRows(cfg), false}
		rates := alarms(t, calibrationSeed+100+uint64(i), runs, s, normalLaw(0), normalLaw(0), []calibratedMethod{method})
		t.Logf("normal, %v, %d features, %d pairs: %.2f %% false alarms", s, cfg.Features, runs, 100*rates[0].rate)
		band := calibrationDeviations * math.Sqrt(calibrationAlpha*(1-calibrationAlpha)/float64(runs))
		require.InDelta(t, calibrationAlpha, rates[0].rate, band)
	}
}

// onRows makes MMD a method on one column.
func onRows(cfg multivariate.MMDConfig) sampleMethod {
	return func(reference, current []float64) (drift.Result, error) {
		cfg := cfg
		cfg.Seed = math.Float64bits(reference[0]) // so that runs differ
		return multivariate.MMD(rowsOf(reference), rowsOf(current), cfg)
	}
}

func rowsOf(values []float64) [][]float64 {
	rows := make([][]float64, len(values))
	for i := range rows {
		rows[i] = values[i : i+1]
	}
	return rows
}

// TestCalibration_Power prints the power at 5 % beside that of SciPy's tests, which
// testdata/scipy_two_sample.py found by simulation, and fails where both differ by more than
// chance explains. It simulates as many pairs as TestCalibration_FalseAlarms.
func TestCalibration_Power(t *testing.T) {
	v := readTwoSampleVectors(t)
	runs := calibrationRuns()
	for i, c := range v.Power {
		var before, after law
		var methods []calibratedMethod
		var change string
		switch {
		case c.Change.NormalShift > 0:
			before, after = normalLaw(0), normalLaw(c.Change.NormalShift)
			methods = slices.Concat(omnibusMethods, meanMethods)
			change = fmt.Sprintf("a shift by %v standard deviations", c.Change.NormalShift)
		case c.Change.Categories != nil:
			before, after = categoricalLaw(0.4, 0.3, 0.2, 0.1), categoricalLaw(c.Change.Categories...)
			methods, change = categoryMethods, fmt.Sprintf("shares 0.4, 0.3, 0.2, 0.1 to %v", c.Change.Categories)
		default:
			before, after = categoricalLaw(0.7, 0.3), categoricalLaw(1-c.Change.Rate, c.Change.Rate)
			methods, change = rateMethods, fmt.Sprintf("a rate of 0.3 to %v", c.Change.Rate)
		}
		s := size{c.N, c.M}
		rates := alarms(t, calibrationSeed+200+uint64(i), runs, s, before, after, methods)
		var b strings.Builder
		for j, m := range methods {
			theirs, ok := c.Power[m.name]
			require.True(t, ok, m.name)
			if rates[j].excluded(runs) {
				fmt.Fprintf(&b, "\n%-18s  warns   (SciPy %5.1f)", m.name, 100*theirs)
				continue
			}
			fmt.Fprintf(&b, "\n%-18s %5.1f    (SciPy %5.1f)", m.name, 100*rates[j].rate, 100*theirs)
			if m.name == "EppsSingleton" && s.n != s.m {
				continue // theirs owes its power to false alarms
			}
			noise := math.Sqrt(theirs * (1 - theirs) * (1/float64(rates[j].judged) + 1/float64(v.PowerRuns)))
			require.InDelta(t, theirs, rates[j].rate, 4*noise, "%s at %v", m.name, s)
		}
		t.Logf("%v, %s, power in %%:%s", s, change, b.String())
	}
}
