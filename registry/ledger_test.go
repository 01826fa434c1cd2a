package registry_test

import (
	"testing"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/registrytest"
)

// memory is a Ledger together with what it is over.
type memory struct {
	*registry.Ledger
	log   registry.Log
	blobs *registry.MemoryBlobs
}

func newMemory(*testing.T) registry.Registry {
	m := memory{log: new(registry.MemoryLog), blobs: new(registry.MemoryBlobs)}
	m.Ledger = registry.NewLedger(m.log, m.blobs)
	return m
}

func again(_ *testing.T, r registry.Registry) registry.Registry {
	m := r.(memory)
	m.Ledger = registry.NewLedger(m.log, m.blobs)
	return m
}

func TestMemory(t *testing.T) {
	t.Parallel()
	registrytest.Run(t, registrytest.Harness{
		New: newMemory, Reopen: again, Second: again,
		Damage: func(t *testing.T, r registry.Registry, v registry.Version, file string) {
			damageBlob(t, r.(memory).blobs, v, file)
		},
	})
}

func TestMemoryLog(t *testing.T) {
	t.Parallel()
	registrytest.RunLog(t, registrytest.LogHarness{New: func(*testing.T) registry.Log { return new(registry.MemoryLog) }})
}

func TestMemoryBlobs(t *testing.T) {
	t.Parallel()
	registrytest.RunBlobs(t, registrytest.BlobsHarness{
		New:      func(*testing.T) registry.Blobs { return new(registry.MemoryBlobs) },
		InMemory: true,
	})
}
