package predictlog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
)

const (
	requestBody = `{"income":1000,"age":30,"region":"north","owner":true}`
	answerBody  = `{"prediction":"1","probability":0.75,"model":"credit","version":"3"}`
)

// answer reads the request's body, as a handler does, and writes the given answer.
func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if status != http.StatusOK {
			w.WriteHeader(status)
		}
		_, _ = io.WriteString(w, body)
	}
}

// serve sends one request with the body through the recorder's middleware.
func serve(recorder *predictlog.Recorder, handler http.Handler, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	recorder.Middleware(handler).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/predict", strings.NewReader(body)))
	return w
}

// outcome is what became of requests: what was stored, what was rejected, and the counts.
type outcome struct {
	records  map[string]predictlog.Record
	rejected []predictlog.Rejected
	stats    predictlog.Stats
}

// observe makes a recorder of the schema and cfg, calls act with it, and returns what
// became of the requests that act sent.
func observe(t *testing.T, schema *predictlog.Schema, cfg predictlog.Config, act func(*predictlog.Recorder)) outcome {
	t.Helper()
	var o outcome
	cfg.OnReject = func(r predictlog.Rejected) { o.rejected = append(o.rejected, r) }
	store := predictlog.NewMemoryStore(schema)
	recorder := newRecorder(t, store, cfg)
	act(recorder)
	require.NoError(t, start(t, recorder)())
	o.records, o.stats = stored(t, store), recorder.Stats()
	return o
}

func TestMiddleware(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var id string
		o := observe(t, applicantSchema(t), predictlog.Config{Model: "default", Version: "default"}, func(recorder *predictlog.Recorder) {
			w := serve(recorder, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				require.NoError(t, err)
				require.NoError(t, r.Body.Close())
				require.JSONEq(t, requestBody, string(body))
				time.Sleep(20 * time.Millisecond)
				w.Header().Set("Content-Type", "application/json")
				n, err := io.WriteString(w, answerBody)
				require.NoError(t, err)
				require.Equal(t, len(answerBody), n)
			}), requestBody)
			require.Equal(t, http.StatusOK, w.Code)
			require.Equal(t, answerBody, w.Body.String())
			require.Equal(t, "application/json", w.Header().Get("Content-Type"))
			id = w.Header().Get(predictlog.IDHeader)
		})
		require.Regexp(t, uuidv7, id)
		require.Equal(t, predictlog.Stats{Recorded: 1}, o.stats)
		want := applicantRecord(id)
		want.Time, want.Latency = time.Now(), 20*time.Millisecond
		require.True(t, o.records[id].Equal(want), "got %+v, want %+v", o.records[id], want)
	})
}

func TestMiddleware_Status(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		handler  http.HandlerFunc
		status   int
		recorded int64
	}{
		{"200", answer(200, answerBody), 200, 1},
		{"201", answer(201, answerBody), 201, 1},
		{"299", answer(299, answerBody), 299, 1},
		{"302", answer(302, answerBody), 302, 0},
		{"400", answer(400, answerBody), 400, 0},
		{"500", answer(500, answerBody), 500, 0},
		{"early hints", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			answer(200, answerBody)(w, r)
		}, 200, 1},
		{"second status is void", func(w http.ResponseWriter, r *http.Request) {
			answer(200, answerBody)(w, r)
			w.WriteHeader(500)
		}, 200, 1},
		{"nothing written", func(_ http.ResponseWriter, r *http.Request) {
			predictlog.Annotate(r.Context(), predictlog.Annotation{Row: applicantRow(), Output: &predictlog.Output{Class: "1"}})
		}, 200, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := observe(t, applicantSchema(t), predictlog.Config{}, func(recorder *predictlog.Recorder) {
				server := httptest.NewServer(recorder.Middleware(tc.handler))
				defer server.Close()
				client := server.Client()
				client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
				response, err := client.Post(server.URL, "application/json", strings.NewReader(requestBody))
				require.NoError(t, err)
				require.NoError(t, response.Body.Close())
				require.Equal(t, tc.status, response.StatusCode)
				require.Regexp(t, uuidv7, response.Header.Get(predictlog.IDHeader), "every answer has an ID")
			})
			require.Equal(t, predictlog.Stats{Recorded: tc.recorded}, o.stats)
		})
	}
}

func TestMiddleware_ID(t *testing.T) {
	t.Parallel()
	set := func(id string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(predictlog.IDHeader, id)
			answer(200, answerBody)(w, r)
		}
	}
	for _, tc := range []struct {
		name   string
		around func(recorder *predictlog.Recorder) http.Handler
		want   string // a UUID if empty
	}{
		{"set by the handler", func(r *predictlog.Recorder) http.Handler { return r.Middleware(set("order-7")) }, "order-7"},
		{"set around the middleware", func(r *predictlog.Recorder) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
				w.Header().Set(predictlog.IDHeader, "order-8")
				r.Middleware(answer(200, answerBody)).ServeHTTP(w, request)
			})
		}, "order-8"},
		{"malformed", func(r *predictlog.Recorder) http.Handler { return r.Middleware(set("order 7")) }, ""},
		{"deleted", func(r *predictlog.Recorder) http.Handler {
			return r.Middleware(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
				w.Header().Del(predictlog.IDHeader)
				answer(200, answerBody)(w, request)
			}))
		}, ""},
		{"set too late", func(r *predictlog.Recorder) http.Handler {
			return r.Middleware(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
				answer(200, answerBody)(w, request)
				w.Header().Set(predictlog.IDHeader, "late")
			}))
		}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var id string
			o := observe(t, applicantSchema(t), predictlog.Config{}, func(recorder *predictlog.Recorder) {
				w := httptest.NewRecorder()
				request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(requestBody))
				request.Header.Set(predictlog.IDHeader, "of-the-client")
				tc.around(recorder).ServeHTTP(w, request)
				id = w.Result().Header.Get(predictlog.IDHeader)
			})
			if tc.want == "" {
				require.Regexp(t, uuidv7, id)
			} else {
				require.Equal(t, tc.want, id)
			}
			require.Contains(t, o.records, id)
		})
	}
}

func TestMiddleware_MaxBody(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(" ", 100) + answerBody
	for _, tc := range []struct {
		name, request, response string
		limit                   int64
		want                    string // empty if the record is stored
	}{
		{"just fits", requestBody, answerBody, int64(max(len(requestBody), len(answerBody))), ""},
		{"request", requestBody + strings.Repeat(" ", 100), answerBody, 100, "predictlog: request body is longer than the MaxBody of 100 bytes"},
		{"response", requestBody, long, 100, "predictlog: response body is longer than the MaxBody of 100 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := observe(t, applicantSchema(t), predictlog.Config{MaxBody: tc.limit}, func(recorder *predictlog.Recorder) {
				w := serve(recorder, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body, err := io.ReadAll(r.Body)
					require.NoError(t, err)
					require.Equal(t, tc.request, string(body), "the handler gets all of it")
					for part := range strings.SplitAfterSeq(tc.response, ",") {
						_, _ = io.WriteString(w, part)
					}
				}), tc.request)
				require.Equal(t, tc.response, w.Body.String(), "the client gets all of it")
			})
			if tc.want == "" {
				require.Equal(t, predictlog.Stats{Recorded: 1}, o.stats)
				return
			}
			require.Equal(t, predictlog.Stats{Rejected: 1}, o.stats)
			require.EqualError(t, o.rejected[0].Err, tc.want)
			require.Equal(t, tc.request[:min(100, len(tc.request))], string(o.rejected[0].Request))
			require.Equal(t, tc.response[:min(100, len(tc.response))], string(o.rejected[0].Response))
		})
	}
}

func TestMiddleware_Rejects(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, request, response, want string }{
		{"request", `{"income":"x"}`, answerBody, `predictlog: row from JSON: column "income" is "x", want a number`},
		{"response", requestBody, "sorry", "predictlog: answer: invalid character 's'"},
		{"both", `[]`, `[]`, "predictlog: row from JSON: [], want a JSON object\npredictlog: answer: "},
		{"empty", "", answerBody, "predictlog: row from JSON: unexpected end of JSON input"},
		{"class", requestBody, `{"prediction":"maybe"}`, `output: class "maybe", want one of ["0" "1"]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var id string
			o := observe(t, applicantSchema(t), predictlog.Config{Model: "credit"}, func(recorder *predictlog.Recorder) {
				id = serve(recorder, answer(200, tc.response), tc.request).Header().Get(predictlog.IDHeader)
			})
			require.Equal(t, predictlog.Stats{Rejected: 1}, o.stats)
			got := o.rejected[0]
			require.ErrorContains(t, got.Err, tc.want)
			require.Equal(t, tc.request, string(got.Request))
			require.Equal(t, tc.response, string(got.Response))
			require.Equal(t, id, got.Record.ID)
			require.Equal(t, "credit", got.Record.Model)
			require.False(t, got.Record.Time.IsZero())
		})
	}
}

// A handler sees its own panic at the top, and nothing is recorded.
func TestMiddleware_Panic(t *testing.T) {
	t.Parallel()
	o := observe(t, applicantSchema(t), predictlog.Config{}, func(recorder *predictlog.Recorder) {
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer(200, answerBody)(w, r)
			panic(http.ErrAbortHandler)
		})
		require.PanicsWithError(t, http.ErrAbortHandler.Error(), func() { serve(recorder, handler, requestBody) })
	})
	require.Equal(t, predictlog.Stats{}, o.stats)
}

func TestMiddleware_WithoutBody(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]io.ReadCloser{"nil": nil, "NoBody": http.NoBody} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := observe(t, applicantSchema(t), predictlog.Config{}, func(recorder *predictlog.Recorder) {
				request := httptest.NewRequest(http.MethodGet, "/", nil)
				request.Body = body
				recorder.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					require.Equal(t, body, r.Body)
					predictlog.Annotate(r.Context(), predictlog.Annotation{Row: applicantRow()})
					_, _ = io.WriteString(w, answerBody)
				})).ServeHTTP(httptest.NewRecorder(), request)
			})
			require.Equal(t, predictlog.Stats{Recorded: 1}, o.stats)
		})
	}
}

// plainWriter has nothing but the methods of http.ResponseWriter.
type plainWriter struct{ http.ResponseWriter }

func TestMiddleware_ResponseController(t *testing.T) {
	t.Parallel()
	o := observe(t, applicantSchema(t), predictlog.Config{}, func(recorder *predictlog.Recorder) {
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			controller := http.NewResponseController(w)
			for part := range strings.SplitAfterSeq(answerBody, ",") {
				_, _ = io.WriteString(w, part)
				require.NoError(t, controller.Flush())
			}
			_, isFlusher := w.(http.Flusher)
			require.False(t, isFlusher, "the writer does not pretend to what it may lack")
		})
		w := serve(recorder, handler, requestBody)
		require.True(t, w.Flushed)
		require.Equal(t, answerBody, w.Body.String())

		recorder.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			require.ErrorIs(t, http.NewResponseController(w).Flush(), http.ErrNotSupported)
			w.WriteHeader(http.StatusNotFound)
		})).ServeHTTP(plainWriter{httptest.NewRecorder()}, httptest.NewRequest(http.MethodPost, "/", nil))
	})
	require.Equal(t, predictlog.Stats{Recorded: 1}, o.stats)
}

// A handler that flushes before it writes has a status and an ID all the same.
func TestMiddleware_Streaming(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := observe(t, applicantSchema(t), predictlog.Config{}, func(recorder *predictlog.Recorder) {
				rest := make(chan struct{})
				server := httptest.NewUnstartedServer(recorder.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					_ = http.NewResponseController(w).Flush()
					<-rest
					_, _ = io.WriteString(w, answerBody)
				})))
				server.EnableHTTP2 = http2
				server.StartTLS()
				defer server.Close()
				response, err := server.Client().Post(server.URL, "application/json", strings.NewReader(requestBody))
				require.NoError(t, err)
				require.Equal(t, name, response.Proto)
				require.Regexp(t, uuidv7, response.Header.Get(predictlog.IDHeader), "the header is there before the body")
				close(rest)
				body, err := io.ReadAll(response.Body)
				require.NoError(t, err)
				require.NoError(t, response.Body.Close())
				require.Equal(t, answerBody, string(body))
			})
			require.Equal(t, predictlog.Stats{Recorded: 1}, o.stats)
		})
	}
}

// A proxy in front of a model server reads the body in a goroutine of its own, which may
// outlive the handler.
func TestMiddleware_ReverseProxy(t *testing.T) {
	t.Parallel()
	model := httptest.NewServer(answer(200, answerBody))
	defer model.Close()
	target, err := url.Parse(model.URL)
	require.NoError(t, err)
	o := observe(t, applicantSchema(t), predictlog.Config{}, func(recorder *predictlog.Recorder) {
		server := httptest.NewServer(recorder.Middleware(httputil.NewSingleHostReverseProxy(target)))
		defer server.Close()
		for range 20 {
			response, err := server.Client().Post(server.URL, "application/json", strings.NewReader(requestBody))
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, response.Body)
			require.NoError(t, response.Body.Close())
		}
	})
	require.Equal(t, predictlog.Stats{Recorded: 20}, o.stats)
}

// A proxy adds the headers of the server behind it, which may be a recorder's too.
func TestMiddleware_OneID(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		around, inside []string
		want           string
	}{
		"added":               {inside: []string{"upstream-1"}, want: "upstream-1"},
		"added twice":         {inside: []string{"upstream-1", "upstream-2"}, want: "upstream-2"},
		"the last is invalid": {inside: []string{"upstream-1", "not an ID"}, want: "upstream-1"},
		"all are invalid":     {inside: []string{"not an ID", ""}},
		"of a handler around": {around: []string{"outer"}, inside: []string{"upstream-1"}, want: "upstream-1"},
		"two around":          {around: []string{"outer", "outer-2"}, want: "outer-2"},
		"two around, invalid": {around: []string{"outer", "not an ID"}, want: "outer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ids []string
			o := observe(t, applicantSchema(t), predictlog.Config{}, func(recorder *predictlog.Recorder) {
				w := httptest.NewRecorder()
				for _, id := range tc.around {
					w.Header().Add(predictlog.IDHeader, id)
				}
				recorder.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					for _, id := range tc.inside {
						w.Header().Add(predictlog.IDHeader, id)
					}
					answer(200, answerBody)(w, r)
				})).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(requestBody)))
				ids = w.Result().Header.Values(predictlog.IDHeader)
			})
			require.Len(t, ids, 1)
			require.Contains(t, o.records, ids[0])
			if tc.want == "" {
				require.Regexp(t, uuidv7, ids[0])
			} else {
				require.Equal(t, tc.want, ids[0])
			}
		})
	}
}

// What a handler does with its arguments after it has returned is its own mistake, but
// must not reach the log of another request.
func TestMiddleware_HandlerThatHoldsOn(t *testing.T) {
	t.Parallel()
	var (
		kept        http.ResponseWriter
		keptRequest *http.Request
	)
	o := observe(t, applicantSchema(t), predictlog.Config{}, func(recorder *predictlog.Recorder) {
		serve(recorder, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			kept, keptRequest = w, r
			w.WriteHeader(http.StatusTeapot)
		}), requestBody)
		serve(recorder, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = kept.Write([]byte("x"))
			_, _ = io.ReadAll(keptRequest.Body)
			require.False(t, predictlog.Annotate(keptRequest.Context(), predictlog.Annotation{Version: "x"}))
			answer(200, answerBody)(w, r)
		}), requestBody)
	})
	require.Equal(t, predictlog.Stats{Recorded: 1}, o.stats)
	for _, r := range o.records {
		require.Equal(t, "3", r.Version)
	}
}

func TestMiddleware_Concurrently(t *testing.T) {
	t.Parallel()
	const (
		goroutines = 8
		each       = 100
	)
	schema := applicantSchema(t)
	store := predictlog.NewMemoryStore(schema)
	recorder := newRecorder(t, store, predictlog.Config{QueueSize: 16, BlockTimeout: time.Minute, FlushInterval: time.Millisecond})
	handler := recorder.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Income float64 }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, `{"prediction":1,"version":"%v"}`, in.Income)
	}))
	stop := start(t, recorder)
	var (
		wg  sync.WaitGroup
		ids sync.Map
	)
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				n := g*each + i
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(fmt.Sprintf(`{"income":%d}`, n))))
				ids.Store(w.Header().Get(predictlog.IDHeader), n)
			}
		})
	}
	wg.Wait()
	require.NoError(t, stop())
	records := stored(t, store)
	require.Len(t, records, goroutines*each)
	for id, r := range records {
		n, ok := ids.Load(id)
		require.True(t, ok)
		require.Equal(t, fmt.Sprint(n), r.Version, "request and answer of %s belong together", id)
		x, _ := r.Row[0].Number()
		require.InDelta(t, n, x, 0)
	}
}

func TestMiddleware_Overflow(t *testing.T) {
	t.Parallel()
	for _, overflow := range []predictlog.Overflow{predictlog.Block, predictlog.Drop} {
		t.Run(overflow.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := predictlog.NewMemoryStore(applicantSchema(t))
				recorder := newRecorder(t, store, predictlog.Config{QueueSize: 1, Overflow: overflow})
				serve(recorder, answer(200, answerBody), requestBody)
				began := time.Now()
				w := serve(recorder, answer(200, answerBody), requestBody)
				require.Equal(t, answerBody, w.Body.String(), "the request succeeds")
				wait := time.Duration(0)
				if overflow == predictlog.Block {
					wait = 100 * time.Millisecond
				}
				require.Equal(t, wait, time.Since(began))
				require.Equal(t, predictlog.Stats{Dropped: 1, Queued: 1}, recorder.Stats())
			})
		})
	}
}

// A store that is down delays each request by no more than BlockTimeout, however many
// there are, and what found room is stored once it is up.
func TestMiddleware_StoreDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const size, late = 4, 20
		var log strings.Builder
		var up atomic.Bool
		memory := predictlog.NewMemoryStore(applicantSchema(t))
		recorder := newRecorder(t, storeFunc{memory, func(ctx context.Context, records ...predictlog.Record) error {
			if !up.Load() {
				return errDisk
			}
			return memory.Append(ctx, records...)
		}}, predictlog.Config{QueueSize: size, BlockTimeout: 50 * time.Millisecond, Logger: textLogger(&log)})
		stop := start(t, recorder)
		for range size {
			serve(recorder, answer(200, answerBody), requestBody)
		}
		began := time.Now()
		var wg sync.WaitGroup
		for range late {
			wg.Go(func() {
				require.Equal(t, 200, serve(recorder, answer(200, answerBody), requestBody).Code)
				require.Equal(t, 50*time.Millisecond, time.Since(began))
			})
		}
		wg.Wait()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Contains(t, log.String(), `msg="predictlog: records dropped" records=20 overflow=block`, "also while nothing can be written")
		up.Store(true)
		require.NoError(t, recorder.Flush(t.Context()))
		require.Len(t, stored(t, memory), size)
		require.Equal(t, int64(late), recorder.Stats().Dropped)
		require.NoError(t, stop())
	})
}

// A request whose client has gone is recorded if there is room; if not, it does not wait.
func TestMiddleware_Cancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		recorder := newRecorder(t, predictlog.NewMemoryStore(applicantSchema(t)), predictlog.Config{QueueSize: 1})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		for range 2 {
			request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(requestBody))
			recorder.Middleware(answer(200, answerBody)).ServeHTTP(httptest.NewRecorder(), request)
		}
		require.Zero(t, time.Since(began))
		require.Equal(t, predictlog.Stats{Dropped: 1, Queued: 1}, recorder.Stats())
	})
}

func TestMiddleware_MaxQueueBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := predictlog.NewMemoryStore(applicantSchema(t))
		recorder := newRecorder(t, store, predictlog.Config{MaxQueueBytes: 100 << 10, FlushInterval: time.Hour})
		large := requestBody + strings.Repeat(" ", 30<<10)
		huge := requestBody + strings.Repeat(" ", 120<<10)

		serve(recorder, answer(200, answerBody), huge)
		require.Equal(t, predictlog.Stats{Queued: 1}, recorder.Stats(), "a larger one is let in alone")
		serve(recorder, answer(200, answerBody), requestBody)
		require.Equal(t, predictlog.Stats{Queued: 1, Dropped: 1}, recorder.Stats())

		stop := start(t, recorder)
		synctest.Wait()
		require.Equal(t, predictlog.Stats{Recorded: 1, Dropped: 1}, recorder.Stats(), "Run is called when there is no room")
		serve(recorder, answer(200, answerBody), large)
		synctest.Wait()
		require.Equal(t, int64(1), recorder.Stats().Queued)
		serve(recorder, answer(200, answerBody), large)
		synctest.Wait()
		require.Equal(t, predictlog.Stats{Recorded: 3, Dropped: 1}, recorder.Stats(), "and when half of it is taken")
		require.NoError(t, stop())
	})
}

// Run waits for the requests that are inside the middleware when it is told to stop.
func TestMiddleware_InFlightWhileRunDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := predictlog.NewMemoryStore(applicantSchema(t))
		recorder := newRecorder(t, store, predictlog.Config{QueueSize: 1})
		stop := start(t, recorder)
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				serve(recorder, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					time.Sleep(time.Duration(i+1) * time.Second)
					answer(200, answerBody)(w, r)
				}), requestBody)
			})
		}
		time.Sleep(time.Second / 2)
		require.NoError(t, stop())
		wg.Wait()
		require.Equal(t, predictlog.Stats{Recorded: 5}, recorder.Stats())
	})
}

// A request that does not end delays the end of Run by no more than DrainTimeout.
func TestMiddleware_EndlessRequestWhileRunDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		recorder := newRecorder(t, predictlog.NewMemoryStore(applicantSchema(t)), predictlog.Config{DrainTimeout: time.Minute})
		stop := start(t, recorder)
		var wg sync.WaitGroup
		release := make(chan struct{})
		wg.Go(func() {
			serve(recorder, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				<-release
				answer(200, answerBody)(w, r)
			}), requestBody)
		})
		synctest.Wait()
		began := time.Now()
		require.NoError(t, stop())
		require.Equal(t, time.Minute, time.Since(began))
		close(release)
		wg.Wait()
		require.Equal(t, predictlog.Stats{Dropped: 1}, recorder.Stats())
	})
}

func TestMiddleware_Decode(t *testing.T) {
	t.Parallel()
	errForm := errors.New("not a form")
	decode := func(request, response []byte) (predictlog.Annotation, error) {
		income, ok := strings.CutPrefix(string(request), "income=")
		if !ok {
			return predictlog.Annotation{Version: "known"}, errForm
		}
		return predictlog.Annotation{
			Version: "decoded",
			Row:     predictlog.Row{predictlog.Missing(), predictlog.Missing(), predictlog.Category(income), predictlog.Missing()},
			Output:  &predictlog.Output{Class: string(response)},
		}, nil
	}
	o := observe(t, applicantSchema(t), predictlog.Config{Decode: decode, Model: "default", MaxBody: 20}, func(recorder *predictlog.Recorder) {
		serve(recorder, answer(200, "1"), "income=high")
		serve(recorder, answer(200, "1"), "{}")
		serve(recorder, answer(200, strings.Repeat("1", 21)), strings.Repeat("1", 21))
		serve(recorder, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			predictlog.Annotate(r.Context(), predictlog.Annotation{Row: applicantRow(), Output: &predictlog.Output{Class: "0"}})
		}), "not decoded")
	})
	require.Equal(t, predictlog.Stats{Recorded: 2, Rejected: 2}, o.stats)
	for _, r := range o.records {
		require.Equal(t, "default", r.Model)
		if r.Version == "decoded" {
			require.Equal(t, "1", r.Output.Class)
			require.Equal(t, "high", r.Row[2].String())
			continue
		}
		require.Equal(t, "0", r.Output.Class)
		require.True(t, r.Row.Equal(applicantRow()))
	}
	require.ErrorIs(t, o.rejected[0].Err, errForm)
	require.Equal(t, "known", o.rejected[0].Record.Version)
	require.ErrorContains(t, o.rejected[1].Err, "request body is longer than the MaxBody of 20 bytes\npredictlog: response body is longer")
}

func TestMiddleware_ErrorsPassThrough(t *testing.T) {
	t.Parallel()
	o := observe(t, applicantSchema(t), predictlog.Config{}, func(recorder *predictlog.Recorder) {
		request := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader(requestBody), iotest.ErrReader(io.ErrUnexpectedEOF)))
		recorder.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.Equal(t, requestBody, string(body))
			n, err := w.Write(bytes.Repeat([]byte("x"), 10))
			require.ErrorIs(t, err, io.ErrShortWrite)
			require.Equal(t, 3, n)
		})).ServeHTTP(shortWriter{httptest.NewRecorder()}, request)
	})
	require.Equal(t, predictlog.Stats{Rejected: 1}, o.stats)
	require.Equal(t, "xxx", string(o.rejected[0].Response), "what was written")
}

// shortWriter takes three bytes of each Write.
type shortWriter struct{ http.ResponseWriter }

func (w shortWriter) Write(p []byte) (int, error) {
	n, _ := w.ResponseWriter.Write(p[:3])
	return n, io.ErrShortWrite
}
