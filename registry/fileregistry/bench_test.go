package fileregistry_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/fileregistry"
	"github.com/selfheal-ml/selfheal/registry/registrytest"
)

func BenchmarkRegistry(b *testing.B) {
	registrytest.RunBenchmarks(b, func(b *testing.B) registry.Registry { return open(b, b.TempDir()) })
}

// To open a registry reads its whole history.
func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			dir := b.TempDir()
			r := open(b, dir)
			for i := range n {
				register(b, r, fmt.Sprint(i))
			}
			b.ReportAllocs()
			for b.Loop() {
				r, err := fileregistry.Open(dir, fileregistry.Config{})
				require.NoError(b, err)
				_, err = registry.Get(b.Context(), r, "1")
				require.NoError(b, err)
			}
		})
	}
}
