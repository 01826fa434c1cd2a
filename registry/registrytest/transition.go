package registrytest

import (
	"errors"
	"slices"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
)

const (
	staging     = registry.Staging
	production  = registry.Production
	archived    = registry.Archived
	quarantined = registry.Quarantined
)

func transitionChecks() []check {
	return []check{
		{
			name:    "Transition/Stages",
			promise: "A version goes from staging to production, archived or quarantined; from archived to production or quarantined; from quarantined to archived. All else is ErrIllegal and leaves no trace.",
			check: func(k *kit) {
				legal := map[registry.Stage][]registry.Stage{
					staging:     {production, archived, quarantined},
					archived:    {production, quarantined},
					quarantined: {archived},
				}
				current := ""
				promoted := func(id string) { current = id }
				for _, from := range []registry.Stage{staging, archived, quarantined, production} {
					for _, to := range []registry.Stage{staging, archived, quarantined, production, "retired", ""} {
						v := k.register(string(from + "-" + to))
						switch from {
						case production:
							k.promote(v.ID, current)
							promoted(v.ID)
						case archived, quarantined:
							k.transition(registry.Transition{Version: v.ID, To: from})
						}
						move := registry.Transition{Version: v.ID, To: to, Expect: current}
						if !slices.Contains(legal[from], to) {
							k.refused(move, registry.ErrIllegal)
							continue
						}
						if e := k.transition(move); e.From != from || e.To != to {
							k.broken("went from %q to %q, want %q to %q", e.From, e.To, from, to)
						}
						if v, err := registry.Get(k.ctx(), k.r, v.ID); err != nil || v.Stage != to {
							k.broken("stage is %q (error %v), want %q", v.Stage, err, to)
						}
						if to == production {
							promoted(v.ID)
						}
					}
				}
			},
		},
		{
			name:    "Transition/NotFound",
			promise: "A transition of a version that does not exist is ErrNotFound and leaves no trace.",
			check: func(k *kit) {
				k.register("a")
				for _, id := range []string{"77", "0", "-1", "0" + k.id(1), "", "a"} {
					k.refused(registry.Transition{Version: id, To: production}, registry.ErrNotFound)
				}
			},
		},
		{
			name:    "Transition/Invalid",
			promise: "A transition that no store could keep, or that displaces to another stage than archived or quarantined, is refused and leaves no trace.",
			check: func(k *kit) {
				k.register("a")
				versions := k.versions(registry.Query{})
				for what, t := range map[string]registry.Transition{
					"displaced":      {Version: k.id(1), To: production, Displaced: staging},
					"actor":          {Version: k.id(1), To: production, Actor: "\xff"},
					"reason":         {Version: k.id(1), To: production, Reason: "a\x00b"},
					"a far-off year": {Version: k.id(1), To: production, Time: day.AddDate(10000, 0, 0)},
				} {
					if _, err := k.r.Transition(k.ctx(), t); err == nil {
						k.broken("%s: no error", what)
					}
				}
				k.unchanged(versions, nil)
			},
		},
		{
			name:    "Transition/Conflict",
			promise: "A promotion that expects another version in production than there is is a ConflictError that names both, and leaves no trace.",
			check: func(k *kit) {
				k.register("a")
				k.register("b")
				conflict := func(id, expected, actual string) {
					err := k.refused(registry.Transition{Version: id, To: production, Expect: expected}, registry.ErrConflict)
					var c *registry.ConflictError
					if !errors.As(err, &c) || *c != (registry.ConflictError{Expected: expected, Actual: actual}) {
						k.broken("error is %v, want expected %q, actual %q", err, expected, actual)
					}
				}
				conflict(k.id(1), k.id(2), "")
				k.promote(k.id(1), "")
				conflict(k.id(2), "", k.id(1))
				conflict(k.id(2), k.id(2), k.id(1))
				conflict(k.id(2), "77", k.id(1))
				// A transition that another replica did already is a conflict first, although it is illegal too.
				conflict(k.id(1), "", k.id(1))
			},
		},
		{
			name:    "Transition/ExpectElsewhere",
			promise: "What is expected to be in production is checked only where production changes.",
			check: func(k *kit) {
				k.register("a")
				k.transition(registry.Transition{Version: k.id(1), To: archived, Expect: "77"})
				k.stages(archived)
			},
		},
		{
			name:    "Transition/Displaces",
			promise: "A promotion archives the version that was in production, in the same step, and the event says so.",
			check: func(k *kit) {
				k.register("a")
				k.register("b")
				if e := k.promote(k.id(1), ""); e.Displaced != "" || e.DisplacedTo != "" {
					k.broken("the first promotion displaced %q to %q", e.Displaced, e.DisplacedTo)
				}
				k.stages(production, staging)
				if e := k.promote(k.id(2), k.id(1)); e.Displaced != k.id(1) || e.DisplacedTo != archived {
					k.broken("the second promotion displaced %q to %q", e.Displaced, e.DisplacedTo)
				}
				k.stages(archived, production)
			},
		},
		{
			name:    "Transition/RollsBack",
			promise: "A rollback promotes the former version again and quarantines the harmful one, in one step; a quarantined version is not promoted unless it is pardoned to archived.",
			check: func(k *kit) {
				k.register("a")
				k.register("b")
				k.promote(k.id(1), "")
				k.promote(k.id(2), k.id(1))
				e := k.transition(registry.Transition{Version: k.id(1), To: production, Expect: k.id(2), Displaced: quarantined})
				if e.From != archived || e.Displaced != k.id(2) || e.DisplacedTo != quarantined {
					k.broken("the event is %+v", e)
				}
				k.stages(production, quarantined)
				k.refused(registry.Transition{Version: k.id(2), To: production, Expect: k.id(1)}, registry.ErrIllegal)
				k.transition(registry.Transition{Version: k.id(2), To: archived})
				k.promote(k.id(2), k.id(1))
				k.stages(archived, production)
			},
		},
		{
			name:    "Transition/Idempotent",
			promise: "A repetition with the same key returns the event of the first and changes nothing, whatever happened since; another transition with that key is ErrIllegal.",
			check: func(k *kit) {
				for _, key := range []string{"a", "b", "c"} {
					k.register(key)
				}
				k.promote(k.id(1), "")
				first := registry.Transition{Version: k.id(2), To: production, Expect: k.id(1), Time: day, Key: "run-7"}
				want := k.transition(first)
				k.promote(k.id(3), k.id(2))

				versions, history := k.versions(registry.Query{}), k.history()
				again := first
				again.Expect, again.Time, again.Reason = "77", day.Add(time.Hour), "again"
				for _, t := range []registry.Transition{first, again} {
					got := k.transition(t)
					if got != want {
						k.broken("the repetition returned %+v, want %+v", got, want)
					}
				}
				k.unchanged(versions, history)

				for _, t := range []registry.Transition{
					{Version: k.id(1), To: production, Expect: k.id(3), Key: "run-7"},
					{Version: k.id(2), To: quarantined, Key: "run-7"},
					{Version: k.id(2), To: production, Expect: k.id(3), Displaced: quarantined, Key: "run-7"},
				} {
					k.refused(t, registry.ErrIllegal)
				}
			},
		},
		{
			name:    "Transition/Fenced",
			promise: "A token lower than the highest in the history is ErrFenced, even in a repetition, and leaves no trace; no token is always admitted, and a token of a refused transition does not count.",
			check: func(k *kit) {
				k.needs(!k.h.Features.NoFencing, "fencing")
				k.registers("a", "b", "c", "d", "e")
				archive := func(n int, token uint64) registry.Transition {
					return registry.Transition{Version: k.id(n), To: archived, Token: token, Key: "archive " + k.id(n)}
				}
				k.transition(archive(1, 5))
				k.refused(registry.Transition{Version: k.id(1), To: staging, Token: 100}, registry.ErrIllegal)
				k.transition(archive(2, 5))
				k.transition(archive(3, 1<<62))
				k.refused(archive(4, 5), registry.ErrFenced)
				k.refused(archive(1, 5), registry.ErrFenced)
				k.refused(registry.Transition{Version: "77", To: production, Token: 5}, registry.ErrFenced)
				k.transition(archive(4, 0))
				k.refused(archive(5, 5), registry.ErrFenced)
				k.transition(archive(5, 1<<62))
			},
		},
		{
			name:    "History/Complete",
			promise: "History yields every event with all it was told, oldest first, numbered from 1; Transition returned the same.",
			check: func(k *kit) {
				k.register("a")
				k.register("b")
				var returned []registry.Event
				for _, t := range []registry.Transition{
					{Version: k.id(1), To: production, Time: day},
					{
						Version: k.id(2), To: production, Expect: k.id(1), Displaced: quarantined, Time: day.Add(-time.Hour).In(time.FixedZone("", 7200)),
						Actor: "healing", Reason: "F1 0.71 -> 0.74 <ok>\n\"läuft\"", Decision: "sha256:abc", Key: "run-7", Token: 3,
					},
					{Version: k.id(1), To: archived, Time: day.Add(time.Hour)},
				} {
					returned = append(returned, k.transition(t))
				}
				want := []registry.Event{
					{Seq: 1, Time: day, Version: k.id(1), From: staging, To: production},
					{
						Seq: 2, Time: day.Add(-time.Hour), Version: k.id(2), From: staging, To: production, Displaced: k.id(1), DisplacedTo: quarantined,
						Actor: "healing", Reason: "F1 0.71 -> 0.74 <ok>\n\"läuft\"", Decision: "sha256:abc", Key: "run-7", Token: 3,
					},
					{Seq: 3, Time: day.Add(time.Hour), Version: k.id(1), From: quarantined, To: archived},
				}
				if !slices.Equal(returned, want) {
					k.broken("returned %+v, want %+v", returned, want)
				}
				if got := k.history(); !slices.Equal(got, want) {
					k.broken("history is %+v, want %+v", got, want)
				}
			},
		},
	}
}
