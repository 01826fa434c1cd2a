package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

const goodApplicant = `{"age":40,"income":3000,"employment_years":null,"debt_ratio":0.3,"utilization":0.2,` +
	`"late_payments":0,"open_lines":4,"loan_amount":9000,"region":"north","purpose":"car"}`

func TestService(t *testing.T) {
	t.Parallel()
	data := applicants(t, 12, branches(), 500)
	reg, store := registry.NewMemory(), predictlog.NewMemoryStore(data.Schema)
	live, err := registry.NewLive(reg, decoder(data.Schema), registry.LiveConfig{})
	require.NoError(t, err)
	recorder, err := predictlog.NewRecorder(store, predictlog.Config{Model: modelName})
	require.NoError(t, err)
	s := &service{live: live, recorder: recorder, schema: data.Schema, labels: labels.NewMemoryStore(), status: http.NotFoundHandler()}
	handler := s.handler()
	post := func(path, body string, header http.Header) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header = header
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}

	require.Equal(t, http.StatusServiceUnavailable, post("/predict", goodApplicant, http.Header{}).Code, "before the first deployment")

	v, err := reg.Register(t.Context(), registry.Draft{Key: "first"}, bytes.NewReader(trained(t, data)))
	require.NoError(t, err)
	_, err = reg.Transition(t.Context(), registry.Transition{Version: v.ID, To: registry.Production})
	require.NoError(t, err)
	require.NoError(t, live.Refresh(t.Context()))

	for name, c := range map[string]struct {
		body   string
		header http.Header
		status int
		want   string
	}{
		"not JSON":   {"{", nil, http.StatusBadRequest, "unexpected end of JSON"},
		"wrong kind": {`{"age":"old"}`, nil, http.StatusBadRequest, "want a number"},
		"too large":  {strings.Repeat(" ", maxRequest+1), nil, http.StatusBadRequest, "too large"},
		"bad time":   {goodApplicant, http.Header{timeHeader: {"yesterday"}}, http.StatusBadRequest, timeHeader},
		"bad values": {strings.Replace(goodApplicant, "40", "4", 1), nil, http.StatusUnprocessableEntity, `"gte=18"`},
		"missing":    {`{}`, nil, http.StatusUnprocessableEntity, `"required"`},
	} {
		header := c.header
		if header == nil {
			header = http.Header{}
		}
		w := post("/predict", c.body, header)
		require.Equal(t, c.status, w.Code, name)
		require.Contains(t, w.Body.String(), c.want, name)
	}

	at := time.Date(2025, 1, 6, 12, 0, 0, 0, time.UTC)
	w := post("/predict", goodApplicant, http.Header{timeHeader: {at.Format(time.RFC3339Nano)}})
	require.Equal(t, http.StatusOK, w.Code)
	var said reply
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &said))
	require.Equal(t, v.ID, said.Version)
	id := w.Header().Get(predictlog.IDHeader)

	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- recorder.Run(ctx) }()
	require.NoError(t, recorder.Flush(t.Context()))
	stop()
	require.NoError(t, <-stopped)
	var logged []predictlog.Record
	for r, err := range store.Scan(t.Context(), predictlog.Query{}) {
		require.NoError(t, err)
		logged = append(logged, r)
	}
	require.Len(t, logged, 1, "refused requests are not recorded")
	require.Equal(t, id, logged[0].ID)
	require.Equal(t, at, logged[0].Time)
	require.Equal(t, said.Prediction, logged[0].Output.Class)
	require.Equal(t, said.Probability, logged[0].Output.Probabilities[1])

	w = post("/labels", `{"prediction_id":"`+id+`","class":"1"}`, http.Header{})
	require.Equal(t, http.StatusOK, w.Code)
	known, err := s.labels.Lookup(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "1", known[id].Class)
}

// A service that cannot serve ends, whatever its context.
func TestService_ListenerFails(t *testing.T) {
	t.Parallel()
	data := applicants(t, 12, branches(), 10)
	live, err := registry.NewLive(registry.NewMemory(), decoder(data.Schema), registry.LiveConfig{})
	require.NoError(t, err)
	recorder, err := predictlog.NewRecorder(predictlog.NewMemoryStore(data.Schema), predictlog.Config{})
	require.NoError(t, err)
	s := &service{live: live, recorder: recorder, schema: data.Schema, labels: labels.NewMemoryStore(), status: http.NotFoundHandler()}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	require.ErrorIs(t, s.run(t.Context(), listener), net.ErrClosed)
}

var _ gate.Model = (*logistic)(nil)
