package trainertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

func data(t *testing.T) labels.Dataset {
	t.Helper()
	schema, err := predictlog.NewSchema([]predictlog.Column{{Name: "x", Kind: predictlog.Numeric}}, predictlog.Target{})
	require.NoError(t, err)
	d := labels.Dataset{Schema: schema}
	for i := range 10 {
		id := fmt.Sprint("p", i)
		d.Examples = append(d.Examples, labels.Example{
			Record:   predictlog.Record{ID: id, Time: time.Unix(int64(i), 0), Row: predictlog.Row{predictlog.Number(float64(i))}},
			Label:    labels.Label{PredictionID: id, Class: fmt.Sprint(i / 5), Time: time.Unix(int64(i), 0)},
			Labelled: true,
		})
	}
	return d
}

// count trains a model that knows how many rows there were.
func count(_ context.Context, req healing.TrainRequest) (healing.Trained, error) {
	if len(req.Data.Examples) == 0 {
		return healing.Trained{}, errors.New("no rows")
	}
	return healing.Trained{Artifact: strings.NewReader(fmt.Sprint(len(req.Data.Examples)))}, nil
}

func TestRun(t *testing.T) {
	t.Parallel()
	Run(t, healing.TrainerFunc(count), data(t))
}

func TestKitFindsFaults(t *testing.T) {
	t.Parallel()
	calls := 0
	for caught, trainer := range map[string]healing.TrainerFunc{
		"artifact": func(context.Context, healing.TrainRequest) (healing.Trained, error) {
			return healing.Trained{Artifact: strings.NewReader("")}, nil
		},
		"repeatable": func(context.Context, healing.TrainRequest) (healing.Trained, error) {
			calls++
			return healing.Trained{Artifact: strings.NewReader(fmt.Sprint(calls))}, nil
		},
		"data untouched": func(ctx context.Context, req healing.TrainRequest) (healing.Trained, error) {
			req.Data.Examples[0].Record.Row[0] = predictlog.Number(-1)
			return count(ctx, req)
		},
		"no data": func(context.Context, healing.TrainRequest) (healing.Trained, error) {
			return healing.Trained{Artifact: strings.NewReader("a model of nothing")}, nil
		},
	} {
		for _, c := range cases {
			if c.name == caught {
				require.Error(t, c.check(t.Context(), trainer, data(t)), caught)
			}
		}
	}
}
