package healing_test

import (
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
)

// get asks the loop's handler, mounted as the documentation says.
func get(t *testing.T, l *healing.Loop, path string) (int, string, http.Header) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/healing/", http.StripPrefix("/healing", l.Handler()))
	server := httptest.NewServer(mux)
	defer server.Close()
	answer, err := http.Get(server.URL + "/healing/" + path)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(body), answer.Header
}

// fetch returns the body of a page that is there.
func fetch(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode, url)
	return string(body)
}

func TestHandler_BeforeAnything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.loop(t, healing.Config{})
	code, body, header := get(t, l, "")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "text/html; charset=utf-8", header.Get("Content-Type"))
	require.Contains(t, body, "nothing was promoted yet")
	require.Contains(t, body, "No run yet")
	for _, path := range []string{"drift", "drift.json", "runs/run-000001.json", "runs/run-000001", "nothing"} {
		code, _, _ := get(t, l, path)
		require.Equal(t, http.StatusNotFound, code, path)
	}
}

func TestHandler_ShowsWhatHappened(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	w.days(t, l, 6, 400)
	w.spoil = true
	_, err := l.Retrain(t.Context(), "ann", "<script>alert(1)</script>", w.now)
	require.NoError(t, err)
	require.NoError(t, l.Tick(t.Context(), w.now))

	code, body, _ := get(t, l, "")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, "<h1>stable</h1>")
	require.Contains(t, body, "Version 1")
	require.Contains(t, body, "rejected")
	require.Contains(t, body, "<polyline")
	require.NotContains(t, body, "<script>", "what people write is escaped")

	code, body, _ = get(t, l, "status.json")
	require.Equal(t, http.StatusOK, code)
	var status healing.Status
	require.NoError(t, json.Unmarshal([]byte(body), &status))
	require.Equal(t, "stable", status.Health)
	require.Equal(t, "1", status.Production.ID)
	require.Len(t, status.Runs, 2)
	require.Equal(t, healing.StepRejected, status.Runs[0].Step)
	require.True(t, status.Passes[0].Time.After(status.Passes[1].Time))

	code, body, _ = get(t, l, "runs/"+status.Runs[0].ID+".json")
	require.Equal(t, http.StatusOK, code)
	var run healing.Run
	require.NoError(t, json.Unmarshal([]byte(body), &run))
	require.Equal(t, status.Runs[0].ID, run.ID)
	require.NotEmpty(t, run.Decision.Checks)

	code, body, _ = get(t, l, "drift")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, "region")
	code, body, _ = get(t, l, "drift.json")
	require.Equal(t, http.StatusOK, code)
	require.True(t, json.Valid([]byte(body)))
}

func TestHandler_OnlyReads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.loop(t, healing.Config{})
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		r := httptest.NewRequest(method, "/status.json", nil)
		answer := httptest.NewRecorder()
		l.Handler().ServeHTTP(answer, r)
		require.Equal(t, http.StatusMethodNotAllowed, answer.Code, method)
	}
}

// The page shows what a check found in its unit, and with the digits that tell it from
// what was wanted.
func TestHandler_Checks(t *testing.T) {
	t.Parallel()
	w, l := deployed(t)
	w.days(t, l, 6, 400)
	_, err := l.Retrain(t.Context(), "ann", "because", w.now)
	require.NoError(t, err)
	require.NoError(t, l.Tick(t.Context(), w.now))
	s := status(t, l)
	_, body, _ := get(t, l, "")
	checks := s.Runs[0].Decision.Checks
	require.NotEmpty(t, checks)
	for _, c := range checks {
		cells := `<td class="num">` + c.Measured() + `</td><td class="num">` + c.Wanted() + `</td>`
		require.Contains(t, html.UnescapeString(body), cells, c.Criterion)
	}
}

func TestHandler_ListsAreNeverNull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, body, _ := get(t, w.loop(t, healing.Config{}), "status.json")
	require.Contains(t, body, `"runs": []`)
	require.Contains(t, body, `"passes": []`)
}
