package drift_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

var benchSizes = []int{1_000, 100_000}

func BenchmarkKolmogorovSmirnov(b *testing.B) {
	for _, n := range benchSizes {
		rng := rand.New(rand.NewPCG(1, 1))
		reference, current := normals(rng, n, 0), normals(rng, n, 0)
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = drift.KolmogorovSmirnov(reference, current)
			}
		})
	}
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

func BenchmarkProfile_Add(b *testing.B) {
	for _, n := range benchSizes {
		rng := rand.New(rand.NewPCG(1, 4))
		columns := []drift.Column{drift.Numeric("x", normals(rng, n, 0))}
		p := newReference(b, drift.Numeric("x", normals(rng, 100_000, 0))).NewProfile()
		b.Run(fmt.Sprintf("columns=1/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(8 * n))
			for b.Loop() {
				_ = p.Add(columns)
			}
		})
	}
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

func BenchmarkProfile_MarshalJSON(b *testing.B) {
	_, p := benchProfile(b)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = json.Marshal(p)
	}
}

func BenchmarkDetector_Detect(b *testing.B) {
	detector, p := benchProfile(b)
	b.Run("columns=10", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = detector.Detect(p)
		}
	})
}
