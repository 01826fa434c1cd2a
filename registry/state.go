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

// state is the sum of the changes in the log of a [Ledger], together with the rules for the
// next change: a change is planned, written to the log, and only then added. A reader of the
// log adds the changes in the same order, under the same rules.
//
// The zero state is an empty registry. A state is not safe for concurrent use. Its results
// are the caller's own.
type state struct {
	versions   []Version      // the version with the ID "1" is first
	events     []Event        // the event with the Seq 1 is first; elements never change
	byKey      map[string]int // index in versions by Version.Key
	eventByKey map[string]int // index in events by Event.Key, if it has one
	production string         // the ID of the version in production, "" for none
}

// legal holds the stages that a version may go to from each stage.
var legal = map[Stage][]Stage{
	Staging:     {Production, Archived, Quarantined},
	Archived:    {Production, Quarantined},
	Quarantined: {Archived},
}

// CanBecome reports whether a version may go from this stage to that one.
func (s Stage) CanBecome(to Stage) bool { return slices.Contains(legal[s], to) }

// query returns the versions that q matches, newest first. If at most one can match, query
// looks at no other.
func (s *state) query(q Query) []Version {
	var candidates []Version
	switch {
	case q.ID != "":
		if v := s.version(q.ID); v != nil {
			candidates = []Version{*v}
		}
	case q.Key != "":
		if i, ok := s.byKey[q.Key]; ok {
			candidates = s.versions[i : i+1]
		}
	case q.Stage == Production:
		if v := s.version(s.production); v != nil {
			candidates = []Version{*v}
		}
	default:
		candidates = s.versions
	}
	var matching []Version
	for _, v := range slices.Backward(candidates) {
		if q.Matches(v) {
			matching = append(matching, v.clone())
		}
	}
	return matching
}

// since returns the events with a Seq above after, oldest first.
func (s *state) since(after uint64) []Event {
	n := len(s.events)
	return s.events[min(after, uint64(n)):n:n]
}

// planVersion returns the version that registering the draft with these stored files will
// add. If the draft's key is taken, planVersion returns the version that has the key, and
// repeated is true: there is nothing to write.
func (s *state) planVersion(d Draft, files []File) (v Version, repeated bool, err error) {
	if i, ok := s.byKey[d.Key]; ok {
		return s.versions[i].clone(), true, nil
	}
	if err := d.Validate(); err != nil {
		return Version{}, false, err
	}
	files = slices.Clone(files)
	slices.SortFunc(files, byName)
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

// addVersion adds a copy of a planned version. A version that planVersion would not return is
// an error, and is not added.
func (s *state) addVersion(v Version) error {
	v.Created = v.Created.UTC().Round(0)
	v.Since = v.Since.UTC().Round(0)
	want, repeated, err := s.planVersion(Draft{Key: v.Key, Time: v.Created, Tags: v.Tags, Metrics: v.Metrics}, v.Files)
	switch {
	case err != nil:
		return err
	case repeated:
		return fmt.Errorf("registry: version %q has the key %q of version %q", v.ID, v.Key, want.ID)
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

// planTransition returns the event that the transition will add, or the error with which
// [Registry] promises to refuse it. If the transition repeats an earlier one, planTransition
// returns the earlier event, and repeated is true: there is nothing to write.
func (s *state) planTransition(t Transition) (e Event, repeated bool, err error) {
	if err := t.Validate(); err != nil {
		return Event{}, false, err
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
	// A caller whose view is outdated must learn that first. That its version may not be
	// promoted is often a consequence, as when another replica just promoted that version.
	if t.To == Production && t.Expect != s.production {
		return Event{}, false, &ConflictError{Expected: t.Expect, Actual: s.production}
	}
	if !v.Stage.CanBecome(t.To) {
		return Event{}, false, fmt.Errorf("%w: version %q is %s and may not become %q", ErrIllegal, v.ID, v.Stage, t.To)
	}
	if t.To == Production && !v.Deleted.IsZero() {
		return Event{}, false, fmt.Errorf("%w: the files of version %q were deleted", ErrIllegal, v.ID)
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

// addEvent adds a planned event. An event that planTransition would not return is an error,
// and is not added.
func (s *state) addEvent(e Event) error {
	e.Time = e.Time.UTC().Round(0)
	want, repeated, err := s.planTransition(Transition{
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
		return fmt.Errorf("registry: event %d has the key %q of event %d", e.Seq, e.Key, want.Seq)
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
func (s *state) version(id string) *Version {
	n, err := strconv.Atoi(id)
	if err != nil || n < 1 || n > len(s.versions) || s.versions[n-1].ID != id {
		return nil
	}
	return &s.versions[n-1]
}

// planAttach returns the new part of the attachment, given the stored files of its documents,
// and the version. If nothing is new, repeated is true.
func (s *state) planAttach(a Attachment, files []File) (add attached, v Version, repeated bool, err error) {
	has := s.version(a.Version)
	if has == nil {
		return attached{}, Version{}, false, fmt.Errorf("%w: version %q", ErrNotFound, a.Version)
	}
	add.Version = a.Version
	for _, f := range files {
		if _, err := has.File(f.Name); err != nil {
			add.Files = append(add.Files, f)
		}
	}
	for name, value := range a.Metrics {
		if _, ok := has.Metrics[name]; !ok {
			add.Metrics = with(add.Metrics, name, value)
		}
	}
	var lacking []string // documents that are new and not stored
	for _, name := range slices.Sorted(maps.Keys(a.Documents)) {
		_, err := has.File(name)
		if err != nil && !slices.ContainsFunc(files, func(f File) bool { return f.Name == name }) {
			lacking = append(lacking, name)
		}
	}
	switch {
	case len(add.Files) == 0 && len(add.Metrics) == 0 && len(lacking) == 0:
		return attached{}, has.clone(), true, nil
	case !has.Deleted.IsZero():
		return attached{}, Version{}, false, fmt.Errorf("%w: the files of version %q were deleted", ErrIllegal, a.Version)
	case len(lacking) > 0:
		return attached{}, Version{}, false, fmt.Errorf("registry: version %q changed while %q were attached to it", a.Version, lacking)
	}
	slices.SortFunc(add.Files, byName)
	return add, has.clone(), false, nil
}

// addAttached adds a planned attachment. One that planAttach would not return is an error,
// and is not added.
func (s *state) addAttached(a attached) error {
	want, _, repeated, err := s.planAttach(Attachment{Version: a.Version, Metrics: a.Metrics}, a.Files)
	if err == nil {
		err = errors.Join(Attachment{Version: a.Version, Metrics: a.Metrics}.Validate(), checkDocuments(a.Files))
	}
	switch {
	case err != nil:
		return err
	case repeated || !reflect.DeepEqual(a, want):
		return fmt.Errorf("registry: attached %+v, want %+v", a, want)
	}
	v := s.version(a.Version)
	v.Files = slices.Concat(v.Files, a.Files) // not appended in place: what was returned may share the array
	slices.SortFunc(v.Files, byName)
	metrics := maps.Clone(v.Metrics)
	for name, value := range a.Metrics {
		metrics = with(metrics, name, value)
	}
	v.Metrics = metrics
	return nil
}

// planDelete returns the deletion that will be added, and its version. If the files are
// deleted already, repeated is true.
func (s *state) planDelete(d Deletion) (del deleted, v Version, repeated bool, err error) {
	has := s.version(d.Version)
	switch {
	case has == nil:
		return deleted{}, Version{}, false, fmt.Errorf("%w: version %q", ErrNotFound, d.Version)
	case !has.Deleted.IsZero():
		return deleted{}, has.clone(), true, nil
	case has.Stage != Archived && has.Stage != Quarantined:
		return deleted{}, Version{}, false, fmt.Errorf("%w: version %q is %s and its files may not be deleted", ErrIllegal, has.ID, has.Stage)
	}
	if back, ok := predecessor(s.query(Query{Stage: Archived})); ok && back.ID == has.ID {
		return deleted{}, Version{}, false, fmt.Errorf("%w: version %q is what a rollback would go back to, and its files may not be deleted", ErrIllegal, has.ID)
	}
	return deleted{Version: has.ID, Time: moment(d.Time), Actor: d.Actor, Reason: d.Reason}, has.clone(), false, nil
}

// addDeleted adds a planned deletion. One that planDelete would not return is an error, and
// is not added.
func (s *state) addDeleted(d deleted) error {
	d.Time = d.Time.UTC().Round(0)
	deletion := Deletion{Version: d.Version, Time: d.Time, Actor: d.Actor, Reason: d.Reason}
	want, _, repeated, err := s.planDelete(deletion)
	if err == nil {
		err = deletion.Validate()
	}
	switch {
	case err != nil:
		return err
	case repeated || d != want:
		return fmt.Errorf("registry: deleted %+v, want %+v", d, want)
	}
	s.version(d.Version).Deleted = d.Time
	return nil
}

// predecessor returns the archived version to which a rollback goes back. The argument has
// the newest version first.
func predecessor(archived []Version) (latest Version, ok bool) {
	for _, v := range archived {
		if v.Stage == Archived && !v.Promoted.IsZero() && v.Deleted.IsZero() && (!ok || v.Since.After(latest.Since)) {
			latest, ok = v, true
		}
	}
	return latest, ok
}

func byName(a, b File) int { return strings.Compare(a.Name, b.Name) }

// with returns m with one more element, a new map if m is nil.
func with(m map[string]float64, name string, value float64) map[string]float64 {
	if m == nil {
		m = make(map[string]float64)
	}
	m[name] = value
	return m
}

// moment returns t, or the present for zero, as it will come back from a store: in UTC and
// without a monotonic reading.
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
