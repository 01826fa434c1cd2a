package healing_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/healing/journaltest"
)

func TestMemoryJournal(t *testing.T) {
	t.Parallel()
	journaltest.Run(t, func(*testing.T) healing.Journal { return healing.NewMemoryJournal() })
}

func TestEntry_HashCoversEverything(t *testing.T) {
	t.Parallel()
	entry := healing.Entry{Seq: 7, Time: epoch, Kind: healing.KindRun, Run: "run-000007", Prev: "ff", Body: json.RawMessage(`{"n":1}`)}
	seen := map[string]string{entry.Hash(): "the original"}
	for name, change := range map[string]func(*healing.Entry){
		"seq":  func(e *healing.Entry) { e.Seq++ },
		"time": func(e *healing.Entry) { e.Time = e.Time.Add(1) },
		"kind": func(e *healing.Entry) { e.Kind = healing.KindPass },
		"run":  func(e *healing.Entry) { e.Run = "run-000008" },
		"prev": func(e *healing.Entry) { e.Prev = "fe" },
		"body": func(e *healing.Entry) { e.Body = json.RawMessage(`{"n":2}`) },
	} {
		changed := entry
		change(&changed)
		require.Empty(t, seen[changed.Hash()], name)
		seen[changed.Hash()] = name
	}
}

// TestLoop_RefusesATamperedJournal changes an entry behind the loop's back.
func TestLoop_RefusesATamperedJournal(t *testing.T) {
	t.Parallel()
	w, _ := deployed(t)
	tampered := &forger{Journal: w.parts.Journal}
	w.parts.Journal = tampered
	_, err := w.loop(t, healing.Config{}).Status(t.Context())
	require.ErrorIs(t, err, healing.ErrCorrupt)
	require.ErrorIs(t, w.loop(t, healing.Config{}).Tick(t.Context(), w.now), healing.ErrCorrupt)
}

// FuzzLoop_AnyEntry has a loop read an entry that something else wrote.
func FuzzLoop_AnyEntry(f *testing.F) {
	f.Add("run", "run-000001", []byte(`{"id":"run-000001","step":"judged","order":{"trigger":"drift"}}`))
	f.Add("run", "run-000001", []byte(`{"id":"run-000001","step":"watching","version":"1","predecessor":"2"}`))
	f.Add("run", "run-000001", []byte(`{"step":"from the future"}`))
	f.Add("pass", "", []byte(`{"samples":-1,"drift":{"verdict":"drifted"}}`))
	f.Add("what", "", []byte(`[]`))
	f.Fuzz(func(t *testing.T, kind, run string, body []byte) {
		w := newWorld(t)
		e := healing.Entry{Seq: 1, Time: epoch, Kind: healing.Kind(kind), Run: run, Body: body}
		if w.parts.Journal.Append(t.Context(), e) != nil {
			return
		}
		l := w.loop(t, healing.Config{})
		_ = l.Tick(t.Context(), w.now) // an error or not, but no panic
		_, _ = l.Status(t.Context())
		require.Empty(t, w.production(t), "nothing is promoted by it")
	})
}
