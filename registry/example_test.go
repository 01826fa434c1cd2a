package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/selfheal-ml/selfheal/registry"
)

// threshold is a model of one parameter.
type threshold struct {
	Income float64 `json:"income"`
}

func (m *threshold) Approve(income float64) bool { return income >= m.Income }

func decodeModel(_ context.Context, _ registry.Version, artifact io.Reader) (*threshold, error) {
	m := new(threshold)
	return m, json.NewDecoder(artifact).Decode(m)
}

func ExampleNewLive() {
	ctx := context.Background()
	reg := registry.NewMemory()
	live, err := registry.NewLive(reg, decodeModel, registry.LiveConfig{})
	if err != nil {
		log.Fatal(err)
	}

	current := "" // in production
	for _, artifact := range []string{`{"income": 1000}`, `{"income": 2000}`} {
		v, err := reg.Register(ctx, registry.Draft{Key: artifact}, strings.NewReader(artifact))
		if err != nil {
			log.Fatal(err)
		}
		_, err = reg.Transition(ctx, registry.Transition{Version: v.ID, To: registry.Production, Expect: current})
		if err != nil {
			log.Fatal(err)
		}
		current = v.ID

		// A service starts live.Run(ctx) in a goroutine instead.
		if err := live.Refresh(ctx); err != nil {
			log.Fatal(err)
		}
		loaded := live.Get()
		fmt.Println("version", loaded.Version.ID, "approves:", loaded.Model.Approve(1500))
	}
	// Output:
	// version 1 approves: true
	// version 2 approves: false
}

// Two replicas judge a version each and want to promote it in place of the same one.
func ExampleRegistry_promotion() {
	ctx := context.Background()
	var reg registry.Registry = registry.NewMemory()
	for _, key := range []string{"monday", "tuesday"} {
		_, err := reg.Register(ctx, registry.Draft{Key: key}, strings.NewReader("weights of "+key))
		if err != nil {
			log.Fatal(err)
		}
	}
	for _, id := range []string{"1", "2"} {
		_, err := reg.Transition(ctx, registry.Transition{
			Version: id, To: registry.Production, Expect: "",
			Actor: "replica " + id, Reason: "better on 6 of 6 checks",
		})
		var conflict *registry.ConflictError
		if errors.As(err, &conflict) {
			fmt.Printf("replica %s was late: version %s is in production\n", id, conflict.Actual)
		}
	}
	for e, err := range reg.History(ctx, 0) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d: %s moved version %s from %s to %s: %s\n", e.Seq, e.Actor, e.Version, e.From, e.To, e.Reason)
	}
	// Output:
	// replica 2 was late: version 1 is in production
	// 1: replica 1 moved version 1 from staging to production: better on 6 of 6 checks
}

// The version in production does harm: the one before it takes its place again.
func ExampleRegistry_rollback() {
	ctx := context.Background()
	var reg registry.Registry = registry.NewMemory()
	for _, key := range []string{"good", "harmful"} {
		_, err := reg.Register(ctx, registry.Draft{Key: key}, strings.NewReader("weights of a "+key+" model"))
		if err != nil {
			log.Fatal(err)
		}
	}
	for _, t := range []registry.Transition{
		{Version: "1", To: registry.Production},
		{Version: "2", To: registry.Production, Expect: "1"},
		{Version: "1", To: registry.Production, Expect: "2", Displaced: registry.Quarantined, Reason: "F1 fell to 0.4"},
	} {
		if _, err := reg.Transition(ctx, t); err != nil {
			log.Fatal(err)
		}
	}
	for v, err := range reg.Versions(ctx, registry.Query{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("version", v.ID, "is", v.Stage)
	}
	// Output:
	// version 2 is quarantined
	// version 1 is production
}
