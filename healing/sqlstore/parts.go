package sqlstore

import (
	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/registry"
)

// Registry returns the registry of the model. Each call returns another handle, which
// remembers what it has read; a process needs one handle for each model.
func (db *DB) Registry(model string) *registry.Ledger {
	return registry.NewLedger(db.Log("registry/"+model), db.Blobs("registry/"+model))
}

// Parts returns all that a loop needs to heal the model. The name of the model must be
// [predictlog.Record.Model] of its predictions, set by the recorder's Config or by the
// answers; otherwise the loop sees no prediction. Any number of loops, of this model and of
// others, in any processes, may share the database. Of all loops of one model, one works at a
// time, under the lease "loop/" and the name of the model.
//
// [healing.Parts.Reference] is not set; a host that has a reference sets it.
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
