package drift_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

var benchSizes = []int{1_000, 100_000}

func BenchmarkKolmogorovSmirnov(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000, 1_000_000} {
		reference, current := drawn("log-normal", 1, n), drawn("log-normal", 2, n)
		run := func(name string) {
			b.Run(fmt.Sprintf("%s=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_, _ = drift.KolmogorovSmirnov(reference, current)
				}
			})
		}
		run("n")
		for i := range current {
			current[i] *= math.Exp(0.1) // a tenth of the standard deviation of the logarithm
		}
		run("drifted/n")
	}
}

// BenchmarkTable compares 12 columns of a million rows with a reference of as many, on two
// processors: KS, PSI and JS on the cells of a profile, and exact KS on the values.
func BenchmarkTable(b *testing.B) {
	const columns, n = 12, 1_000_000
	var reference, current []drift.Column
	var before, values [columns][]float64
	for i := range columns {
		name := []string{"normal", "log-normal"}[i%2]
		before[i] = drawn(name, uint64(2*i), n)
		values[i] = drawn(name, uint64(2*i+1), n)
		reference = append(reference, drift.Numeric(fmt.Sprint(i), before[i]))
		current = append(current, drift.Numeric(fmt.Sprint(i), values[i]))
	}
	ref := newReference(b, reference...)
	b.Run("cells/columns=12/n=1000000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p := ref.NewProfile()
			_ = p.Add(current)
			for _, name := range ref.Names() {
				_, _ = p.Compare(name, drift.MethodKS)
				_, _ = p.Compare(name, drift.MethodPSI)
				_, _ = p.Compare(name, drift.MethodJensenShannon)
			}
		}
	})
	b.Run("exact/columns=12/n=1000000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for i := range columns {
				_, _ = drift.KolmogorovSmirnov(before[i], values[i])
			}
		}
	})
}

func BenchmarkWasserstein1(b *testing.B) {
	for _, n := range benchSizes {
		rng := rand.New(rand.NewPCG(1, 2))
		reference, current := normals(rng, n, 0), normals(rng, n, 0)
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = drift.Wasserstein1(reference, current)
			}
		})
	}
}

func BenchmarkPSI(b *testing.B) {
	for _, cells := range []int{10, 1024} {
		reference, current := make([]int, cells), make([]int, cells)
		for i := range reference {
			reference[i], current[i] = 1000+i, 1000+7*i%13
		}
		b.Run(fmt.Sprintf("cells=%d", cells), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = drift.PSI(reference, current)
			}
		})
	}
}

func BenchmarkNewReference(b *testing.B) {
	for _, n := range benchSizes {
		columns := tenColumns(rand.New(rand.NewPCG(1, 3)), n)
		b.Run(fmt.Sprintf("columns=10/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = drift.NewReference(columns, drift.ReferenceConfig{})
			}
		})
	}
}

// BenchmarkProfile_Add has so many values that no branch predictor learns them by heart.
func BenchmarkProfile_Add(b *testing.B) {
	const n = 1_000_000
	add := func(name string, values, reference []float64) {
		columns := []drift.Column{drift.Numeric("x", values)}
		p := newReference(b, drift.Numeric("x", reference)).NewProfile()
		b.Run(fmt.Sprintf("%s/n=%d", strings.ReplaceAll(name, " ", "-"), n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(8 * n)
			for b.Loop() {
				_ = p.Add(columns)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/value")
		})
	}
	for _, name := range []string{"normal", "log-normal", "orders of magnitude", "mostly zero", "few values", "clusters"} {
		add(name, drawn(name, 1, n), drawn(name, 2, 100_000))
	}
	missing := drawn("normal", 1, n)
	rng := rand.New(rand.NewPCG(1, 7))
	for i := range missing {
		if rng.IntN(20) == 0 {
			missing[i] = math.NaN()
		}
	}
	add("5 percent missing", missing, drawn("normal", 2, 100_000))
	left := drawn("normal", 1, n)
	for i := range left {
		left[i] += 5
	}
	add("beyond the reference", left, drawn("normal", 2, 100_000))
}

func benchProfile(b *testing.B) (*drift.Detector, *drift.Profile) {
	b.Helper()
	rng := rand.New(rand.NewPCG(1, 5))
	ref := newReference(b, tenColumns(rng, 20_000)...)
	detector, err := drift.NewDetector(ref, drift.Config{})
	require.NoError(b, err)
	return detector, profileOf(b, ref, tenColumns(rng, 5_000)...)
}

func BenchmarkProfile_Merge(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 6))
	ref := newReference(b, tenColumns(rng, 20_000)...)
	total, p := ref.NewProfile(), profileOf(b, ref, tenColumns(rng, 5_000)...)
	b.ReportAllocs()
	for b.Loop() {
		_ = total.Merge(p)
	}
}

func BenchmarkProfile_Marshal(b *testing.B) {
	_, p := benchProfile(b)
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = json.Marshal(p)
		}
	})
	b.Run("binary", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = p.MarshalBinary()
		}
	})
}

func BenchmarkDetector_Detect(b *testing.B) {
	detector, p := benchProfile(b)
	b.Run("columns=10", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = detector.Detect(p)
		}
	})
	var columns []drift.Column
	for i := range 100 {
		columns = append(columns, drift.Numeric(fmt.Sprint(i), drawn([]string{"normal", "log-normal"}[i%2], uint64(i), 5_000)))
	}
	ref := newReference(b, columns...)
	detector, err := drift.NewDetector(ref, drift.Config{})
	require.NoError(b, err)
	p = profileOf(b, ref, columns...)
	b.Run("columns=100", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = detector.Detect(p)
		}
	})
}
