package blobregistry_test

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"

	"gocloud.dev/blob/memblob"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/blobregistry"
)

// A registry without a database. A service opens its bucket by a URL instead, such as
// "s3://models?region=eu-central-1", with blob.OpenBucket and the driver s3blob.
func Example() {
	ctx := context.Background()
	bucket, err := blobregistry.Open(ctx, memblob.OpenBucket(nil), blobregistry.Config{})
	if err != nil {
		log.Fatal(err)
	}
	reg := bucket.Registry("churn")
	v, err := reg.Register(ctx, registry.Draft{Key: "monday"}, strings.NewReader("weights"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := reg.Transition(ctx, registry.Transition{Version: v.ID, To: registry.Production}); err != nil {
		log.Fatal(err)
	}

	v, err = registry.InProduction(ctx, bucket.Registry("churn")) // as another process has it
	if err != nil {
		log.Fatal(err)
	}
	weights, err := registry.ReadFile(ctx, reg, v.ID, registry.ModelFile)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("version %s: %s\n", v.ID, weights)
	// Output: version 1: weights
}

// One of two replicas trains.
func ExampleBucket_Lease() {
	ctx := context.Background()
	bucket, err := blobregistry.Open(ctx, memblob.OpenBucket(nil), blobregistry.Config{})
	if err != nil {
		log.Fatal(err)
	}
	lease := bucket.Lease("churn")
	for _, replica := range []string{"replica 1", "replica 2"} {
		token, err := lease.Acquire(ctx, replica, time.Minute)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(replica, "has token", token)
	}
	// Output:
	// replica 1 has token 1
	// replica 2 has token 0
}
