package registry_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
)

func benchmarkLive(b *testing.B, versions int) *registry.Live[string] {
	b.Helper()
	r := registry.NewMemory()
	for i := range versions {
		_, err := r.Register(b.Context(), registry.Draft{Key: fmt.Sprint(i)}, strings.NewReader("model"))
		require.NoError(b, err)
	}
	_, err := r.Transition(b.Context(), registry.Transition{Version: "1", To: registry.Production})
	require.NoError(b, err)
	l, err := registry.NewLive(r, loadText, registry.LiveConfig{})
	require.NoError(b, err)
	require.NoError(b, l.Refresh(b.Context()))
	return l
}

func BenchmarkLive_Get(b *testing.B) {
	l := benchmarkLive(b, 1)
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if l.Get() == nil {
				b.Fatal("nothing loaded")
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if l.Get() == nil {
					b.Error("nothing loaded")
				}
			}
		})
	})
}

// A refresh that finds nothing new is what every replica does at every poll.
func BenchmarkLive_RefreshUnchanged(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			l := benchmarkLive(b, n)
			b.ReportAllocs()
			for b.Loop() {
				if err := l.Refresh(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
