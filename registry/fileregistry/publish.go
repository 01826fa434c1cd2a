package fileregistry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/selfheal-ml/selfheal/registry"
)

// publish makes the change that plan decides on the next event, and returns it. If
// another process was faster, plan decides again, knowing what that one did. If plan says
// that its change is already there, nothing is written.
func (r *Registry) publish(ctx context.Context, plan func(*registry.State) (e event, repeated bool, err error)) (event, error) {
	for taken := 0; ; {
		var e event
		var repeated bool
		var number int
		err := r.read(ctx, func(s *registry.State) (err error) {
			e, repeated, err = plan(s)
			e.Format, e.Previous, number = format, r.headSum, r.head+1
			return err
		})
		if err != nil {
			return event{}, err
		}
		if repeated {
			// The process that wrote the event may not have synced the folder yet.
			if err := r.disk.syncDir(r.events()); err != nil {
				return event{}, fmt.Errorf("fileregistry: %w", err)
			}
			return e, nil
		}
		if number == taken {
			return event{}, fmt.Errorf("fileregistry: %s exists but cannot be seen yet", r.event(number))
		}
		err = r.write(number, e)
		if errors.Is(err, fs.ErrExist) {
			taken = number
			r.cfg.Logger.DebugContext(ctx, "fileregistry: another process was faster", "event", number)
			continue
		}
		if err != nil {
			return event{}, fmt.Errorf("fileregistry: write event %d: %w", number, err)
		}
		r.logChange(ctx, e)
		return e, nil
	}
}

func (r *Registry) logChange(ctx context.Context, e event) {
	if v := e.Registered; v != nil {
		r.cfg.Logger.InfoContext(ctx, "fileregistry: registered", "version", v.ID, "key", v.Key)
		return
	}
	t := e.Transition
	r.cfg.Logger.InfoContext(ctx, "fileregistry: transition", "seq", t.Seq, "version", t.Version, "from", t.From, "to", t.To,
		"displaced", t.Displaced, "actor", t.Actor, "reason", t.Reason)
}

// write makes e the event with this number, durably. It fails with [fs.ErrExist] if there
// is such an event.
func (r *Registry) write(number int, e event) error {
	data, err := encode(e)
	if err != nil {
		return err
	}
	temp, err := r.disk.writeTemp(r.temps(), func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return err
	}
	// Whether this succeeds changes nothing: what stays is found by Leftovers.
	defer r.disk.remove(temp)
	if err := r.disk.link(temp, r.event(number)); err != nil {
		return err
	}
	return r.disk.syncDir(r.events())
}
