package registrytest

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/selfheal-ml/selfheal/registry"
)

func concurrencyChecks() []check {
	return []check{
		{
			name:    "Concurrency/RegisterOneKey",
			promise: "Of several Registers with the same key at the same time, one makes the version and all return it.",
			check: func(k *kit) {
				var got [writers]string
				each(func(i int) {
					v, err := k.r.Register(k.ctx(), draft("a"), strings.NewReader(artifact("a")))
					if err != nil {
						k.report("writer %d: %v", i, err)
					}
					got[i] = v.ID
				})
				versions := k.versions(registry.Query{})
				if len(versions) != 1 {
					k.broken("%d versions, want 1", len(versions))
				}
				for i, id := range got {
					if id != versions[0].ID {
						k.broken("writer %d got version %q, want %q", i, id, versions[0].ID)
					}
				}
			},
		},
		{
			name:    "Concurrency/RegisterManyKeys",
			promise: "Registers with different keys at the same time make a version each.",
			check: func(k *kit) {
				each(func(i int) {
					key := strconv.Itoa(i)
					if _, err := k.r.Register(k.ctx(), draft(key), strings.NewReader(artifact(key))); err != nil {
						k.report("writer %d: %v", i, err)
					}
				})
				versions := k.versions(registry.Query{})
				if len(versions) != writers {
					k.broken("%d versions, want %d", len(versions), writers)
				}
				for _, v := range versions {
					k.content(v.ID, registry.ModelFile, artifact(v.Key))
				}
			},
		},
		{
			name:    "Concurrency/OneWinner",
			promise: "Of several promotions at the same time that expect the same version in production, exactly one succeeds, and the others get a ConflictError that names the winner.",
			check: func(k *kit) {
				k.needs(!k.h.Features.NoSwap, "compare-and-set")
				for i := range writers {
					k.register(strconv.Itoa(i))
				}
				errs := make([]error, writers)
				each(func(i int) {
					_, errs[i] = k.r.Transition(k.ctx(), registry.Transition{Version: k.id(i + 1), To: production})
				})
				winner := slices.Index(errs, nil)
				if winner < 0 {
					k.broken("no writer succeeded: %v", errors.Join(errs...))
				}
				id := k.id(winner + 1)
				for i, err := range errs {
					if i == winner {
						continue
					}
					var conflict *registry.ConflictError
					if !errors.As(err, &conflict) || conflict.Actual != id {
						k.broken("version %s won, but the error of writer %d is %v", id, i, err)
					}
				}
				if history := k.history(); len(history) != 1 || history[0].Version != id {
					k.broken("version %s won, but the history is %+v", id, history)
				}
			},
		},
		{
			name:    "Concurrency/NoLostHistory",
			promise: "Of promotions at the same time, none is lost from the history: each displaced the one before it.",
			check: func(k *kit) {
				k.needs(!k.h.Features.NoSwap, "compare-and-set")
				const rounds = 4
				for i := range writers * rounds {
					k.register(strconv.Itoa(i))
				}
				var mu sync.Mutex
				returned := make(map[uint64]registry.Event)
				each(func(i int) {
					for round := range rounds {
						e, err := k.insist(k.id(i*rounds + round + 1))
						if err != nil {
							k.report("writer %d: %v", i, err)
							return
						}
						e.Time = e.Time.UTC()
						mu.Lock()
						returned[e.Seq] = e
						mu.Unlock()
					}
				})
				history := k.history()
				if len(history) != len(returned) {
					k.broken("%d events in the history, want %d", len(history), len(returned))
				}
				before := ""
				for i, e := range history {
					if e.Seq != uint64(i)+1 || e != returned[e.Seq] || e.Displaced != before {
						k.broken("event %+v, want %+v, displacing %q", e, returned[e.Seq], before)
					}
					before = e.Version
				}
				if v, err := registry.InProduction(k.ctx(), k.r); err != nil || v.ID != before {
					k.broken("version %q is in production (error %v), want %q", v.ID, err, before)
				}
			},
		},
		{
			name:    "Concurrency/OneInProduction",
			promise: "Whoever looks while versions are promoted finds exactly one in production.",
			check: func(k *kit) {
				k.needs(!k.h.Features.NoSwap, "compare-and-set")
				for i := range writers {
					k.register(strconv.Itoa(i))
				}
				k.promote(k.id(1), "")
				done := make(chan struct{})
				var readers sync.WaitGroup
				readers.Go(func() {
					for {
						n := 0
						for v, err := range k.r.Versions(k.ctx(), registry.Query{}) {
							if err != nil {
								k.report("versions: %v", err)
								return
							}
							if v.Stage == production {
								n++
							}
						}
						if n != 1 {
							k.report("%d versions in production", n)
							return
						}
						select {
						case <-done:
							return
						default:
						}
					}
				})
				each(func(i int) {
					if i == 0 {
						return // version 1 already is in production
					}
					if _, err := k.insist(k.id(i + 1)); err != nil {
						k.report("writer %d: %v", i, err)
					}
				})
				close(done)
				readers.Wait()
			},
		},
	}
}

// insist promotes the version in the place of whichever is in production, however often
// another writer is faster.
func (k *kit) insist(id string) (registry.Event, error) {
	expect := ""
	for {
		e, err := k.r.Transition(k.ctx(), registry.Transition{Version: id, To: production, Expect: expect})
		var conflict *registry.ConflictError
		if !errors.As(err, &conflict) {
			return e, err
		}
		expect = conflict.Actual
	}
}
