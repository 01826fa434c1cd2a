package mlflowregistry_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"testing/fstest"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/mlflowregistry"
)

func ExampleOpen() {
	server := startFake() // in place of "mlflow server"
	defer server.Close()

	ctx := context.Background()
	reg, err := mlflowregistry.Open(ctx, mlflowregistry.Config{
		URL:   server.URL, // or MLFLOW_TRACKING_URI
		Model: "credit",
		OnForeign: func(_ context.Context, e registry.Event) {
			fmt.Printf("version %s to %s: %s\n", e.Version, e.To, e.Reason)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, key := range []string{"run-1", "run-2"} {
		_, err := reg.Register(ctx, registry.Draft{
			Key: key,
			Folder: fstest.MapFS{ // os.DirFS of what Python saved
				"MLmodel":   {Data: []byte("flavors: {}")},
				"model.pkl": {Data: []byte("weights of " + key)},
			},
			Tags:    map[string]string{"trainer": "logistic"},
			Metrics: map[string]float64{"f1": 0.74},
		}, nil)
		if err != nil {
			log.Fatal(err)
		}
	}
	_, err = reg.Transition(ctx, registry.Transition{Version: "1", To: registry.Production, Actor: "ana", Reason: "first model"})
	if err != nil {
		log.Fatal(err)
	}
	err = reg.Observe(ctx, "1", time.Now(), map[string]float64{"positive rate": 0.21})
	if err != nil {
		log.Fatal(err)
	}

	// A person moves the alias on MLflow's page, or with its Python client.
	res, err := http.Post(server.URL+"/api/2.0/mlflow/registered-models/alias", "application/json",
		strings.NewReader(`{"name": "credit", "alias": "champion", "version": "2"}`))
	if err != nil {
		log.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		log.Fatal(err)
	}

	current, err := registry.InProduction(ctx, reg)
	if err != nil {
		log.Fatal(err)
	}
	f, err := reg.Open(ctx, current.ID, "model/model.pkl")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("in production: version %s, %s\n", current.ID, content)
	for e, err := range reg.History(ctx, 0) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Seq, e.Actor, "put version", e.Version, "in", e.To)
	}
	// Output:
	// version 2 to production: alias "champion" was set by another client
	// in production: version 2, weights of run-2
	// 1 ana put version 1 in production
	// 2 mlflow put version 2 in production
}
