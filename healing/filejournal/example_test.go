package filejournal_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/healing/filejournal"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "journal")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	journal, err := filejournal.Open(filepath.Join(dir, "journal.jsonl"), filejournal.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer journal.Close()

	// A loop does this; a journal is read by whoever wants to know what happened.
	ctx := context.Background()
	first := healing.Entry{Seq: 1, Kind: healing.KindRun, Run: "run-000001", Body: json.RawMessage(`{"step":"triggered"}`)}
	if err := journal.Append(ctx, first); err != nil {
		log.Fatal(err)
	}
	fmt.Println("again:", journal.Append(ctx, first))
	for e, err := range journal.Entries(ctx, 0) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Seq, e.Run, string(e.Body))
	}
	// Output:
	// again: filejournal: healing: journal entry conflicts with one already written: entry 1 after entry 1
	// 1 run-000001 {"step":"triggered"}
}
