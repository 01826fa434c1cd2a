package csvlabels_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/labels/csvlabels"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "labels")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "labels.csv")
	store, err := csvlabels.Open(path, csvlabels.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()

	july := time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC)
	// A store sets the arrival itself; here it is fixed for the output.
	paid := labels.Label{PredictionID: "ann", Class: "paid", Time: july, Arrived: july.AddDate(0, 0, 1)}
	defaulted := labels.Label{PredictionID: "ann", Class: "defaulted", Time: july.Add(time.Hour), Arrived: july.AddDate(0, 0, 8)}
	if err := store.Append(context.Background(), paid, paid, defaulted); err != nil {
		fmt.Println(err)
		return
	}
	content, err := os.ReadFile(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", content)
	// Output:
	// prediction_id,class,value,time,arrived
	// ann,paid,,2025-07-01T00:00:00.000000Z,2025-07-02T00:00:00.000000Z
	// ann,defaulted,,2025-07-01T01:00:00.000000Z,2025-07-09T00:00:00.000000Z
}
