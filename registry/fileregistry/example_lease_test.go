package fileregistry_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/selfheal-ml/selfheal/registry/fileregistry"
)

// Of several processes on one machine, one holds the lease.
func ExampleOpenLease() {
	dir, err := os.MkdirTemp("", "models")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	lease, err := fileregistry.OpenLease(filepath.Join(dir, "lease"))
	if err != nil {
		log.Fatal(err)
	}
	for _, holder := range []string{"blue", "green"} {
		token, err := lease.Acquire(ctx, holder, time.Minute)
		fmt.Println(holder, "got the token", token, err)
	}
	if err := lease.Release(ctx, "blue", 1); err != nil {
		log.Fatal(err)
	}
	token, err := lease.Acquire(ctx, "green", time.Minute)
	fmt.Println("green got the token", token, err)
	// Output:
	// blue got the token 1 <nil>
	// green got the token 0 <nil>
	// green got the token 2 <nil>
}
