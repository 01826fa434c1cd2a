package registry

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// State is what the changes of a registry add up to, together with the rules of what may
// come next. Every registry decides with it, so that they cannot differ: it plans a
// change, writes the plan down where it cannot be changed any more, and only then adds
// it. A registry that is opened adds what was written down, in the same order.
//
// The zero State is that of an empty registry. A State is not safe for concurrent use.
// What it returns is the caller's own.
type State struct {
	versions    []Version      // the version with the ID "1" is first
	events      []Event        // the event with the Seq 1 is first
	byKey       map[string]int // index in versions by Version.Key
	eventByKey  map[string]int // index in events by Event.Key, if it has one
	production  string         // the ID of the version in production, "" for none
	latestToken uint64         // the highest Event.Token
}

// legal holds the stages that a version may go to from each stage.
var legal = map[Stage][]Stage{
	Staging:     {Production, Archived, Quarantined},
	Archived:    {Production, Quarantined},
	Quarantined: {Archived},
}

// Versions returns the versions that q matches, newest first.
func (s *State) Versions(q Query) []Version {
	var matching []Version
	for _, v := range slices.Backward(s.versions) {
		if q.Matches(v) {
			matching = append(matching, v.clone())
		}
	}
	return matching
}

// Events returns every transition that happened, oldest first.
func (s *State) Events() []Event { return slices.Clone(s.events) }

// PlanVersion returns the version that registering the draft with these stored files
// will add. If the draft's key is taken it returns the version that has it, and repeated
// is true: there is nothing to write down.
func (s *State) PlanVersion(d Draft, files []File) (v Version, repeated bool, err error) {
	if i, ok := s.byKey[d.Key]; ok {
		return s.versions[i].clone(), true, nil
	}
	if err := d.Validate(); err != nil {
		return Version{}, false, err
	}
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	if err := checkFiles(files); err != nil {
		return Version{}, false, err
	}
	created := moment(d.Time)
	return Version{
		ID:      strconv.Itoa(len(s.versions) + 1),
		Key:     d.Key,
		Created: created,
		Stage:   Staging,
		Since:   created,
		Files:   files,
		Tags:    cloneMap(d.Tags),
		Metrics: cloneMap(d.Metrics),
	}, false, nil
}

// AddVersion adds a copy of a version that was planned. It returns an error, and adds
// nothing, if no PlanVersion would have returned it.
func (s *State) AddVersion(v Version) error {
	v.Created = v.Created.UTC().Round(0)
	v.Since = v.Since.UTC().Round(0)
	want, repeated, err := s.PlanVersion(Draft{Key: v.Key, Time: v.Created, Tags: v.Tags, Metrics: v.Metrics}, v.Files)
	switch {
	case err != nil:
		return err
	case repeated:
		return fmt.Errorf("registry: the key %q of version %q is that of version %q", v.Key, v.ID, want.ID)
	case !reflect.DeepEqual(v, want):
		return fmt.Errorf("registry: version %+v, want %+v", v, want)
	}
	if s.byKey == nil {
		s.byKey = make(map[string]int)
	}
	s.byKey[v.Key] = len(s.versions)
	s.versions = append(s.versions, want)
	return nil
}

// PlanTransition returns the event that the transition will add, or says why it may not
// happen, as promised by [Registry]. If the transition repeats an earlier one it returns
// that one's event, and repeated is true: there is nothing to write down.
func (s *State) PlanTransition(t Transition) (e Event, repeated bool, err error) {
	if err := t.Validate(); err != nil {
		return Event{}, false, err
	}
	if t.Token != 0 && t.Token < s.latestToken {
		return Event{}, false, fmt.Errorf("%w: token %d, latest %d", ErrFenced, t.Token, s.latestToken)
	}
	displacedTo := cmp.Or(t.Displaced, Archived)
	if i, ok := s.eventByKey[t.Key]; ok {
		e := s.events[i]
		if e.Version != t.Version || e.To != t.To || e.Displaced != "" && e.DisplacedTo != displacedTo {
			return Event{}, false, fmt.Errorf("%w: the key %q of version %q to %s was used for version %q to %s (displaced to %q)",
				ErrIllegal, t.Key, t.Version, t.To, e.Version, e.To, e.DisplacedTo)
		}
		return e, true, nil
	}
	v := s.version(t.Version)
	if v == nil {
		return Event{}, false, fmt.Errorf("%w: version %q", ErrNotFound, t.Version)
	}
	// A caller whose view is outdated must learn that first: that its version may not be
	// promoted is often only a consequence, as when another replica just promoted it.
	if t.To == Production && t.Expect != s.production {
		return Event{}, false, &ConflictError{Expected: t.Expect, Actual: s.production}
	}
	if !slices.Contains(legal[v.Stage], t.To) {
		return Event{}, false, fmt.Errorf("%w: version %q is %s and may not become %q", ErrIllegal, v.ID, v.Stage, t.To)
	}
	e = Event{
		Seq:      uint64(len(s.events)) + 1,
		Time:     moment(t.Time),
		Version:  v.ID,
		From:     v.Stage,
		To:       t.To,
		Actor:    t.Actor,
		Reason:   t.Reason,
		Decision: t.Decision,
		Key:      t.Key,
		Token:    t.Token,
	}
	if t.To == Production && s.production != "" {
		e.Displaced, e.DisplacedTo = s.production, displacedTo
	}
	return e, false, nil
}

// AddEvent adds an event that was planned. It returns an error, and adds nothing, if no
// PlanTransition would have returned it.
func (s *State) AddEvent(e Event) error {
	e.Time = e.Time.UTC().Round(0)
	want, repeated, err := s.PlanTransition(Transition{
		Version:   e.Version,
		To:        e.To,
		Expect:    e.Displaced,
		Displaced: e.DisplacedTo,
		Time:      e.Time,
		Actor:     e.Actor,
		Reason:    e.Reason,
		Decision:  e.Decision,
		Key:       e.Key,
		Token:     e.Token,
	})
	switch {
	case err != nil:
		return err
	case repeated:
		return fmt.Errorf("registry: the key %q of event %d is that of event %d", e.Key, e.Seq, want.Seq)
	case e != want:
		return fmt.Errorf("registry: event %+v, want %+v", e, want)
	}
	if e.Key != "" {
		if s.eventByKey == nil {
			s.eventByKey = make(map[string]int)
		}
		s.eventByKey[e.Key] = len(s.events)
	}
	s.events = append(s.events, e)
	s.latestToken = max(s.latestToken, e.Token)
	moved := s.version(e.Version)
	moved.Stage, moved.Since = e.To, e.Time
	if e.Displaced != "" {
		displaced := s.version(e.Displaced)
		displaced.Stage, displaced.Since = e.DisplacedTo, e.Time
	}
	if e.To == Production {
		moved.Promoted = e.Time
		s.production = e.Version
	}
	return nil
}

// version returns the version with this ID, nil if there is none.
func (s *State) version(id string) *Version {
	n, err := strconv.Atoi(id)
	if err != nil || n < 1 || n > len(s.versions) || s.versions[n-1].ID != id {
		return nil
	}
	return &s.versions[n-1]
}

// Validate returns an error that says everything that is wrong with the transition
// whatever the registry holds, nil if nothing is: text that is not UTF-8 or contains NUL,
// a Time that cannot be stored, a Displaced that is no such stage. A registry refuses it
// with that error, and always will.
func (t Transition) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	for _, field := range []struct{ name, value string }{
		{"Actor", t.Actor}, {"Reason", t.Reason}, {"Decision", t.Decision}, {"Key", t.Key},
	} {
		if !isText(field.value) {
			wrong("%s is %q, want UTF-8 without NUL", field.name, field.value)
		}
	}
	if !isStorable(t.Time) {
		wrong("Time is in the year %d, want 0 to 9999", t.Time.UTC().Year())
	}
	if t.Displaced != "" && t.Displaced != Archived && t.Displaced != Quarantined {
		wrong("Displaced is %q, want %q or %q: %w", t.Displaced, Archived, Quarantined, ErrIllegal)
	}
	if len(errs) > 0 {
		return fmt.Errorf("registry: invalid Transition: %w", errors.Join(errs...))
	}
	return nil
}

// moment returns t, or the present if it is zero, as it will come back from a store: in
// UTC and without a monotonic reading.
func moment(t time.Time) time.Time {
	if t.IsZero() {
		t = time.Now()
	}
	return t.UTC().Round(0)
}

func (v Version) clone() Version {
	v.Files = slices.Clone(v.Files)
	v.Tags = maps.Clone(v.Tags)
	v.Metrics = maps.Clone(v.Metrics)
	return v
}

// cloneMap returns a copy of m, nil if m is empty.
func cloneMap[V any](m map[string]V) map[string]V {
	if len(m) == 0 {
		return nil
	}
	return maps.Clone(m)
}
