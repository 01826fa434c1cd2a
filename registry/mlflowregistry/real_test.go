package mlflowregistry_test

import (
	"os"
	"testing"

	"github.com/selfheal-ml/selfheal/registry/registrytest"
)

// realServer returns the URL of a real MLflow server. Without one the test is skipped, or
// fails where the whole of it must run.
func realServer(t *testing.T) string {
	t.Helper()
	server := os.Getenv("SELFHEAL_MLFLOW")
	switch {
	case server != "":
	case os.Getenv("SELFHEAL_CI") == "1":
		t.Fatal("SELFHEAL_MLFLOW is not set, and SELFHEAL_CI is 1: want the URL of an MLflow server")
	default:
		t.Skip("SELFHEAL_MLFLOW is not set: want the URL of an MLflow server")
	}
	return server
}

func TestReal_Kit(t *testing.T) {
	h := harness(realServer(t))
	h.Features.NoSwap = true
	registrytest.Run(t, h)
}
