package predictlog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// Applicant is what the model of the examples is asked about.
type Applicant struct {
	Income float64 `json:"income" validate:"gte=0"`
	Age    float64 `json:"age" validate:"gte=18,lte=120"`
	Region string  `json:"region" validate:"oneof=north south"`
}

func ExampleSchemaOf() {
	schema, err := predictlog.SchemaOf[Applicant]()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range schema.Columns() {
		fmt.Println(c.Name, c.Kind, c.Rule)
	}
	row, err := schema.ParseJSON([]byte(`{"income": 2500, "age": 17, "region": "west"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range schema.Check(row) {
		fmt.Println(v)
	}
	// Output:
	// income numeric gte=0
	// age numeric gte=18,lte=120
	// region categorical oneof=north south
	// age is 17, want gte=18
	// region is west, want oneof=north south
}

func ExampleSchema_ParseJSON() {
	schema, err := predictlog.SchemaOf[Applicant]()
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = schema.ParseJSON([]byte(`{"income": "2500", "age": 1e999}`))
	fmt.Println(err)
	// Output:
	// predictlog: row from JSON: column "income" is "2500", want a number
	// column "age" is 1e999, which is out of the range of a float64
}

// A handler that serves predictions is recorded as it is.
func ExampleRecorder_Middleware() {
	schema, err := predictlog.SchemaOf[Applicant]()
	if err != nil {
		fmt.Println(err)
		return
	}
	store := predictlog.NewMemoryStore(schema)
	recorder, err := predictlog.NewRecorder(store, predictlog.Config{Model: "credit", Version: "3"})
	if err != nil {
		fmt.Println(err)
		return
	}
	predict := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var a Applicant
		if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, `{"prediction": 1, "probability": 0.75}`)
	})
	handler := recorder.Middleware(predict)

	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- recorder.Run(ctx) }()

	request := httptest.NewRequest(http.MethodPost, "/predict", strings.NewReader(`{"income": 2500, "age": 30, "region": "north"}`))
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	fmt.Println("the client gets", answer.Body)

	stop()
	if err := <-done; err != nil {
		fmt.Println(err)
	}
	for r, err := range store.Scan(context.Background(), predictlog.Query{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("row", r.Row, "answered", r.Output.Class, r.Output.Probabilities, "by", r.Model, r.Version)
		fmt.Println("the client knows its ID:", r.ID == answer.Header().Get(predictlog.IDHeader))
	}
	// Output:
	// the client gets {"prediction": 1, "probability": 0.75}
	// row [2500 30 north] answered 1 [0.25 0.75] by credit 3
	// the client knows its ID: true
}

// A handler that knows its row and output says so, and no body is decoded.
func ExampleAnnotate() {
	schema, err := predictlog.SchemaOf[Applicant]()
	if err != nil {
		fmt.Println(err)
		return
	}
	store := predictlog.NewMemoryStore(schema)
	recorder, err := predictlog.NewRecorder(store, predictlog.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := recorder.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		predictlog.Annotate(r.Context(), predictlog.Annotation{
			Model: "credit", Version: "3",
			Row:    predictlog.Row{predictlog.Number(2500), predictlog.Missing(), predictlog.Category("north")},
			Output: &predictlog.Output{Class: "0"},
			Tags:   map[string]string{"tenant": "a"},
		})
		fmt.Fprintln(w, "<p>Sorry</p>")
	}))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/predict?income=2500&region=north", nil))

	ctx, stop := context.WithCancel(context.Background())
	stop() // Run writes what is queued, and returns
	if err := recorder.Run(ctx); err != nil {
		fmt.Println(err)
		return
	}
	for r, err := range store.Scan(context.Background(), predictlog.Query{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(r.Row, r.Output.Class, r.Model, r.Version, r.Tags)
	}
	// Output:
	// [2500 missing north] 0 credit 3 map[tenant:a]
}

// A program that answers without HTTP records explicitly.
func ExampleRecorder_Record() {
	schema, err := predictlog.NewSchema([]predictlog.Column{
		{Name: "area", Kind: predictlog.Numeric, Rule: "gt=0"},
	}, predictlog.Target{Task: predictlog.Regression})
	if err != nil {
		fmt.Println(err)
		return
	}
	store := predictlog.NewMemoryStore(schema)
	recorder, err := predictlog.NewRecorder(store, predictlog.Config{Model: "price", Version: "1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := recorder.Record(context.Background(), predictlog.Record{
		ID:     "flat-7",
		Time:   time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC),
		Row:    predictlog.Row{predictlog.Number(54)},
		Output: predictlog.Output{Value: 180000},
	})
	fmt.Println(id, err)

	ctx, stop := context.WithCancel(context.Background())
	stop()
	fmt.Println(recorder.Run(ctx), recorder.Stats().Recorded)
	// Output:
	// flat-7 <nil>
	// <nil> 1
}
