package mlflowregistry_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// put overwrites an artifact, as any client may.
func put(t *testing.T, server, path string, content []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server+"/api/2.0/mlflow-artifacts/artifacts/"+path, bytes.NewReader(content))
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
}

// other makes a call as another client would, and returns the answer.
func other(t *testing.T, server, method, path string, body map[string]any) map[string]any {
	t.Helper()
	return ask(t, method, server+"/api/2.0/mlflow/"+path, body)
}

// list returns the names in a folder of artifacts.
func list(t *testing.T, server, dir string) []string {
	t.Helper()
	var names []string
	files, _ := ask(t, http.MethodGet, server+"/api/2.0/mlflow-artifacts/artifacts?path="+url.QueryEscape(dir), nil)["files"].([]any)
	for _, f := range files {
		names = append(names, f.(map[string]any)["path"].(string))
	}
	return names
}

func ask(t *testing.T, method, address string, body map[string]any) map[string]any {
	t.Helper()
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		require.NoError(t, err)
		content = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, address, content)
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode, "%s %s: %s", method, address, data)
	answer := make(map[string]any)
	if len(strings.TrimSpace(string(data))) > 0 {
		require.NoError(t, json.Unmarshal(data, &answer), string(data))
	}
	return answer
}
