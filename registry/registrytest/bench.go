package registrytest

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/selfheal-ml/selfheal/registry"
)

// RunBenchmarks measures the calls that a service and a healing job make to a registry. Open
// returns an empty registry and registers its cleanup with b.
func RunBenchmarks(b *testing.B, open func(b *testing.B) registry.Registry) {
	b.Run("Register", func(b *testing.B) { benchmarkRegister(b, open) })
	b.Run("Transition", func(b *testing.B) { benchmarkTransition(b, open) })
	b.Run("InProduction", func(b *testing.B) { benchmarkInProduction(b, open) })
}

func benchmarkRegister(b *testing.B, open func(b *testing.B) registry.Registry) {
	for _, size := range []int{1 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("n=%d", size), func(b *testing.B) {
			r := open(b)
			content := strings.Repeat("x", size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				_, err := r.Register(b.Context(), registry.Draft{Key: fmt.Sprint(i)}, io.MultiReader(strings.NewReader(content), strings.NewReader(fmt.Sprint(i))))
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchmarkTransition(b *testing.B, open func(b *testing.B) registry.Registry) {
	r := open(b)
	ids := fill(b, r, 2)
	b.ReportAllocs()
	for i := 1; b.Loop(); i++ {
		_, err := r.Transition(b.Context(), registry.Transition{Version: ids[i%2], To: production, Expect: ids[(i+1)%2]})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// benchmarkInProduction measures the call that every replica makes at every poll.
func benchmarkInProduction(b *testing.B, open func(b *testing.B) registry.Registry) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			r := open(b)
			fill(b, r, n)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := registry.InProduction(b.Context(), r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// fill registers n versions, promotes the first and returns their IDs.
func fill(b *testing.B, r registry.Registry, n int) []string {
	b.Helper()
	var ids []string
	for i := range n {
		v, err := r.Register(b.Context(), registry.Draft{Key: fmt.Sprint("filled ", i)}, strings.NewReader(""))
		if err != nil {
			b.Fatal(err)
		}
		ids = append(ids, v.ID)
	}
	if _, err := r.Transition(b.Context(), registry.Transition{Version: ids[0], To: production}); err != nil {
		b.Fatal(err)
	}
	return ids
}
