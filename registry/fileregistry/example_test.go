package fileregistry_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/fileregistry"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "models")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	ctx := context.Background()
	reg, err := fileregistry.Open(dir, fileregistry.Config{})
	if err != nil {
		log.Fatal(err)
	}
	v, err := reg.Register(ctx, registry.Draft{
		Key:     "run-2025-03-01",
		Time:    time.Date(2025, time.March, 1, 12, 0, 0, 0, time.UTC),
		Metrics: map[string]float64{"f1": 0.74},
	}, strings.NewReader("weights"))
	if err != nil {
		log.Fatal(err)
	}
	_, err = reg.Transition(ctx, registry.Transition{
		Version: v.ID, To: registry.Production,
		Time: time.Date(2025, time.March, 1, 13, 0, 0, 0, time.UTC), Actor: "ana", Reason: "first model",
	})
	if err != nil {
		log.Fatal(err)
	}

	// Another process opens the same folder, and so does a person with any other tool.
	again, err := fileregistry.Open(dir, fileregistry.Config{})
	if err != nil {
		log.Fatal(err)
	}
	current, err := registry.InProduction(ctx, again)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("in production: version", current.ID, "of", current.Key)

	entry, err := os.ReadFile(filepath.Join(dir, "log", "00000002.json"))
	if err != nil {
		log.Fatal(err)
	}
	var link struct{ Body json.RawMessage }
	if err := json.Unmarshal(entry, &link); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("entry 2: %s\n", link.Body)
	// Output:
	// in production: version 1 of run-2025-03-01
	// entry 2: {"format":1,"moved":{"seq":1,"time":"2025-03-01T13:00:00Z","version":"1","from":"staging","to":"production","actor":"ana","reason":"first model"}}
}

// After a crash, an operator removes what it left behind.
func ExampleOpen_clean() {
	dir, err := os.MkdirTemp("", "models")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	reg, err := fileregistry.Open(dir, fileregistry.Config{})
	if err != nil {
		log.Fatal(err)
	}
	half := filepath.Join(dir, "blobs", "half-written.tmp")
	if err := os.WriteFile(half, []byte("weig"), 0o666); err != nil {
		log.Fatal(err)
	}
	yesterday := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(half, yesterday, yesterday); err != nil {
		log.Fatal(err)
	}

	removed, err := reg.Clean(context.Background(), 24*time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	for _, l := range removed {
		fmt.Println(l.Name, l.Size, "bytes")
	}
	// Output:
	// half-written.tmp 4 bytes
}
