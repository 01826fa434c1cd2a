package mlflowregistry

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
)

// Tags of this package. The tags of the registered model are the truth. The tags of a version
// that describe its transitions are copies for people and for other clients.
const (
	tagPrefix = "selfheal."

	// Of the registered model.
	tagEvent = tagPrefix + "event." // and the Seq in 8 digits and the Rank of a note: that note
	tagFence = tagPrefix + "fence." // and a token in 20 digits: when it was first seen

	// Of a version.
	tagKey        = tagPrefix + "key"
	tagKeyHash    = tagPrefix + "key_sha256" // filters cannot quote every key
	tagRecord     = tagPrefix + "version"    // a record
	tagAttached   = tagPrefix + "attached."  // and a hash: an attached
	tagDeleted    = tagPrefix + "deleted"    // a deletion
	tagRun        = tagPrefix + "run"        // the run made for a version that has none
	tagStage      = tagPrefix + "stage"
	tagTransition = tagPrefix + "transition" // the last event about it

	// Of a run.
	tagModel   = tagPrefix + "model"
	tagAttempt = tagPrefix + "attempt"
)

func fenceKey(token uint64) string { return fmt.Sprintf("%s%020d", tagFence, token) }

func nonce() string { return rand.Text() }

// note is an event in the form of a tag. The note of a promotion is written before the alias
// moves, and counts once the alias has moved.
type note struct {
	registry.Event
	Nonce string `json:"nonce"` // tells equal notes of two writers apart
	// Rank is the highest token that its writer had seen, including its own. Several notes
	// may have one number, each in a tag of its own, and the one with the highest Rank
	// counts. So a holder that was paused does not overwrite an event of the next holder.
	Rank uint64 `json:"rank,omitempty"`
	// Done is set when all parts of the event are written.
	Done bool `json:"done,omitempty"`
}

// key returns the key of the note's tag.
func (n note) key() string {
	if n.Rank == 0 {
		return fmt.Sprintf("%s%08d", tagEvent, n.Seq)
	}
	return fmt.Sprintf("%s%08d-%d", tagEvent, n.Seq, n.Rank)
}

// place is where a version is.
type place struct {
	stage    registry.Stage
	since    time.Time
	promoted time.Time
}

// view is the state of the registered model by its tags and aliases.
type view struct {
	aliases    registeredModel
	champion   string // who has the alias, "" for none
	notes      []note // that count, by Seq
	pending    *note  // that does not count (yet), nil for none
	token      uint64 // the highest token seen
	places     map[string]place
	production string // by the notes; equal to champion unless somebody else moved the alias
}

// newView returns the state that a model's tags describe.
func newView(m registeredModel, champion string) (*view, error) {
	v := &view{aliases: m, champion: m.alias(champion), places: make(map[string]place)}
	for _, t := range m.Tags {
		if token, ok := strings.CutPrefix(t.Key, tagFence); ok {
			n, err := strconv.ParseUint(token, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%w: tag %q of the registered model: %v", registry.ErrCorrupt, t.Key, err)
			}
			v.token = max(v.token, n)
		}
		if !strings.HasPrefix(t.Key, tagEvent) {
			continue
		}
		var n note
		err := json.Unmarshal([]byte(t.Value), &n)
		if err == nil && (n.Seq == 0 || t.Key != n.key()) {
			err = fmt.Errorf("want it in the tag %q", n.key())
		}
		if err != nil {
			return nil, fmt.Errorf("%w: tag %q of the registered model: %v", registry.ErrCorrupt, t.Key, err)
		}
		n.Time = n.Time.UTC()
		v.notes = append(v.notes, n)
	}
	slices.SortFunc(v.notes, func(a, b note) int {
		return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(b.Rank, a.Rank))
	})
	v.notes = slices.CompactFunc(v.notes, func(a, b note) bool { return a.Seq == b.Seq })
	if last := len(v.notes) - 1; last >= 0 {
		if n := v.notes[last]; n.To == registry.Production && !n.Done && n.Version != v.champion {
			v.pending, v.notes = &n, v.notes[:last]
			v.token = max(v.token, n.Token)
		}
	}
	for _, n := range v.notes {
		v.add(n)
	}
	return v, nil
}

func (v *view) add(n note) {
	v.token = max(v.token, n.Token)
	moved := place{stage: n.To, since: n.Time, promoted: v.places[n.Version].promoted}
	switch {
	case n.To == registry.Production:
		moved.promoted = n.Time
		v.production = n.Version
	case n.Version == v.production: // another client took the alias away
		v.production = ""
	}
	v.places[n.Version] = moved
	if n.Displaced != "" {
		v.places[n.Displaced] = place{stage: n.DisplacedTo, since: n.Time, promoted: v.places[n.Displaced].promoted}
	}
}

// last returns the last note that counts, if there is one.
func (v *view) last() (note, bool) {
	if len(v.notes) == 0 {
		return note{}, false
	}
	return v.notes[len(v.notes)-1], true
}

// next returns the number of the next event.
func (v *view) next() uint64 {
	last, _ := v.last()
	return last.Seq + 1
}

// stage returns the stage of a version.
func (v *view) stage(id string) registry.Stage {
	if p, ok := v.places[id]; ok {
		return p.stage
	}
	return registry.Staging
}

// byKey returns the note of the transition with this key, if there is one.
func (v *view) byKey(key string) (note, bool) {
	for _, n := range v.notes {
		if key != "" && n.Key == key {
			return n, true
		}
	}
	return note{}, false
}

// admit returns ErrFenced if the token is older than one already seen.
func (v *view) admit(token uint64) error {
	if token != 0 && token < v.token {
		return fmt.Errorf("%w: token %d, latest %d", registry.ErrFenced, token, v.token)
	}
	return nil
}

// foreign returns the event of a change of production by another client, if there is one.
func (v *view) foreign(champion string, now time.Time) (registry.Event, bool) {
	e := registry.Event{Seq: v.next(), Time: now.UTC().Round(0), Actor: ForeignActor}
	switch {
	case v.champion == v.production:
		return registry.Event{}, false
	case v.champion == "":
		e.Version, e.From, e.To = v.production, registry.Production, registry.Archived
		e.Reason = fmt.Sprintf("alias %q was taken away by another client", champion)
	default:
		e.Version, e.From, e.To = v.champion, v.stage(v.champion), registry.Production
		if e.Displaced = v.production; e.Displaced != "" {
			e.DisplacedTo = registry.Archived
		}
		e.Reason = fmt.Sprintf("alias %q was set by another client", champion)
	}
	return e, true
}

// same reports whether two views are equal.
func (v *view) same(w *view) bool {
	return v.champion == w.champion && slices.Equal(v.notes, w.notes) &&
		(v.pending == nil) == (w.pending == nil) && (v.pending == nil || *v.pending == *w.pending)
}

// maxLooks is the number of looks at a changing model before look gives up.
const maxLooks = 10

// look returns the present view. The caller does not hold the lock.
func (r *Registry) look(ctx context.Context) (*view, error) {
	v, err := r.stable(ctx)
	if err != nil || v.champion == v.production {
		return v, err
	}
	if err := r.acquire(ctx); err != nil {
		return nil, err
	}
	defer r.release()
	return r.lookLocked(ctx)
}

// lookLocked returns the present view. It reports and records changes by other clients. The
// caller holds the lock.
func (r *Registry) lookLocked(ctx context.Context) (*view, error) {
	v, err := r.stable(ctx)
	if err != nil {
		return nil, err
	}
	e, foreign := v.foreign(r.cfg.Champion, time.Now())
	if !foreign {
		r.seen = note{}
		return v, nil
	}
	then := r.seen.Event
	then.Time = e.Time
	if then != e { // seen for the first time
		r.seen = note{Event: e, Nonce: nonce(), Rank: v.token, Done: true}
		r.cfg.Logger.WarnContext(ctx, "mlflowregistry: another client changed what is in production",
			"seq", e.Seq, "version", e.Version, "to", e.To, "displaced", e.Displaced)
		if r.cfg.OnForeign != nil {
			r.cfg.OnForeign(ctx, e)
		}
	}
	if !r.cfg.ReadOnly {
		if err := r.record(ctx, r.seen); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			// A process that may only read still learns what is in production.
			r.cfg.Logger.WarnContext(ctx, "mlflowregistry: the change by another client could not be recorded", "err", err)
		}
	}
	v.pending = nil
	v.notes = append(v.notes, r.seen)
	v.add(r.seen)
	return v, nil
}

// record stores the event of a change by another client. Before that, the version that left
// production loses the tag that says that it is there, see [Registry.fast].
func (r *Registry) record(ctx context.Context, n note) error {
	if n.Displaced != "" {
		if err := r.mirror(ctx, n.Displaced, n.DisplacedTo, n.Event); err != nil {
			return err
		}
	} else if n.To != registry.Production {
		if err := r.mirror(ctx, n.Version, n.To, n.Event); err != nil {
			return err
		}
	}
	if err := r.setModelTag(ctx, n.key(), encode(n)); err != nil {
		return err
	}
	if n.To == registry.Production {
		return r.mirror(ctx, n.Version, n.To, n.Event)
	}
	return nil
}

// stable returns a view of one moment. An answer of the server may mix two moments, because
// the server reads tags and aliases one after the other: the alias then does not fit the
// tags. Tags are written before the alias moves. So if a second look, begun later, shows the
// same, the answer is no mixture: another client moved the alias.
func (r *Registry) stable(ctx context.Context) (*view, error) {
	var before *view
	for range maxLooks {
		m, err := r.model(ctx)
		if err != nil {
			return nil, err
		}
		v, err := newView(m, r.cfg.Champion)
		if err != nil {
			return nil, err
		}
		if v.champion == v.production || before != nil && v.same(before) {
			return v, nil
		}
		before = v
	}
	return nil, fmt.Errorf("mlflowregistry: the registered model %q changed during each of %d looks", r.cfg.Model, maxLooks)
}

// mirror writes the stage of a version, and the event that led there, into its tags. A
// version has the stage production only as long as it has the event that says so. Versions
// that another client deleted are passed over.
func (r *Registry) mirror(ctx context.Context, id string, stage registry.Stage, e registry.Event) error {
	writes := []tag{{tagStage, string(stage)}, {tagTransition, encode(e)}}
	if stage == registry.Production {
		slices.Reverse(writes)
	}
	for _, w := range writes {
		if err := r.setVersionTag(ctx, id, w.Key, w.Value); err != nil {
			if isMissing(err) {
				return nil
			}
			return err
		}
	}
	return nil
}

// encode returns a value of this package as JSON, which can express all of them.
func encode(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Sprintf("%q", err) // not to be reached: times are checked, and numbers finite
	}
	return strings.TrimSuffix(b.String(), "\n")
}
