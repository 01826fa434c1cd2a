package filetelemetry_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/healing/filetelemetry"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "telemetry")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := filetelemetry.Open(dir, filetelemetry.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	// A loop does this; telemetry is read by whoever wants to know what was measured.
	ctx := context.Background()
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i := range 3 {
		err := store.Put(ctx, healing.Point{Series: "credit/passes", Time: begin.Add(time.Duration(i) * 5 * time.Minute), Data: []byte(`{"samples":200}`)})
		if err != nil {
			log.Fatal(err)
		}
	}
	for p, err := range store.Scan(ctx, healing.PointQuery{Series: "credit/passes", Last: 2}) {
		fmt.Println(p.Time.Format(time.TimeOnly), string(p.Data), err)
	}
	// Output:
	// 12:05:00 {"samples":200} <nil>
	// 12:10:00 {"samples":200} <nil>
}
