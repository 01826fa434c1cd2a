package predictlog_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// benchBody has the size of a typical request.
var benchBody = `{"income":1000,"age":30,"region":"north","owner":true,"note":"` + strings.Repeat("x", 224) + `"}`

// discardWriter is a ResponseWriter at no cost.
type discardWriter struct{ header http.Header }

func (w discardWriter) Header() http.Header         { return w.header }
func (w discardWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w discardWriter) WriteHeader(int)             {}

// floorHandler reads the body and answers at once, one request at a time.
func floorHandler() http.Handler {
	response, buffer := []byte(answerBody), make([]byte, 512)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := r.Body.Read(buffer); err != nil {
				break
			}
		}
		_, _ = w.Write(response)
	})
}

// slogged logs both bodies with log/slog, which is what one would do without a recorder.
func slogged(next http.Handler) http.Handler {
	logger := slog.New(slog.NewJSONHandler(io.Discard, nil))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := &teeWriter{ResponseWriter: w}
		next.ServeHTTP(answer, r)
		logger.Info("prediction", "request", string(body), "response", answer.buffer.String())
	})
}

type teeWriter struct {
	http.ResponseWriter
	buffer bytes.Buffer
}

func (w *teeWriter) Write(p []byte) (int, error) {
	w.buffer.Write(p)
	return w.ResponseWriter.Write(p)
}

// readerBody is a request's body that can be read again and again.
type readerBody struct{ strings.Reader }

func (*readerBody) Close() error { return nil }

// benchHandler measures one goroutine that sends requests, one after the other.
func benchHandler(b *testing.B, handler http.Handler) {
	b.Helper()
	body := &readerBody{}
	request := httptest.NewRequest(http.MethodPost, "/predict", nil)
	w := discardWriter{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(benchBody)
		request.Body = body
		clear(w.header)
		handler.ServeHTTP(w, request)
	}
}

// BenchmarkMiddleware compares a handler that answers at once with the same handler when
// it is recorded, and when both bodies are logged. "request" is what a request pays:
// its record is dropped. "request+run" has Run decode and append to a store that does
// nothing, on another core if there is one, and loses nothing.
func BenchmarkMiddleware(b *testing.B) {
	b.Run("bare", func(b *testing.B) { benchHandler(b, floorHandler()) })
	b.Run("slog", func(b *testing.B) { benchHandler(b, slogged(floorHandler())) })
	b.Run("request", func(b *testing.B) {
		recorder := newRecorder(b, nothingStore(b), predictlog.Config{QueueSize: 1, Overflow: predictlog.Drop})
		benchHandler(b, recorder.Middleware(floorHandler()))
	})
	b.Run("request+run", func(b *testing.B) {
		recorder := newRecorder(b, nothingStore(b), predictlog.Config{BlockTimeout: time.Minute})
		stop := start(b, recorder)
		benchHandler(b, recorder.Middleware(floorHandler()))
		if err := stop(); err != nil {
			b.Fatal(err)
		}
		if s := recorder.Stats(); s.Recorded != int64(b.N) {
			b.Fatalf("%+v, want %d recorded", s, b.N)
		}
	})
	b.Run("request+run/annotated", func(b *testing.B) {
		recorder := newRecorder(b, nothingStore(b), predictlog.Config{})
		stop := start(b, recorder)
		annotation := predictlog.Annotation{Row: applicantRow(), Output: &predictlog.Output{Class: "1"}}
		next := floorHandler()
		benchHandler(b, recorder.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			predictlog.Annotate(r.Context(), annotation)
			next.ServeHTTP(w, r)
		})))
		if err := stop(); err != nil {
			b.Fatal(err)
		}
	})
}

func nothingStore(b *testing.B) predictlog.Store {
	return storeFunc{
		predictlog.NewMemoryStore(applicantSchema(b)),
		func(context.Context, ...predictlog.Record) error { return nil },
	}
}
