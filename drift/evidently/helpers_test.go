package evidently_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

func repeat[T any](n int, values ...T) []T {
	all := make([]T, 0, n*len(values))
	for range n {
		all = append(all, values...)
	}
	return all
}

// requireClose compares within a relative error, or an absolute one of 1e-15 at 0.
func requireClose(t *testing.T, want, got, relative float64, msg ...any) {
	t.Helper()
	if math.Abs(want-got) > relative*math.Abs(want)+1e-15 {
		require.Failf(t, "numbers differ", "want %v, got %v, relative tolerance %v %v", want, got, relative, msg)
	}
}

// readTestdata reads a JSON file of testdata into v.
func readTestdata(t *testing.T, name string, v any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, v))
}

// trainingData and lastHour stand for a host's own tables.
func trainingData() []drift.Column {
	age, region := make([]float64, 1000), make([]string, 1000)
	for i := range age {
		age[i] = float64(20 + i%50)
		region[i] = []string{"north", "south"}[i%2]
	}
	return []drift.Column{drift.Numeric("age", age), drift.Categorical("region", region)}
}

func lastHour() []drift.Column {
	age, region := make([]float64, 400), make([]string, 400)
	for i := range age {
		age[i] = float64(30 + i%50)
		region[i] = []string{"north", "south"}[i%2]
	}
	return []drift.Column{drift.Numeric("age", age), drift.Categorical("region", region)}
}
