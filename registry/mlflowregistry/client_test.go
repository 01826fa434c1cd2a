package mlflowregistry_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
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
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		require.NoError(t, err)
		content = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, server+"/api/2.0/mlflow/"+path, content)
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode, "%s %s: %s", method, path, data)
	answer := make(map[string]any)
	if len(strings.TrimSpace(string(data))) > 0 {
		require.NoError(t, json.Unmarshal(data, &answer), string(data))
	}
	return answer
}
