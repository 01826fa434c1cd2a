package mlflowregistry

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/selfheal-ml/selfheal/registry"
)

// Transition implements [registry.Registry]. An event is first written as a tag of the
// registered model. A promotion happens when the alias of the champion then moves, in one
// step. If the process dies before the move, the promotion did not happen. If it dies after
// the move, the promotion happened, and the next transition writes what is missing. All other
// transitions happen when the event is written.
//
// Before the alias moves, Transition looks at it once more and finds another process that was
// faster. A gap of one request remains: transitions that may happen at the same time need a
// lease, and its Token.
func (r *Registry) Transition(ctx context.Context, t registry.Transition) (registry.Event, error) {
	if err := t.Validate(); err != nil {
		return registry.Event{}, err
	}
	if r.cfg.ReadOnly {
		return registry.Event{}, ErrReadOnly
	}
	if err := r.acquire(ctx); err != nil {
		return registry.Event{}, err
	}
	defer r.release()
	for range maxLooks {
		e, done, err := r.attempt(ctx, t)
		if err != nil || done {
			return e, err
		}
		r.cfg.Logger.DebugContext(ctx, "mlflowregistry: another process was faster", "version", t.Version, "to", t.To)
	}
	return registry.Event{}, fmt.Errorf("mlflowregistry: other processes were faster %d times", maxLooks)
}

// attempt makes the transition. It reports false if another process came in between and
// nothing happened. The caller holds the lock.
func (r *Registry) attempt(ctx context.Context, t registry.Transition) (registry.Event, bool, error) {
	s, err := r.lookLocked(ctx)
	if err != nil {
		return registry.Event{}, false, err
	}
	if last, ok := s.last(); ok && !last.Done {
		r.finish(ctx, s, last) // a process died in between
	}
	e, repeated, err := r.plan(ctx, s, t)
	if err != nil || repeated {
		return e, repeated, err
	}
	n := note{Event: e, Nonce: nonce(), Rank: max(s.token, t.Token), Done: t.To != registry.Production}
	// A promotion that a process left unfinished has the same number and is overwritten.
	if err := r.setModelTag(ctx, n.key(), encode(n)); err != nil {
		return registry.Event{}, false, err
	}
	if s.pending != nil && s.production != "" {
		r.restore(ctx, s)
	}
	ok, err := r.confirm(ctx, s, n)
	if err != nil || !ok {
		return registry.Event{}, false, err
	}
	if t.To == registry.Production {
		if err := r.promote(ctx, s, n); err != nil {
			return registry.Event{}, false, err
		}
	}
	s.notes = append(s.notes, n)
	s.add(n)
	r.finish(ctx, s, n)
	r.cfg.Logger.InfoContext(ctx, "mlflowregistry: transition", "seq", e.Seq, "version", e.Version, "from", e.From,
		"to", e.To, "displaced", e.Displaced, "actor", e.Actor, "reason", e.Reason)
	return e, true, nil
}

// plan returns the event of the transition, or an error if it may not happen. If the
// transition repeats an earlier one, plan returns the earlier event, and repeated is true.
func (r *Registry) plan(ctx context.Context, s *view, t registry.Transition) (e registry.Event, repeated bool, err error) {
	if err := s.admit(t.Token); err != nil {
		return registry.Event{}, false, err
	}
	displacedTo := cmp.Or(t.Displaced, registry.Archived)
	if n, ok := s.byKey(t.Key); ok {
		if n.Version != t.Version || n.To != t.To || n.Displaced != "" && n.DisplacedTo != displacedTo {
			return registry.Event{}, false, fmt.Errorf("%w: the key %q of version %q to %s was used for version %q to %s (displaced to %q)",
				registry.ErrIllegal, t.Key, t.Version, t.To, n.Version, n.To, n.DisplacedTo)
		}
		return n.Event, true, nil
	}
	m, ok, err := r.one(ctx, t.Version)
	if err != nil {
		return registry.Event{}, false, err
	}
	if !ok {
		return registry.Event{}, false, fmt.Errorf("%w: version %q", registry.ErrNotFound, t.Version)
	}
	if t.To == registry.Production && t.Expect != s.production {
		return registry.Event{}, false, &registry.ConflictError{Expected: t.Expect, Actual: s.production}
	}
	from := s.stage(t.Version)
	if !from.CanBecome(t.To) {
		return registry.Event{}, false, fmt.Errorf("%w: version %q is %s and may not become %q", registry.ErrIllegal, t.Version, from, t.To)
	}
	if t.To == registry.Production {
		if m.tag(tagDeleted) != "" {
			return registry.Event{}, false, fmt.Errorf("%w: the files of version %q were deleted", registry.ErrIllegal, t.Version)
		}
		if err := r.adopt(ctx, m); err != nil {
			return registry.Event{}, false, err
		}
	}
	e = registry.Event{
		Seq: s.next(), Time: moment(t.Time), Version: t.Version, From: from, To: t.To,
		Actor: t.Actor, Reason: t.Reason, Decision: t.Decision, Key: t.Key, Token: t.Token,
	}
	if t.To == registry.Production && s.production != "" {
		e.Displaced, e.DisplacedTo = s.production, displacedTo
	}
	return e, false, nil
}

// confirm checks once more that the note is still the event with its number, that its token
// was not fenced off, and, for a promotion, that the same version is in production. Otherwise
// it deletes the note.
func (r *Registry) confirm(ctx context.Context, s *view, n note) (bool, error) {
	m, err := r.model(ctx)
	if err != nil {
		return false, err
	}
	var now note
	if err := json.Unmarshal([]byte(m.tag(n.key())), &now); err != nil || now.Nonce != n.Nonce {
		return false, nil // another process overwrote it
	}
	v, err := newView(m, r.cfg.Champion)
	if err != nil {
		return false, err
	}
	if err := v.admit(n.Token); err != nil {
		return false, r.retract(ctx, n, err)
	}
	mine := func(o note) bool { return o.Nonce == n.Nonce }
	counts := v.pending != nil && mine(*v.pending) && v.champion == s.champion
	if n.Done {
		counts = slices.ContainsFunc(v.notes, mine)
	}
	if !counts {
		return false, r.retract(ctx, n, nil)
	}
	return true, nil
}

// retract deletes a note that does not count, and returns err.
func (r *Registry) retract(ctx context.Context, n note, err error) error {
	if errDelete := r.deleteModelTag(ctx, n.key()); errDelete != nil {
		return errDelete
	}
	return err
}

// promote moves the aliases of a promotion whose note is written, the champion's last, and
// checks the result.
func (r *Registry) promote(ctx context.Context, s *view, n note) error {
	if n.Displaced != "" {
		if err := r.mirror(ctx, n.Displaced, n.DisplacedTo, n.Event); err != nil {
			return err
		}
		if n.DisplacedTo == registry.Archived {
			if err := r.setAlias(ctx, r.cfg.Previous, n.Displaced); err != nil {
				return err
			}
		}
	}
	if err := r.setAlias(ctx, r.cfg.Champion, n.Version); err != nil {
		return err
	}
	m, err := r.model(ctx)
	if err != nil {
		return err
	}
	v, err := newView(m, r.cfg.Champion)
	if err != nil {
		return err
	}
	if v.champion == n.Version && slices.ContainsFunc(v.notes, func(o note) bool { return o.Nonce == n.Nonce }) {
		return nil
	}
	// Another process or client came in between the second look and the move of the alias.
	// This note does not count. The present place of the alias becomes an event at the next
	// look.
	if err := v.admit(n.Token); err != nil {
		return err
	}
	return &registry.ConflictError{Expected: n.Displaced, Actual: v.champion}
}

// finish writes what people and other clients see of an event that has happened, and then
// that all is written. A failure does not change production; the next transition writes the
// rest.
func (r *Registry) finish(ctx context.Context, s *view, n note) {
	try := func(what string, err error) {
		if err != nil {
			r.untidy(ctx, what, err)
		}
	}
	if n.Displaced != "" {
		try("write the stage of the displaced version", r.mirror(ctx, n.Displaced, n.DisplacedTo, n.Event))
	}
	try("write the stage", r.mirror(ctx, n.Version, n.To, n.Event))
	if s.aliases.alias(r.cfg.Challenger) == n.Version {
		try("take the alias from the challenger", r.deleteAlias(ctx, r.cfg.Challenger))
	}
	try("set the alias of the previous version", r.setPrevious(ctx, s))
	if r.cfg.Stages {
		stage := "Archived"
		if n.To == registry.Production {
			stage = "Production"
		}
		try("move the version to the stage "+stage, r.setStage(ctx, n.Version, stage))
	}
	if n.To == registry.Production && !n.Done {
		n.Done = true
		try("complete the event", r.setModelTag(ctx, n.key(), encode(n)))
	}
}

// setPrevious gives the alias to the version to which a rollback goes back.
func (r *Registry) setPrevious(ctx context.Context, s *view) error {
	want, err := r.rollback(ctx, s)
	if err != nil {
		return err
	}
	has := s.aliases.alias(r.cfg.Previous)
	if n, ok := s.last(); ok && n.Displaced != "" && n.DisplacedTo == registry.Archived {
		has = n.Displaced // given to it by promote
	}
	switch want {
	case has:
		return nil
	case "":
		return r.deleteAlias(ctx, r.cfg.Previous)
	}
	return r.setAlias(ctx, r.cfg.Previous, want)
}

// restore writes the stage of the version in production again, which an unfinished promotion
// may have removed.
func (r *Registry) restore(ctx context.Context, s *view) {
	for i := len(s.notes) - 1; i >= 0; i-- {
		if n := s.notes[i]; n.Version == s.production && n.To == registry.Production {
			if err := r.mirror(ctx, n.Version, n.To, n.Event); err != nil {
				r.untidy(ctx, "write the stage of the version in production", err)
			}
			return
		}
	}
}
