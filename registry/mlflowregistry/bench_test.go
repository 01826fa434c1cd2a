package mlflowregistry_test

import (
	"os"
	"strings"
	"testing"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/stretchr/testify/require"
)

// BenchmarkInProduction measures a poll, against a real server if SELFHEAL_MLFLOW names
// one.
func BenchmarkInProduction(b *testing.B) {
	server := os.Getenv("SELFHEAL_MLFLOW")
	if server == "" {
		server = newFake(b).URL
	}
	r := open(b, config(server))
	v, err := r.Register(b.Context(), registry.Draft{Key: "a"}, strings.NewReader("artifact"))
	require.NoError(b, err)
	_, err = r.Transition(b.Context(), registry.Transition{Version: v.ID, To: registry.Production})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := registry.InProduction(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
