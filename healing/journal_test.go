package healing_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/registry"
)

// The decision of a run is large: it is in the journal once.
func TestJournal_ADecisionIsRecordedOnce(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	w.centre = 3
	w.days(t, l, 12, 400)
	decisions := map[string]int{}
	for _, e := range w.entries(t) {
		require.Equal(t, e.Run.Step == healing.StepJudged, e.Run.Decision != nil, "%s %s", e.Run.ID, e.Run.Step)
		if e.Run.Decision != nil {
			decisions[e.Run.ID]++
		}
	}
	require.NotEmpty(t, decisions)
	for _, r := range w.runs(t, w.loop(t, healing.Config{})) { // as another process reads it
		if decisions[r.ID] > 0 {
			require.Equal(t, 1, decisions[r.ID])
			require.NotNil(t, r.Decision, "%s %s", r.ID, r.Step)
		}
	}
}

// A run counts the labels that had arrived when it looked, and says when that was, so that
// its data can be made again.
func TestJournal_ARunSaysAsOfWhenItsLabelsAre(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	require.False(t, w.runs(t, l)[0].AsOf.IsZero())
}

// tampered returns the world's journal with one entry changed.
func tampered(w *world, seq uint64) registry.Log {
	return &forger{Log: w.parts.Journal, seq: seq, hand: func(e []byte) []byte {
		return bytes.Replace(e, []byte("selfheal"), []byte("somebody"), 1)
	}}
}

// A damaged journal is reported with its place, does not keep the monitor from its passes,
// and starts no run.
func TestLoop_RefusesATamperedJournal(t *testing.T) {
	t.Parallel()
	w, _ := deployed(t)
	w.pass(t, day, 400, 0)
	before := len(w.entries(t))
	sound := w.parts.Journal
	w.parts.Journal = tampered(w, 2)
	l := w.loop(t, healing.Config{})
	err := l.Refresh(t.Context())
	require.ErrorIs(t, err, registry.ErrCorrupt)
	require.ErrorContains(t, err, "entry 2")
	require.Contains(t, l.Status().Damage, "entry 2")
	require.Contains(t, l.Status().Damage, "see healing.RepairJournal")
	err = l.Tick(t.Context(), w.now)
	require.ErrorIs(t, err, registry.ErrCorrupt)
	require.Equal(t, w.now, l.Status().Passes[0].Time)
	_, err = l.Retrain(t.Context(), "ann", "because", w.now)
	require.ErrorIs(t, err, registry.ErrCorrupt)
	_, body, _ := get(t, l, "")
	require.Contains(t, body, "Stored records are damaged.")
	w.parts.Journal = sound
	require.Len(t, w.entries(t), before)
}

// A person rolls back whatever has become of the journal.
func TestLoop_RollsBackPastADamagedJournal(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	harmful := w.register(t, "harmful", threshold{Falling: true})
	w.promote(t, l, harmful)
	w.parts.Journal = tampered(w, 1)
	l = w.loop(t, healing.Config{})
	_, err := l.Rollback(t.Context(), "1", "ann", "it is not that one", w.now)
	require.ErrorIs(t, err, registry.ErrConflict)
	run, err := l.Rollback(t.Context(), harmful, "ann", "it does harm", w.now)
	require.NoError(t, err)
	require.Equal(t, healing.StepRolledBack, run.Step)
	require.Contains(t, run.Reason, "damaged")
	require.Equal(t, "1", w.production(t))
	v, err := registry.Get(t.Context(), w.parts.Registry, harmful)
	require.NoError(t, err)
	require.Equal(t, registry.Quarantined, v.Stage)
	var last registry.Event
	for e, err := range w.parts.Registry.History(t.Context(), 0) {
		require.NoError(t, err)
		last = e
	}
	require.Equal(t, "ann", last.Actor)
	require.Equal(t, "it does harm", last.Reason)
}

// A repaired journal goes on from the last entry that could be verified, in processes that
// run and in those that start; what was set aside stays where it is.
func TestRepairJournal(t *testing.T) {
	t.Parallel()
	w, _ := deployed(t)
	before := w.entries(t)
	damaged := tampered(w, uint64(len(before)))
	w.parts.Journal = damaged
	l := w.loop(t, healing.Config{})
	require.ErrorIs(t, l.Tick(t.Context(), w.now), registry.ErrCorrupt)

	_, err := healing.RepairJournal(t.Context(), damaged, "", "disk swapped", w.now)
	require.ErrorContains(t, err, "actor")
	repair, err := healing.RepairJournal(t.Context(), damaged, "ann", "disk swapped", w.now)
	require.NoError(t, err)
	require.Equal(t, uint64(len(before)-1), repair.Kept)
	require.Equal(t, uint64(len(before)), repair.Aside)
	again, err := healing.RepairJournal(t.Context(), damaged, "ann", "once more", w.now)
	require.NoError(t, err)
	require.Zero(t, again)

	// The first deployment was promoted; its last step is done again, and changes nothing.
	require.NoError(t, l.Tick(t.Context(), w.now))
	require.Empty(t, l.Status().Damage)
	require.Equal(t, healing.StepConfirmed, w.runs(t, l)[0].Step)
	require.Equal(t, "1", w.production(t))
	after := w.entries(t)
	require.Equal(t, before[:len(before)-1], after[:len(before)-1])
	require.Equal(t, "ann", after[len(before)-1].Repair.Actor)
	require.Equal(t, healing.StepConfirmed, w.runs(t, w.loop(t, healing.Config{}))[0].Step)
}

// Two entries could not be read for a while, and were set aside by a repair each. They can be
// read again; they do not count, and nothing counts twice.
func TestRepairJournal_TwiceWhatCanBeReadAgain(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	for range 2 {
		repair, err := healing.RepairJournal(t.Context(), tampered(w, uint64(len(w.raw(t)))), "ann", "disk swapped", w.now)
		require.NoError(t, err)
		require.NotZero(t, repair)
		l = w.loop(t, healing.Config{})
		require.NoError(t, l.Tick(t.Context(), w.now)) // does the last step again
	}
	entries := w.entries(t)
	require.Len(t, entries, len(w.raw(t))-2)
	for _, l := range []*healing.Loop{l, w.loop(t, healing.Config{})} {
		runs := w.runs(t, l)
		require.Len(t, runs, 1)
		require.Equal(t, healing.StepConfirmed, runs[0].Step)
		require.Equal(t, "1", w.production(t))
	}
}

// An auditor may stop early, and is told of damage once.
func TestReadJournal(t *testing.T) {
	t.Parallel()
	w, _ := deployed(t)
	for e, err := range healing.ReadJournal(t.Context(), w.parts.Journal) {
		require.NoError(t, err)
		require.Equal(t, uint64(1), e.Seq)
		break
	}
	var errs []error
	for _, err := range healing.ReadJournal(t.Context(), tampered(w, 2)) {
		errs = append(errs, err)
	}
	require.Len(t, errs, 2)
	require.ErrorIs(t, errs[1], registry.ErrCorrupt)
}

// FuzzLoop_AnyEntry has a loop read an entry that something else wrote.
func FuzzLoop_AnyEntry(f *testing.F) {
	f.Add([]byte(`{"format":1,"run":{"id":"run-000001","step":"judged","order":{"trigger":"drift"}}}`))
	f.Add([]byte(`{"format":1,"run":{"id":"run-000001","step":"watching","version":"1","predecessor":"2"}}`))
	f.Add([]byte(`{"format":1,"run":{"step":"from the future"}}`))
	f.Add([]byte(`{"format":2}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if !json.Valid(body) {
			return
		}
		w := newWorld(t)
		recordBody(t, w.parts.Journal, body)
		l := w.loop(t, healing.Config{})
		err := l.Refresh(t.Context())
		if tick := l.Tick(t.Context(), w.now); err != nil && tick == nil {
			t.Fatal(errors.Join(errors.New("the tick took no notice"), err))
		}
		l.Status()
	})
}
