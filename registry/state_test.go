package registry_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
)

var noon = time.Date(2025, time.March, 1, 12, 0, 0, 0, time.UTC)

func modelFile() registry.File {
	return registry.File{Name: registry.ModelFile, Size: 3, SHA256: strings.Repeat("0a", 32)}
}

// add plans a version and adds it.
func add(t *testing.T, s *registry.State, key string) registry.Version {
	t.Helper()
	v, repeated, err := s.PlanVersion(registry.Draft{Key: key, Time: noon}, []registry.File{modelFile()})
	require.NoError(t, err)
	require.False(t, repeated)
	require.NoError(t, s.AddVersion(v))
	return v
}

// move plans a transition and adds it.
func move(t *testing.T, s *registry.State, tr registry.Transition) registry.Event {
	t.Helper()
	e, repeated, err := s.PlanTransition(tr)
	require.NoError(t, err)
	require.False(t, repeated)
	require.NoError(t, s.AddEvent(e))
	return e
}

// promoted returns a state of three versions of which the second is in production, in
// place of the first.
func promoted(t *testing.T) *registry.State {
	t.Helper()
	s := new(registry.State)
	for _, key := range []string{"a", "b", "c"} {
		add(t, s, key)
	}
	move(t, s, registry.Transition{Version: "1", To: registry.Production, Time: noon, Key: "first"})
	move(t, s, registry.Transition{Version: "2", To: registry.Production, Expect: "1", Time: noon, Token: 7})
	return s
}

func TestState_PlansChangeNothing(t *testing.T) {
	t.Parallel()
	s := promoted(t)
	versions, events := s.Versions(registry.Query{}), s.Events()

	_, _, err := s.PlanVersion(registry.Draft{Key: "d"}, []registry.File{modelFile()})
	require.NoError(t, err)
	_, _, err = s.PlanTransition(registry.Transition{Version: "3", To: registry.Production, Expect: "2", Token: 9})
	require.NoError(t, err)

	require.Equal(t, versions, s.Versions(registry.Query{}))
	require.Equal(t, events, s.Events())
	move(t, s, registry.Transition{Version: "3", To: registry.Archived, Token: 8})
}

// What a registry wrote down and another process reads adds up to the same state.
func TestState_Replays(t *testing.T) {
	t.Parallel()
	s := promoted(t)
	move(t, s, registry.Transition{Version: "1", To: registry.Production, Expect: "2", Displaced: registry.Quarantined, Time: noon})
	replayed := new(registry.State)
	for _, key := range []string{"a", "b", "c"} {
		add(t, replayed, key)
	}
	for _, e := range s.Events() {
		e.Time = e.Time.In(time.FixedZone("", 3600)) // as a database may return it
		require.NoError(t, replayed.AddEvent(e))
	}
	require.Equal(t, s, replayed)
}

func TestState_PlanVersionRefusesFiles(t *testing.T) {
	t.Parallel()
	with := func(change func(*registry.File)) []registry.File {
		f := modelFile()
		f.Name = "doc"
		change(&f)
		return []registry.File{f, modelFile()}
	}
	for want, files := range map[string][]registry.File{
		`no file "model"`:        nil,
		`file name "../x"`:       with(func(f *registry.File) { f.Name = "../x" }),
		`file "model": twice`:    with(func(f *registry.File) { f.Name = registry.ModelFile }),
		`file "doc": size -1`:    with(func(f *registry.File) { f.Size = -1 }),
		`SHA-256 "../x"`:         with(func(f *registry.File) { f.SHA256 = "../x" }),
		`want 64 lower-case hex`: with(func(f *registry.File) { f.SHA256 = strings.ToUpper(f.SHA256) }),
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			_, _, err := new(registry.State).PlanVersion(registry.Draft{Key: "a"}, files)
			require.ErrorContains(t, err, want)
		})
	}
}

func TestState_AddVersionRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*registry.Version){
		"number left out": func(v *registry.Version) { v.ID = "5" },
		"number taken":    func(v *registry.Version) { v.ID = "3" },
		"key taken":       func(v *registry.Version) { v.Key = "a" },
		"no key":          func(v *registry.Version) { v.Key = "" },
		"other stage":     func(v *registry.Version) { v.Stage = registry.Production },
		"no time":         func(v *registry.Version) { v.Created = time.Time{} },
		"no files":        func(v *registry.Version) { v.Files = nil },
		"files in another order": func(v *registry.Version) {
			f := modelFile()
			f.Name = "doc"
			v.Files = []registry.File{modelFile(), f}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := promoted(t)
			v, _, err := s.PlanVersion(registry.Draft{Key: "d", Time: noon}, []registry.File{modelFile()})
			require.NoError(t, err)
			change(&v)
			require.Error(t, s.AddVersion(v))
			require.Equal(t, promoted(t), s)
		})
	}
}

func TestState_AddEventRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*registry.Event){
		"number left out":      func(e *registry.Event) { e.Seq = 4 },
		"number taken":         func(e *registry.Event) { e.Seq = 2 },
		"no time":              func(e *registry.Event) { e.Time = time.Time{} },
		"no such version":      func(e *registry.Event) { e.Version = "4" },
		"other former stage":   func(e *registry.Event) { e.From = registry.Archived },
		"illegal":              func(e *registry.Event) { e.To = registry.Staging },
		"displaces none":       func(e *registry.Event) { e.Displaced, e.DisplacedTo = "", "" },
		"displaces another":    func(e *registry.Event) { e.Displaced = "1" },
		"displaced to nowhere": func(e *registry.Event) { e.DisplacedTo = "" },
		"displaced to staging": func(e *registry.Event) { e.DisplacedTo = registry.Staging },
		"key taken":            func(e *registry.Event) { e.Key = "first" },
		"outdated token":       func(e *registry.Event) { e.Token = 6 },
		"displaces and stays":  func(e *registry.Event) { e.To = registry.Archived },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := promoted(t)
			e, _, err := s.PlanTransition(registry.Transition{Version: "3", To: registry.Production, Expect: "2", Time: noon})
			require.NoError(t, err)
			change(&e)
			require.Error(t, s.AddEvent(e))
			require.Equal(t, promoted(t), s)
		})
	}
}

func TestState_AddEventRefusesRepetition(t *testing.T) {
	t.Parallel()
	s := promoted(t)
	move(t, s, registry.Transition{Version: "3", To: registry.Archived, Time: noon, Key: "again"})
	events := s.Events()
	require.EqualError(t, s.AddEvent(events[2]), `registry: the key "again" of event 3 is that of event 3`)
	require.Equal(t, events, s.Events())
}

func TestState_TransitionErrorsAreJoined(t *testing.T) {
	t.Parallel()
	_, _, err := promoted(t).PlanTransition(registry.Transition{
		Version: "3", To: registry.Archived, Actor: "\xff", Decision: "\x00", Displaced: registry.Staging, Time: noon.AddDate(9000, 0, 0),
	})
	require.ErrorIs(t, err, registry.ErrIllegal)
	for _, part := range []string{"Actor is", "Decision is", "the year 11025", `Displaced is "staging"`} {
		require.ErrorContains(t, err, part)
	}
}

// A caller can learn that a transition will be refused for ever before it writes down that
// it wants it.
func TestTransition_Validate(t *testing.T) {
	t.Parallel()
	require.NoError(t, registry.Transition{Version: "1", Actor: "ann", Reason: "naïve"}.Validate())
	err := registry.Transition{Actor: "a\x00", Reason: "caf\xe9", Displaced: registry.Staging}.Validate()
	require.ErrorContains(t, err, "Actor is")
	require.ErrorContains(t, err, "Reason is")
	require.ErrorIs(t, err, registry.ErrIllegal)
}
