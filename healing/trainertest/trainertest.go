// Package trainertest checks that an implementation of [healing.Trainer] keeps the
// promises of the interface. Call [Run] from a test of the implementation.
package trainertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"
	"time"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/labels"
)

// Run checks a trainer on data that it can learn from.
func Run(t *testing.T, trainer healing.Trainer, data labels.Dataset) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := c.check(t.Context(), trainer, data); err != nil {
				t.Errorf("%v\nviolated promise: %s", err, c.promise)
			}
		})
	}
}

var cases = []struct {
	name    string
	promise string
	check   func(context.Context, healing.Trainer, labels.Dataset) error
}{
	{
		name:    "artifact",
		promise: "Train returns an artifact that is not empty",
		check: func(ctx context.Context, trainer healing.Trainer, data labels.Dataset) error {
			artifact, err := train(ctx, trainer, data)
			if err == nil && len(artifact) == 0 {
				err = errors.New("the artifact is empty")
			}
			return err
		},
	},
	{
		name:    "repeatable",
		promise: "the same data and the same seed make the same model",
		check: func(ctx context.Context, trainer healing.Trainer, data labels.Dataset) error {
			a, errA := train(ctx, trainer, data)
			b, errB := train(ctx, trainer, data)
			if err := errors.Join(errA, errB); err != nil {
				return err
			}
			if !bytes.Equal(a, b) {
				return fmt.Errorf("two trainings gave artifacts of %d and %d bytes that differ", len(a), len(b))
			}
			return nil
		},
	},
	{
		name:    "data untouched",
		promise: "Train does not modify the data",
		check: func(ctx context.Context, trainer healing.Trainer, data labels.Dataset) error {
			before := data.Fingerprint()
			if _, err := train(ctx, trainer, data); err != nil {
				return err
			}
			if data.Fingerprint() != before {
				return errors.New("the fingerprint of the data changed")
			}
			return nil
		},
	},
	{
		name:    "no data",
		promise: "Train without a row is an error, not a model",
		check: func(ctx context.Context, trainer healing.Trainer, data labels.Dataset) error {
			if _, err := train(ctx, trainer, labels.Dataset{Schema: data.Schema}); err == nil {
				return errors.New("train of no rows succeeds")
			}
			return nil
		},
	},
	{
		name:    "cancelled",
		promise: "Train returns soon after its context is done",
		check: func(ctx context.Context, trainer healing.Trainer, data labels.Dataset) error {
			cancelled, cancel := context.WithCancel(ctx)
			cancel()
			done := make(chan struct{})
			go func() {
				defer close(done)
				train(cancelled, trainer, data) // a model made all the same is not an error
			}()
			select {
			case <-done:
				return nil
			case <-time.After(30 * time.Second):
				return errors.New("train still runs 30 s after its context was cancelled")
			}
		},
	},
}

func train(ctx context.Context, trainer healing.Trainer, data labels.Dataset) ([]byte, error) {
	trained, err := trainer.Train(ctx, healing.TrainRequest{Run: "run-000001", Data: data, Seed: 1})
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	switch {
	case trained.Artifact == nil && trained.Folder == nil:
		return nil, errors.New("train: neither an artifact nor a folder")
	case trained.Artifact != nil && trained.Folder != nil:
		return nil, errors.New("train: both an artifact and a folder")
	case trained.Folder != nil:
		return readFolder(trained.Folder)
	}
	artifact, err := io.ReadAll(trained.Artifact)
	if closer, ok := trained.Artifact.(io.Closer); ok {
		err = errors.Join(err, closer.Close())
	}
	return artifact, err
}

// readFolder returns the names and contents of all files, in the order of their names.
func readFolder(folder fs.FS) ([]byte, error) {
	var all []byte
	err := fs.WalkDir(folder, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(folder, name)
		all = append(append(all, name...), content...)
		return err
	})
	return all, err
}
