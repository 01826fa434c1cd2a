package csvlog_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/csvlog"
)

func ExampleOpen() {
	type Applicant struct {
		Income float64 `json:"income" validate:"gte=0"`
		Region string  `json:"region" validate:"oneof=north south"`
	}
	schema, err := predictlog.SchemaOf[Applicant]()
	if err != nil {
		fmt.Println(err)
		return
	}
	dir, err := os.MkdirTemp("", "predictions")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	store, err := csvlog.Open(dir, schema, csvlog.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	err = store.Append(context.Background(), predictlog.Record{
		ID:      "0190163d-8694-739b-aea5-966c26f8ad91",
		Time:    time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
		Model:   "credit",
		Version: "3",
		Row:     predictlog.Row{predictlog.Number(41000), predictlog.Category("north")},
		Output:  predictlog.Output{Class: "1", Probabilities: []float64{0.25, 0.75}},
		Latency: 1200 * time.Microsecond,
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	files, err := filepath.Glob(filepath.Join(dir, "2026-11-23.*.csv"))
	if err != nil || len(files) != 1 {
		fmt.Println(files, err)
		return
	}
	text, err := os.ReadFile(files[0])
	fmt.Print(string(text))
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// id,time,model,version,income,region,class,p(0),p(1),latency_us,violations,tags
	// 0190163d-8694-739b-aea5-966c26f8ad91,2026-11-23T12:00:00.000000Z,credit,3,41000,north,1,0.25,0.75,1200,,
}
