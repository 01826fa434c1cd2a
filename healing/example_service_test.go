package healing_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/healing/filetelemetry"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/labels/csvlabels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/csvlog"
	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/fileregistry"
)

// Applicant is what the service is asked about.
type Applicant struct {
	Income float64 `json:"income" validate:"gte=0"`
	Age    float64 `json:"age" validate:"gte=18,lte=120"`
	Region string  `json:"region" validate:"oneof=north south"`
}

// service serves predictions and heals itself. Everything it keeps is below dir; run
// starts a part that works in the background.
func service(dir string, run func(func(context.Context) error)) http.Handler {
	// What is predicted, and where the answers and the truth are kept.
	schema := must(predictlog.SchemaOf[Applicant]())
	predictions := must(csvlog.Open(filepath.Join(dir, "predictions"), schema, csvlog.Config{}))
	truth := must(csvlabels.Open(filepath.Join(dir, "labels.csv"), csvlabels.Config{}))
	versions := must(fileregistry.Open(filepath.Join(dir, "registry"), fileregistry.Config{}))
	journal := must(fileregistry.OpenLog(filepath.Join(dir, "journal")))
	telemetry := must(filetelemetry.Open(filepath.Join(dir, "telemetry"), filetelemetry.Config{}))

	// The first model is one that the team has. Later ones are trained and promoted here.
	must(firstModel(versions, schema))

	// The serving side: log every answer, take labels, follow promotions.
	recorder := must(predictlog.NewRecorder(predictions, predictlog.Config{}))
	live := must(registry.NewLive(versions, decodeModel, registry.LiveConfig{}))
	mux := http.NewServeMux()
	mux.Handle("POST /predict", recorder.Middleware(predict(schema, live)))
	mux.Handle("POST /labels", labels.Handler(truth))
	run(recorder.Run)
	run(live.Run)

	// The healing side, in this process or in another.
	loop := must(healing.New(healing.Parts{
		Predictions: predictions, Labels: truth, Registry: versions,
		Journal: journal, Telemetry: telemetry,
		Trainer: healing.TrainerFunc(train), Load: decodeModel,
	}, healing.Config{}))
	mux.Handle("/healing/", http.StripPrefix("/healing", loop.Handler()))
	run(loop.Run)
	return mux
}

// predict is the handler as it was before, but for asking live which model to use.
func predict(schema *predictlog.Schema, live *registry.Live[gate.Model]) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		row, err := schema.ParseJSON(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if broken := schema.Check(row); broken != nil {
			w.WriteHeader(http.StatusUnprocessableEntity)
			json.NewEncoder(w).Encode(broken)
			return
		}
		current := live.Get()
		if current == nil {
			http.Error(w, "no model yet", http.StatusServiceUnavailable)
			return
		}
		outputs, err := current.Model.Predict(r.Context(), []predictlog.Row{row})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{
			"prediction":  outputs[0].Class,
			"probability": outputs[0].Probabilities[1],
			"version":     current.Version.ID,
		})
	})
}

// A service that logs its predictions, takes labels, and heals itself.
func Example_service() {
	dir := must(os.MkdirTemp("", "service"))
	defer os.RemoveAll(dir)

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	running := 0
	handler := service(dir, func(part func(context.Context) error) {
		running++
		go func() { done <- part(ctx) }()
	})
	server := httptest.NewServer(handler)

	ask := func(body string) (int, string) {
		for {
			answer := must(http.Post(server.URL+"/predict", "application/json", strings.NewReader(body)))
			text := must(io.ReadAll(answer.Body))
			answer.Body.Close()
			if answer.StatusCode != http.StatusServiceUnavailable { // until live has loaded the model
				return answer.StatusCode, string(bytes.TrimSpace(text))
			}
		}
	}
	fmt.Println(ask(`{"income":52000,"age":41,"region":"north"}`))
	fmt.Println(ask(`{"income":-1,"age":17,"region":"west"}`))

	server.Close()
	cancel()
	for range running {
		if err := <-done; err != nil {
			log.Fatal(err)
		}
	}
	schema := must(predictlog.SchemaOf[Applicant]())
	store := must(csvlog.Open(filepath.Join(dir, "predictions"), schema, csvlog.Config{}))
	defer store.Close()
	for r, err := range store.Scan(context.Background(), predictlog.Query{}) {
		fmt.Println("logged:", r.Row, r.Output.Class, "by version", r.Version, err)
	}
	// Output:
	// 200 {"prediction":"1","probability":0.9,"version":"1"}
	// 422 [{"column":"income","rule":"gte=0","value":"-1"},{"column":"age","rule":"gte=18","value":"17"},{"column":"region","rule":"oneof=north south","value":"west"}]
	// logged: [52000 41 north] 1 by version 1 <nil>
}

// must is for the wiring at the start of a program.
func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// incomeModel says yes above an income. A real model is trained; see train.
type incomeModel struct{ Income float64 }

func (m incomeModel) Predict(ctx context.Context, rows []predictlog.Row) ([]predictlog.Output, error) {
	outputs := make([]predictlog.Output, len(rows))
	for i, row := range rows {
		outputs[i] = predictlog.Output{Class: "0", Probabilities: []float64{0.9, 0.1}}
		if income, _ := row[0].Number(); income > m.Income {
			outputs[i] = predictlog.Output{Class: "1", Probabilities: []float64{0.1, 0.9}}
		}
	}
	return outputs, ctx.Err()
}

func decodeModel(_ context.Context, _ registry.Version, artifact io.Reader) (gate.Model, error) {
	var m incomeModel
	err := json.NewDecoder(artifact).Decode(&m)
	return m, err
}

// train puts the limit at the mean income of those who were accepted.
func train(_ context.Context, req healing.TrainRequest) (healing.Trained, error) {
	var sum, n float64
	for _, e := range req.Data.Examples {
		if income, ok := e.Record.Row[0].Number(); ok && e.Label.Class == "1" {
			sum, n = sum+income, n+1
		}
	}
	if n == 0 {
		return healing.Trained{}, errors.New("nobody was accepted")
	}
	artifact, err := json.Marshal(incomeModel{Income: sum / n})
	return healing.Trained{Artifact: bytes.NewReader(artifact)}, err
}

// firstModel puts the model that the team has into production, with the reference that
// the monitor compares live rows with. When the service starts again, its keys keep it
// from doing so once more.
func firstModel(versions registry.Registry, schema *predictlog.Schema) (registry.Version, error) {
	ctx := context.Background()
	reference, err := healing.ReferenceOf(schema, trainingRows())
	if err != nil {
		return registry.Version{}, err
	}
	v, err := versions.Register(ctx, registry.Draft{
		Key:       "first model",
		Documents: map[string][]byte{healing.ReferenceDocument: reference},
	}, strings.NewReader(`{"income":30000}`))
	if err != nil {
		return registry.Version{}, err
	}
	_, err = versions.Transition(ctx, registry.Transition{
		Version: v.ID, To: registry.Production, Actor: "ann", Reason: "first model", Key: "first model",
	})
	return v, err
}

// trainingRows are what the first model was trained on; a team reads them from a file.
func trainingRows() []predictlog.Row {
	rows := make([]predictlog.Row, 1000)
	for i := range rows {
		rows[i] = predictlog.Row{
			predictlog.Number(float64(20000 + 37*i%40000)),
			predictlog.Number(float64(18 + 7*i%60)),
			predictlog.Category([]string{"north", "south"}[i%2]),
		}
	}
	return rows
}
