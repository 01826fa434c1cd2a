// Package miniature is a model that is small enough for tests that drive a whole loop.
package miniature

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// Threshold is a model of two classes, "0" and "1". The probability of "1" rises with the
// first column of a row, a number, and is 1/2 at At.
type Threshold struct {
	At float64 `json:"at"`
	// Falling exchanges the two classes.
	Falling bool `json:"falling,omitempty"`
}

// Output returns the answer of the model to a row.
func (m Threshold) Output(row predictlog.Row) predictlog.Output {
	x, _ := row[0].Number()
	p := 1 / (1 + math.Exp(-2*(x-m.At)))
	if m.Falling {
		p = 1 - p
	}
	o := predictlog.Output{Class: "0", Probabilities: []float64{1 - p, p}}
	if p > 0.5 {
		o.Class = "1"
	}
	return o
}

// Predict returns the answers of the model to rows.
func (m Threshold) Predict(ctx context.Context, rows []predictlog.Row) ([]predictlog.Output, error) {
	outputs := make([]predictlog.Output, len(rows))
	for i, row := range rows {
		outputs[i] = m.Output(row)
	}
	return outputs, ctx.Err()
}

// Train puts the threshold between the means of the two classes. Without a row of each
// class Train returns an error.
func Train(req healing.TrainRequest) (Threshold, error) {
	sums, counts := map[string]float64{}, map[string]float64{}
	for _, e := range req.Data.Examples {
		x, _ := e.Record.Row[0].Number()
		sums[e.Label.Class] += x
		counts[e.Label.Class]++
	}
	if len(counts) < 2 {
		return Threshold{}, errors.New("need both classes")
	}
	return Threshold{At: (sums["0"]/counts["0"] + sums["1"]/counts["1"]) / 2}, nil
}

// Read reads a model from the JSON of a [Threshold].
func Read(artifact io.Reader) (Threshold, error) {
	var m Threshold
	err := json.NewDecoder(artifact).Decode(&m)
	return m, err
}
