package sqlstore

import (
	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/registry"
)

// Registry returns the registry of the model. Each call returns another handle, which
// remembers what it read; a process needs one for each model.
func (db *DB) Registry(model string) *registry.Ledger {
	return registry.NewLedger(db.Log("registry/"+model), db.Blobs("registry/"+model))
}

// Parts returns all that a loop works with that heals the model, whose name is
// [predictlog.Record.Model] of its predictions: the recorder's Config or the answers name
// it, or the loop sees none. Any number of loops, of this model and of
// others, in any processes, may share the database. Of one model one of them works at a
// time, under the lease "loop/" and the name of the model.
//
// [healing.Parts.Reference] is not set; whoever has one sets it.
func (db *DB) Parts(model string, trainer healing.Trainer, load registry.LoadFunc[gate.Model]) healing.Parts {
	return healing.Parts{
		Model:       model,
		Predictions: db.Predictions(),
		Labels:      db.Labels(),
		Registry:    db.Registry(model),
		Journal:     db.Journal(model),
		Telemetry:   db.Telemetry(),
		Lease:       db.Lease("loop/" + model),
		Trainer:     trainer,
		Load:        load,
	}
}
