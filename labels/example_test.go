package labels_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// applicants returns a store of three predictions, an hour apart.
func applicants(ctx context.Context) (*predictlog.MemoryStore, error) {
	schema, err := predictlog.NewSchema([]predictlog.Column{{Name: "age", Kind: predictlog.Numeric}}, predictlog.Target{})
	if err != nil {
		return nil, err
	}
	store := predictlog.NewMemoryStore(schema)
	for i, id := range []string{"ann", "bob", "cleo"} {
		err := store.Append(ctx, predictlog.Record{
			ID:      id,
			Time:    time.Date(2025, 6, 1, 9+i, 0, 0, 0, time.UTC),
			Version: "v1",
			Row:     predictlog.Row{predictlog.Number(float64(30 + i))},
			Output:  predictlog.Output{Class: "1"},
		})
		if err != nil {
			return nil, err
		}
	}
	return store, nil
}

func ExampleHandler() {
	store := labels.NewMemoryStore()
	mux := http.NewServeMux()
	mux.Handle("POST /labels", labels.Handler(store))

	body := `[
		{"prediction_id": "ann", "class": 1, "time": "2025-07-01T00:00:00Z"},
		{"prediction_id": "bob", "time": "2025-07-01T00:00:00Z"}
	]`
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("POST", "/labels", strings.NewReader(body)))
	fmt.Print(w.Code, " ", w.Body)
	// Output: 422 {"stored":1,"rejected":[{"index":1,"prediction_id":"bob","error":"neither a class nor a value"}]}
}

func ExampleJoin() {
	ctx := context.Background()
	predictions, err := applicants(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	store := labels.NewMemoryStore()
	july := time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC)
	err = store.Append(ctx,
		labels.Label{PredictionID: "ann", Class: "1", Time: july},
		labels.Label{PredictionID: "cleo", Class: "1", Time: july},
		labels.Label{PredictionID: "cleo", Class: "0", Time: july.Add(time.Hour)}, // a correction
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	for e, err := range labels.Join(ctx, predictions, store, predictlog.Query{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s: predicted %s, labelled %t, truth %q\n", e.Record.ID, e.Record.Output.Class, e.Labelled, e.Label.Class)
	}
	// Output:
	// ann: predicted 1, labelled true, truth "1"
	// bob: predicted 1, labelled false, truth ""
	// cleo: predicted 1, labelled true, truth "0"
}

// A model is trained in July. What it was trained on can be collected again at any later
// time, whatever was corrected since.
func ExampleCollectAsOf() {
	ctx := context.Background()
	predictions, err := applicants(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	trained := time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC)
	store := labels.NewMemoryStore()
	err = store.Append(ctx,
		// A store sets the arrival itself; here the past is replayed.
		labels.Label{PredictionID: "ann", Class: "0", Time: trained.AddDate(0, 0, -9), Arrived: trained.AddDate(0, 0, -8)},
		labels.Label{PredictionID: "ann", Class: "1", Time: trained.AddDate(0, 0, 1), Arrived: trained.AddDate(0, 0, 2)},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, moment := range []time.Time{trained, {}} {
		dataset, err := labels.CollectAsOf(ctx, predictions, store, predictlog.Query{}, moment)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(dataset.Examples[0].Record.ID, dataset.Examples[0].Label.Class)
	}
	// Output:
	// ann 0
	// ann 1
}

func ExampleCover() {
	ctx := context.Background()
	predictions, err := applicants(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	store := labels.NewMemoryStore()
	err = store.Append(ctx, labels.Label{PredictionID: "bob", Class: "0", Time: time.Date(2025, 6, 2, 10, 0, 0, 0, time.UTC)})
	if err != nil {
		fmt.Println(err)
		return
	}
	coverage, err := labels.Cover(labels.Join(ctx, predictions, store, predictlog.Query{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d of %d labelled (%.0f %%), half of them within %v\n",
		coverage.Labelled, coverage.Predictions, 100*coverage.Share(), coverage.DelayP50)
	// Output: 1 of 3 labelled (33 %), half of them within 24h0m0s
}

func ExampleCollect() {
	ctx := context.Background()
	predictions, err := applicants(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	store := labels.NewMemoryStore()
	err = store.Append(ctx, labels.Label{PredictionID: "ann", Class: "0", Time: time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		fmt.Println(err)
		return
	}
	dataset, err := labels.Collect(ctx, predictions, store, predictlog.Query{})
	if err != nil {
		fmt.Println(err)
		return
	}
	morning := dataset.Between(time.Time{}, time.Date(2025, 6, 1, 11, 0, 0, 0, time.UTC))
	fmt.Println(len(dataset.Examples), "collected,", len(morning.Examples), "before 11:00,", len(dataset.Labelled().Examples), "labelled")
	fmt.Println("fingerprint changes with the data:", dataset.Fingerprint() != morning.Fingerprint())
	// Output:
	// 3 collected, 2 before 11:00, 1 labelled
	// fingerprint changes with the data: true
}

// A job that needs no more than some hundred rows of a busy month reads all of it and
// keeps those.
func ExampleSampler() {
	sample := labels.NewSampler(3, 1)
	for i := range 1000 {
		sample.Add(labels.Example{Record: predictlog.Record{ID: fmt.Sprint("p", i)}})
	}
	fmt.Println(len(sample.Dataset(nil).Examples), "of", sample.Of())
	// Output: 3 of 1000
}
