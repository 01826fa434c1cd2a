package healing

import (
	"context"
	"io"
	"io/fs"

	"github.com/selfheal-ml/selfheal/labels"
)

// TrainRequest asks for a model.
type TrainRequest struct {
	// Run is the ID of the run, for the trainer's own records.
	Run string
	// Data are the training examples, all labelled, in order of time. The trainer must not
	// modify them. The rows on which the model will be judged are later than all of these.
	Data labels.Dataset
	// Seed is the seed for whatever is random, so that the training can be repeated.
	Seed uint64
}

// Trained is the result of a training.
type Trained struct {
	// Artifact is the model in the form that Parts.Load reads. An Artifact that is an
	// io.Closer is closed after it was read. Folder is a model of several files, see
	// [registry.Draft]. A training returns one of the two.
	Artifact io.Reader
	Folder   fs.FS
	// Metrics and Tags are stored with the version, see [registry.Draft]. Tags that start
	// with "selfheal." are reserved.
	Metrics map[string]float64
	Tags    map[string]string
}

// Trainer makes models. Hosts implement it; the sub-package trainertest checks these
// promises.
type Trainer interface {
	// Train returns a model made from the data of the request. Train may take long and must
	// return soon after ctx is done. An error means that the training was aborted: the run
	// ends with the error as its reason, and production stays as it is. Train may be called
	// again for the same run if a process died before the result was registered.
	Train(ctx context.Context, req TrainRequest) (Trained, error)
}

// TrainerFunc makes a function a [Trainer].
type TrainerFunc func(ctx context.Context, req TrainRequest) (Trained, error)

// Train calls f.
func (f TrainerFunc) Train(ctx context.Context, req TrainRequest) (Trained, error) {
	return f(ctx, req)
}
