package mlflowregistry_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/mlflowregistry"
	"github.com/selfheal-ml/selfheal/registry/registrytest"
	"github.com/stretchr/testify/require"
)

var models atomic.Int64

// config returns a Config for a model of this server that no other test has.
func config(server string) mlflowregistry.Config {
	name := fmt.Sprintf("model %d-%d", models.Add(1), time.Now().UnixNano())
	return mlflowregistry.Config{URL: server, Model: name, Backoff: time.Millisecond}
}

func open(tb testing.TB, cfg mlflowregistry.Config) *mlflowregistry.Registry {
	tb.Helper()
	r, err := mlflowregistry.Open(tb.Context(), cfg)
	require.NoError(tb, err)
	return r
}

// harness opens registries of one server and remembers their models.
func harness(server string) registrytest.Harness {
	configs := make(map[registry.Registry]mlflowregistry.Config)
	again := func(t *testing.T, r registry.Registry) registry.Registry {
		other := open(t, configs[r])
		configs[other] = configs[r]
		return other
	}
	return registrytest.Harness{
		New: func(t *testing.T) registry.Registry {
			cfg := config(server)
			r := open(t, cfg)
			configs[r] = cfg
			return r
		},
		Reopen: again,
		Second: again,
		Damage: func(t *testing.T, _ registry.Registry, v registry.Version, file string) {
			f, err := v.File(file)
			require.NoError(t, err)
			put(t, server, f.Blob, make([]byte, f.Size))
		},
	}
}

// TestRegistry_OneProcess runs the kit with one handle, for which every promise holds.
func TestRegistry_OneProcess(t *testing.T) {
	h := harness(newFake(t).URL)
	h.Second = nil
	registrytest.Run(t, h)
}

// TestRegistry_TwoProcesses runs the kit with two, for which MLflow has no compare-and-set.
func TestRegistry_TwoProcesses(t *testing.T) {
	h := harness(newFake(t).URL)
	h.Features.NoSwap = true
	registrytest.Run(t, h)
}
