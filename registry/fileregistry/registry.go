package fileregistry

import (
	"errors"
	"log/slog"
	"path/filepath"

	"github.com/selfheal-ml/selfheal/registry"
)

// Config tunes a registry. The zero Config is valid.
type Config struct {
	// Logger receives every change, and at debug level the lost races with other processes.
	// Nil is silent.
	Logger *slog.Logger
}

// Open opens the registry in dir, which is made if it does not exist. Its log is the
// [Log] in the folder "log", its files are the [Blobs] in the folder "blobs".
func Open(dir string, cfg Config) (*registry.Ledger, error) { return open(dir, cfg, disk{}) }

func open(dir string, cfg Config, d disk) (*registry.Ledger, error) {
	if dir == "" {
		return nil, errors.New("fileregistry: dir is empty")
	}
	log, errLog := openLog(filepath.Join(dir, "log"), d)
	blobs, errBlobs := openBlobs(filepath.Join(dir, "blobs"), d)
	if err := errors.Join(errLog, errBlobs); err != nil {
		return nil, err
	}
	l := registry.NewLedger(log, blobs)
	l.Logger = cfg.Logger
	return l, nil
}
