package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"strings"
	"testing/fstest"
	"time"

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

// A registry on a store of one's own: a log and blobs, here in memory.
func ExampleNewLedger() {
	ctx := context.Background()
	logbook, blobs := new(registry.MemoryLog), new(registry.MemoryBlobs)
	reg := registry.NewLedger(logbook, blobs)
	if _, err := reg.Register(ctx, registry.Draft{Key: "monday"}, strings.NewReader("weights")); err != nil {
		log.Fatal(err)
	}
	// Another process, on the same store.
	v, err := registry.Find(ctx, registry.NewLedger(logbook, blobs), "monday")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("version", v.ID, "is", v.Stage, "with", v.Files[0].Size, "bytes")
	// Output:
	// version 1 is staging with 7 bytes
}

// A model that is a folder.
func ExampleLoad() {
	ctx := context.Background()
	reg := registry.NewMemory()
	v, err := reg.Register(ctx, registry.Draft{Key: "a", Folder: fstest.MapFS{ // os.DirFS("trained") in earnest
		"weights.json":    {Data: []byte(`{"income": 1000}`)},
		"vocab/words.txt": {Data: []byte("yes no")},
	}}, nil)
	if err != nil {
		log.Fatal(err)
	}
	load := func(_ context.Context, _ registry.Version, artifact io.Reader) (*threshold, error) {
		folder, err := artifact.(*registry.Artifact).Folder()
		if err != nil {
			return nil, err
		}
		weights, err := fs.ReadFile(folder, "weights.json")
		if err != nil {
			return nil, err
		}
		m := new(threshold)
		return m, json.Unmarshal(weights, m)
	}
	model, err := registry.Load(ctx, reg, v, load)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("approves:", model.Approve(1500))
	// Output:
	// approves: true
}

// An operator puts a damaged log in order.
func ExampleRepairLog() {
	ctx := context.Background()
	logbook := new(registry.MemoryLog)
	reg := registry.NewLedger(logbook, new(registry.MemoryBlobs))
	if _, err := reg.Register(ctx, registry.Draft{Key: "a"}, strings.NewReader("weights")); err != nil {
		log.Fatal(err)
	}
	if _, err := logbook.Append(ctx, 2, []byte("garbage")); err != nil { // as a failing disk might
		log.Fatal(err)
	}
	_, err := registry.Find(ctx, reg, "a")
	fmt.Println(err)
	now := time.Date(2025, time.March, 1, 12, 0, 0, 0, time.UTC)
	repair, err := registry.RepairLog(ctx, logbook, "ana", "disk replaced", now)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("kept up to entry %d, set aside up to %d\n", repair.Kept, repair.Aside)
	v, err := registry.Find(ctx, reg, "a")
	fmt.Println("version", v.ID, err)
	// Output:
	// registry: stored data is damaged: entry 2: has 7 bytes, which is too short
	// kept up to entry 1, set aside up to 2
	// version 1 <nil>
}

// A record of one's own that is damaged by nobody unnoticed.
func ExampleNewChain() {
	ctx := context.Background()
	logbook := new(registry.MemoryLog)
	for _, body := range []string{`"opened"`, `"closed"`} {
		chain := registry.NewChain(logbook) // each in another process
		for done := false; !done; {
			err := chain.CatchUp(ctx, func(registry.Link) error { return nil })
			if err == nil {
				_, done, err = chain.Append(ctx, 0, []byte(body))
			}
			if err != nil {
				log.Fatal(err)
			}
		}
	}
	err := registry.NewChain(logbook).CatchUp(ctx, func(l registry.Link) error {
		fmt.Printf("%d: %s\n", l.Seq, l.Body)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1: "opened"
	// 2: "closed"
}

// The files of an old version are deleted. What is known of it stays.
func ExampleLedger_Delete() {
	ctx := context.Background()
	reg := registry.NewMemory()
	current := ""
	for _, key := range []string{"january", "february", "march"} {
		v, err := reg.Register(ctx, registry.Draft{Key: key}, strings.NewReader("weights of "+key))
		if err != nil {
			log.Fatal(err)
		}
		if _, err := reg.Transition(ctx, registry.Transition{Version: v.ID, To: registry.Production, Expect: current}); err != nil {
			log.Fatal(err)
		}
		current = v.ID
	}
	back, err := registry.Predecessor(ctx, reg)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("a rollback goes back to version", back.ID)
	for _, id := range []string{"1", "2"} {
		fmt.Println("delete", id+":", reg.Delete(ctx, registry.Deletion{Version: id, Actor: "ana", Reason: "space"}))
	}
	// Output:
	// a rollback goes back to version 2
	// delete 1: <nil>
	// delete 2: registry: illegal transition: version "2" is what a rollback would go back to, and its files may not be deleted
}
