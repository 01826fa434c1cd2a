// Package selfheal is the root of an SDK that keeps a deployed machine-learning model
// healthy, embedded in the Go service that serves it. It holds no code: it is the map of
// the packages below it. Each package can be used alone.
//
//   - predictlog records every prediction under an ID: predictlog.SchemaOf,
//     predictlog.NewRecorder, predictlog.Store
//   - labels keeps the truth, which arrives late, and joins it by that ID: labels.Handler,
//     labels.Join, labels.Store
//   - drift compares live data with a frozen reference: drift.KolmogorovSmirnov,
//     drift.NewReference, drift.NewDetector; below it drift/reportpage shows a report,
//     drift/proxy describes what a model answers, drift/twosample and drift/multivariate have
//     further tests, and drift/evidently has Evidently's verdicts
//   - gate decides whether a shadow model may replace production: gate.Replay,
//     gate.Evaluate; below it gate/metrics measures, gate/paired compares, gate/budget bounds
//     false promotions, gate/audit chains decisions, and gate/sequential finds harm
//   - registry keeps the versions of a model and which of them is in production:
//     registry.Registry, registry.NewLive
//   - healing drives all of it: healing.New, healing.Loop.Run, healing.Loop.Handler
//
// # Interfaces of a host
//
// A host implements an interface of this table or takes an implementation that is here.
// Each kit is a package beside the interface. An implementation that passes the kit keeps
// the promises that the rest relies on.
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
// registry in MLflow. registry/blobregistry keeps log, blobs and lease on object storage; it
// is a module of its own.
//
// # Arrows
//
// Imports go one way. predictlog, drift and registry import nothing of ours. labels imports
// predictlog. gate imports labels and predictlog. healing imports all five.
//
// # Pages
//
// README.md has the quick start and the guarantees. .github/ARCHITECTURE.md has the seams and
// the life of a prediction and of a run. .github/CONTRIBUTING.md says where a change goes.
// The FIGURES.md of drift, gate and healing hold the measured error rates and times, and
// healing/OPERATIONS.md is for the person on call. examples/pipeline shows the whole loop in
// a few seconds.
package selfheal
