package healing_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadme holds the README to the examples that compile and run.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(readme, -1)
	files := []string{"example_service_test.go", "example_decision_test.go", "sqlstore/example_test.go"}
	require.Len(t, blocks, len(files), "an example for each block")
	for i, file := range files {
		example, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, flush(string(example)), flush(string(blocks[i][1])), file)
	}
	decision, err := os.ReadFile(files[1])
	require.NoError(t, err)
	said := regexp.MustCompile(`fmt\.Println\(decision\) // (.*)`).FindSubmatch(blocks[1][1])
	require.NotNil(t, said, "what the decision says")
	require.Contains(t, string(decision), "// Output: "+string(said[1])+"\n")
}

// flush removes the indentation, which a block of a function's inside does not have.
func flush(code string) string {
	lines := strings.Split(code, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimLeft(line, "\t")
	}
	return strings.Join(lines, "\n")
}
