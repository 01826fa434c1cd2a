package healing_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// A service with two models on the same stores: each has a registry, a journal and a loop of
// its own, and both are on one page.
func ExampleHandler() {
	ctx, cancel := context.WithCancel(context.Background())
	var background sync.WaitGroup
	schema := must(predictlog.SchemaOf[Applicant]())
	predictions, truth := predictlog.NewMemoryStore(schema), labels.NewMemoryStore()
	telemetry := healing.NewMemoryTelemetry()
	mux := http.NewServeMux()
	mux.Handle("POST /labels", labels.Handler(truth))

	var loops []*healing.Loop
	var recorders []*predictlog.Recorder
	for _, model := range []string{"credit", "fraud"} {
		versions := registry.NewMemory()
		must(firstModel(versions, schema))

		// The serving side: the records of a model carry its name.
		recorder := must(predictlog.NewRecorder(predictions, predictlog.Config{Model: model}))
		live := must(registry.NewLive(versions, decodeModel, registry.LiveConfig{}))
		if err := live.Refresh(ctx); err != nil {
			panic(err)
		}
		mux.Handle("POST /predict/"+model, recorder.Middleware(predict(schema, live)))

		// The healing side: the loop is about the records of that name.
		loops = append(loops, must(healing.New(healing.Parts{
			Model:       model,
			Predictions: predictions, Labels: truth, Telemetry: telemetry,
			Registry: versions, Journal: new(registry.MemoryLog),
			Trainer: healing.TrainerFunc(train), Load: decodeModel,
		}, healing.Config{})))
		recorders = append(recorders, recorder)
		background.Go(func() { recorder.Run(ctx) })
	}
	mux.Handle("/healing/", http.StripPrefix("/healing", must(healing.Handler(loops...))))

	server := httptest.NewServer(mux)
	defer server.Close()
	for range 3 {
		must(http.Post(server.URL+"/predict/fraud", "application/json", strings.NewReader(`{"income":52000,"age":41,"region":"north"}`))).Body.Close()
	}
	for _, r := range recorders {
		if err := r.Flush(ctx); err != nil {
			panic(err)
		}
	}
	for _, l := range loops {
		if err := l.Tick(ctx, time.Now()); err != nil {
			panic(err)
		}
		s := l.Status()
		fmt.Printf("%s: version %s, %d predictions in 24 h\n", s.Model, s.Production.ID, s.Passes[0].Samples)
	}
	cancel()
	background.Wait()
	// Output:
	// credit: version 1, 0 predictions in 24 h
	// fraud: version 1, 3 predictions in 24 h
}
