// Package selfheal is the root of an SDK that keeps a deployed machine-learning model
// healthy, embedded in the Go service that serves it. It holds no code; the packages
// below it do, and each can be used alone:
//
//   - predictlog records every prediction, append-only, with an ID: the
//     predictlog.Recorder with its middleware, and the predictlog.Store
//   - labels keeps the truth, which arrives late, and joins it by that ID: the
//     labels.Store, labels.Handler and labels.Join
//   - drift compares live data with a frozen reference, and describes a model's answers
//     without labels: pure functions, drift.Reference, drift.Detector, drift.Report
//   - gate decides whether a shadow model may replace production: gate.Replay,
//     gate.Evaluate and its gate.Decision; its sub-package metrics measures
//   - registry keeps the versions of a model and which of them is in production:
//     registry.Registry, and registry.Live to serve it
//   - healing drives all of it: healing.Loop monitors, retrains, promotes, watches and
//     rolls back, and records each step in a journal
//
// A host implements, or takes the embedded default of:
//
//	interface            what it is            in memory        in files                   kit
//	predictlog.Store     prediction store      MemoryStore      predictlog/csvlog          predictlogtest
//	labels.Store         label store           MemoryStore      labels/csvlabels           labelstest
//	registry.Registry    registry              NewMemory        registry/fileregistry      registrytest
//	registry.Log         log under a registry  MemoryLog        fileregistry.OpenLog       registrytest
//	                     and a journal
//	registry.Blobs       files of versions     MemoryBlobs      fileregistry.OpenBlobs     registrytest
//	healing.Telemetry    passes and profiles   MemoryTelemetry  healing/filetelemetry      healingtest
//	healing.Lease        one worker at a time  MemoryLease      fileregistry.OpenLease     healingtest
//	gate.Model           model                 ModelFunc                                   modeltest
//	healing.Trainer      training              TrainerFunc                                 trainertest
//
// healing/sqlstore keeps all of it in PostgreSQL or SQLite. registry/mlflowregistry is a
// Registry in MLflow. registry/blobregistry, a module of its own, is log, blobs and lease on
// object storage.
//
// Each kit is a package beside the interface; an implementation that passes it keeps the
// promises that the rest relies on.
//
// Imports go one way: predictlog, drift and registry import nothing of ours, labels
// imports predictlog, gate imports labels and predictlog, healing imports all of them.
//
// The program in examples/pipeline shows the whole loop in a few seconds.
package selfheal
