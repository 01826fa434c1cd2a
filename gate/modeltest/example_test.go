package modeltest_test

import (
	"context"
	"testing"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/modeltest"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// twice is a host's model.
func twice(_ context.Context, rows []predictlog.Row) ([]predictlog.Output, error) {
	outputs := make([]predictlog.Output, len(rows))
	for i, row := range rows {
		x, _ := row[0].Number()
		outputs[i].Value = 2 * x
	}
	return outputs, nil
}

// A host calls Run in a test of its own, such as TestModel here.
func ExampleRun() {
	TestModel := func(t *testing.T) {
		rows := []predictlog.Row{{predictlog.Number(1)}, {predictlog.Number(5)}, {predictlog.Number(2)}}
		open := func(*testing.T) gate.Model { return gate.ModelFunc(twice) }
		modeltest.Run(t, open, rows, predictlog.Target{Task: predictlog.Regression})
	}
	_ = TestModel // go test calls it
}
