package registrytest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/registrytest"
)

var errFault = errors.New("fault")

// A Faulty that is told to fail nothing is as good as what it wraps.
func TestFaulty_Transparent(t *testing.T) {
	t.Parallel()
	registrytest.Run(t, registrytest.Harness{New: func(*testing.T) registry.Registry {
		return &registrytest.Faulty{Registry: registry.NewMemory()}
	}})
}

// calls are one of each method, which succeed in this order.
func calls(ctx context.Context, r registry.Registry) map[string]func() error {
	return map[string]func() error{
		"Register": func() error {
			_, err := r.Register(ctx, registry.Draft{Key: "b"}, strings.NewReader("b"))
			return err
		},
		"Transition": func() error {
			_, err := r.Transition(ctx, registry.Transition{Version: "1", To: registry.Archived})
			return err
		},
		"Open": func() error {
			f, err := r.Open(ctx, "1", registry.ModelFile)
			if err != nil {
				return err
			}
			return f.Close()
		},
		"Versions": func() (last error) {
			for _, err := range r.Versions(ctx, registry.Query{}) {
				last = err
			}
			return last
		},
		"History": func() (last error) {
			for _, err := range r.History(ctx, 0) {
				last = err
			}
			return last
		},
	}
}

func TestFaulty(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Register", "Transition", "Open", "Versions", "History"} {
		for _, before := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/before=%v", method, before), func(t *testing.T) {
				t.Parallel()
				memory := registry.NewMemory()
				_, err := memory.Register(t.Context(), registry.Draft{Key: "a"}, strings.NewReader("a"))
				require.NoError(t, err)
				var seen []string
				fault := func(n int, method string) error {
					seen = append(seen, method)
					return registrytest.Nth(2, errFault)(n, method)
				}
				faulty := &registrytest.Faulty{Registry: memory}
				if before {
					faulty.Before = fault
				} else {
					faulty.After = fault
				}

				require.NoError(t, calls(t.Context(), faulty)["Versions"]())
				require.ErrorIs(t, calls(t.Context(), faulty)[method](), errFault)
				require.NoError(t, calls(t.Context(), faulty)["Versions"]())
				require.Equal(t, []string{"Versions", method, "Versions"}, seen)

				// Only a fault ahead of a call keeps it from happening.
				_, err = registry.Find(t.Context(), memory, "b")
				require.Equal(t, method == "Register" && !before, err == nil)
				v, err := registry.Get(t.Context(), memory, "1")
				require.NoError(t, err)
				require.Equal(t, method == "Transition" && !before, v.Stage == registry.Archived)
			})
		}
	}
}

// The acknowledgement of a promotion is lost. With a Key it is safe to try again.
func ExampleFaulty() {
	ctx := context.Background()
	reg := &registrytest.Faulty{Registry: registry.NewMemory()}
	reg.After = registrytest.Nth(2, io.ErrUnexpectedEOF)

	v, err := reg.Register(ctx, registry.Draft{Key: "a"}, strings.NewReader("weights"))
	fmt.Println("version", v.ID, err)
	promotion := registry.Transition{Version: v.ID, To: registry.Production, Key: "promote a"}
	for range 2 {
		e, err := reg.Transition(ctx, promotion)
		fmt.Println("event", e.Seq, err)
	}
	// Output:
	// version 1 <nil>
	// event 0 unexpected EOF
	// event 1 <nil>
}
