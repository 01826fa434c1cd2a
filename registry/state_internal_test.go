package registry

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var noon = time.Date(2025, time.March, 1, 12, 0, 0, 0, time.UTC)

func modelFile() File {
	return File{Name: ModelFile, Size: 3, SHA256: strings.Repeat("0a", 32), Blob: "a"}
}

// add plans a version and adds it.
func add(t *testing.T, s *state, key string) Version {
	t.Helper()
	v, repeated, err := s.planVersion(Draft{Key: key, Time: noon}, []File{modelFile()})
	require.NoError(t, err)
	require.False(t, repeated)
	require.NoError(t, s.addVersion(v))
	return v
}

// move plans a transition and adds it.
func move(t *testing.T, s *state, tr Transition) Event {
	t.Helper()
	e, repeated, err := s.planTransition(tr)
	require.NoError(t, err)
	require.False(t, repeated)
	require.NoError(t, s.addEvent(e))
	return e
}

// promoted returns a state of three versions of which the second is in production, in
// place of the first.
func promoted(t *testing.T) *state {
	t.Helper()
	s := new(state)
	for _, key := range []string{"a", "b", "c"} {
		add(t, s, key)
	}
	move(t, s, Transition{Version: "1", To: Production, Time: noon, Key: "first"})
	move(t, s, Transition{Version: "2", To: Production, Expect: "1", Time: noon, Token: 7})
	return s
}

func TestState_PlansChangeNothing(t *testing.T) {
	t.Parallel()
	s := promoted(t)
	versions, events := s.query(Query{}), s.since(0)

	_, _, err := s.planVersion(Draft{Key: "d"}, []File{modelFile()})
	require.NoError(t, err)
	_, _, err = s.planTransition(Transition{Version: "3", To: Production, Expect: "2"})
	require.NoError(t, err)
	_, _, _, err = s.planAttach(Attachment{Version: "1", Metrics: map[string]float64{"f1": 1}}, nil)
	require.NoError(t, err)
	_, _, _, err = s.planDelete(Deletion{Version: "1"})
	require.ErrorIs(t, err, ErrIllegal)
	_, _, _, err = s.planAttach(Attachment{Version: "3", Metrics: map[string]float64{"f1": 1}}, nil)
	require.NoError(t, err)

	require.Equal(t, versions, s.query(Query{}))
	require.Equal(t, events, s.since(0))
	move(t, s, Transition{Version: "3", To: Archived, Token: 8})
}

// What a registry wrote down and another process reads adds up to the same state.
func TestState_Replays(t *testing.T) {
	t.Parallel()
	s := promoted(t)
	move(t, s, Transition{Version: "1", To: Production, Expect: "2", Displaced: Quarantined, Time: noon})
	replayed := new(state)
	for _, key := range []string{"a", "b", "c"} {
		add(t, replayed, key)
	}
	for _, e := range s.since(0) {
		e.Time = e.Time.In(time.FixedZone("", 3600)) // as a database may return it
		require.NoError(t, replayed.addEvent(e))
	}
	require.Equal(t, s, replayed)
}

func TestState_PlanVersionRefusesFiles(t *testing.T) {
	t.Parallel()
	with := func(change func(*File)) []File {
		f := modelFile()
		f.Name = "doc"
		change(&f)
		return []File{f, modelFile()}
	}
	for want, files := range map[string][]File{
		`no file "model"`:        nil,
		`file name "../x"`:       with(func(f *File) { f.Name = "../x" }),
		`file "model": twice`:    with(func(f *File) { f.Name = ModelFile }),
		`both a file and a`:      with(func(f *File) { f.Name = "model/a" }),
		`file name "model/../a"`: with(func(f *File) { f.Name = "model/../a" }),
		`file name "model/"`:     with(func(f *File) { f.Name = "model/" }),
		`blob "A"`:               with(func(f *File) { f.Blob = "A" }),
		`file "doc": size -1`:    with(func(f *File) { f.Size = -1 }),
		`SHA-256 "../x"`:         with(func(f *File) { f.SHA256 = "../x" }),
		`want 64 lower-case hex`: with(func(f *File) { f.SHA256 = strings.ToUpper(f.SHA256) }),
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			_, _, err := new(state).planVersion(Draft{Key: "a"}, files)
			require.ErrorContains(t, err, want)
		})
	}
}

func TestState_AddVersionRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Version){
		"number left out": func(v *Version) { v.ID = "5" },
		"number taken":    func(v *Version) { v.ID = "3" },
		"key taken":       func(v *Version) { v.Key = "a" },
		"no key":          func(v *Version) { v.Key = "" },
		"other stage":     func(v *Version) { v.Stage = Production },
		"no time":         func(v *Version) { v.Created = time.Time{} },
		"no files":        func(v *Version) { v.Files = nil },
		"files in another order": func(v *Version) {
			f := modelFile()
			f.Name = "doc"
			v.Files = []File{modelFile(), f}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := promoted(t)
			v, _, err := s.planVersion(Draft{Key: "d", Time: noon}, []File{modelFile()})
			require.NoError(t, err)
			change(&v)
			require.Error(t, s.addVersion(v))
			require.Equal(t, promoted(t), s)
		})
	}
}

func TestState_AddEventRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Event){
		"number left out":      func(e *Event) { e.Seq = 4 },
		"number taken":         func(e *Event) { e.Seq = 2 },
		"no time":              func(e *Event) { e.Time = time.Time{} },
		"no such version":      func(e *Event) { e.Version = "4" },
		"other former stage":   func(e *Event) { e.From = Archived },
		"illegal":              func(e *Event) { e.To = Staging },
		"displaces none":       func(e *Event) { e.Displaced, e.DisplacedTo = "", "" },
		"displaces another":    func(e *Event) { e.Displaced = "1" },
		"displaced to nowhere": func(e *Event) { e.DisplacedTo = "" },
		"displaced to staging": func(e *Event) { e.DisplacedTo = Staging },
		"key taken":            func(e *Event) { e.Key = "first" },
		"displaces and stays":  func(e *Event) { e.To = Archived },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := promoted(t)
			e, _, err := s.planTransition(Transition{Version: "3", To: Production, Expect: "2", Time: noon})
			require.NoError(t, err)
			change(&e)
			require.Error(t, s.addEvent(e))
			require.Equal(t, promoted(t), s)
		})
	}
}

func TestState_AddEventRefusesRepetition(t *testing.T) {
	t.Parallel()
	s := promoted(t)
	move(t, s, Transition{Version: "3", To: Archived, Time: noon, Key: "again"})
	events := s.since(0)
	require.EqualError(t, s.addEvent(events[2]), `registry: event 3 has the key "again" of event 3`)
	require.Equal(t, events, s.since(0))
}

func TestState_TransitionErrorsAreJoined(t *testing.T) {
	t.Parallel()
	_, _, err := promoted(t).planTransition(Transition{
		Version: "3", To: Archived, Actor: "\xff", Decision: "\x00", Displaced: Staging, Time: noon.AddDate(9000, 0, 0),
	})
	require.ErrorIs(t, err, ErrIllegal)
	for _, part := range []string{"Actor is", "Decision is", "the year 11025", `Displaced is "staging"`} {
		require.ErrorContains(t, err, part)
	}
}

// A caller can learn that a transition will be refused for ever before it writes down that
// it wants it.
func TestTransition_Validate(t *testing.T) {
	t.Parallel()
	require.NoError(t, Transition{Version: "1", Actor: "ann", Reason: "naïve"}.Validate())
	err := Transition{Actor: "a\x00", Reason: "caf\xe9", Displaced: Staging}.Validate()
	require.ErrorContains(t, err, "Actor is")
	require.ErrorContains(t, err, "Reason is")
	require.ErrorIs(t, err, ErrIllegal)
}
