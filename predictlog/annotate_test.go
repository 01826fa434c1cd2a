package predictlog_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
)

func TestAnnotate(t *testing.T) {
	t.Parallel()
	past := time.Date(2020, 2, 29, 12, 0, 0, 0, time.FixedZone("east", 3600))
	other := predictlog.Row{predictlog.Number(1), predictlog.Missing(), predictlog.Missing(), predictlog.Missing()}
	cfg := predictlog.Config{Model: "default", Version: "default"}
	decoded := predictlog.Output{Class: "1", Probabilities: []float64{0.25, 0.75}}
	for _, tc := range []struct {
		name              string
		request, response string
		annotations       []predictlog.Annotation
		want              predictlog.Record // ID, Latency and a zero Time are not compared
	}{
		{"none", requestBody, answerBody, nil,
			predictlog.Record{Model: "credit", Version: "3", Row: applicantRow(), Output: decoded}},
		{"defaults", requestBody, `{"prediction":0}`, nil,
			predictlog.Record{Model: "default", Version: "default", Row: applicantRow(), Output: predictlog.Output{Class: "0"}}},
		{"model and version", requestBody, answerBody, []predictlog.Annotation{{Model: "m", Version: "v"}},
			predictlog.Record{Model: "m", Version: "v", Row: applicantRow(), Output: decoded}},
		{"version only", requestBody, answerBody, []predictlog.Annotation{{Version: "v"}},
			predictlog.Record{Model: "credit", Version: "v", Row: applicantRow(), Output: decoded}},
		{"row, so the request may be anything", "anything", answerBody, []predictlog.Annotation{{Row: other}},
			predictlog.Record{Model: "credit", Version: "3", Row: other, Output: decoded}},
		{"output, so the answer may be anything", requestBody, "anything", []predictlog.Annotation{{Output: &predictlog.Output{Class: "0"}}},
			predictlog.Record{Model: "default", Version: "default", Row: applicantRow(), Output: predictlog.Output{Class: "0"}}},
		{"no answer", requestBody, "anything", []predictlog.Annotation{{Output: &predictlog.Output{}}},
			predictlog.Record{Model: "default", Version: "default", Row: applicantRow()}},
		{"time and tags", requestBody, answerBody, []predictlog.Annotation{{Time: past, Tags: map[string]string{"tenant": "a"}}},
			predictlog.Record{Model: "credit", Version: "3", Row: applicantRow(), Output: decoded, Time: past, Tags: map[string]string{"tenant": "a"}}},
		{"the last counts", requestBody, answerBody, []predictlog.Annotation{{Model: "first", Time: past}, {Version: "second"}},
			predictlog.Record{Model: "credit", Version: "second", Row: applicantRow(), Output: decoded}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := observe(t, applicantSchema(t), cfg, func(recorder *predictlog.Recorder) {
				serve(recorder, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					ctx, cancel := context.WithCancel(r.Context()) // as business logic may
					defer cancel()
					for _, a := range tc.annotations {
						require.True(t, predictlog.Annotate(ctx, a))
					}
					answer(200, tc.response)(w, r)
				}), tc.request)
			})
			require.Equal(t, predictlog.Stats{Recorded: 1}, o.stats, "%v", o.rejected)
			for _, got := range o.records {
				if tc.want.Time.IsZero() {
					require.WithinDuration(t, time.Now(), got.Time, time.Minute)
					tc.want.Time = got.Time
				}
				tc.want.ID, tc.want.Latency = got.ID, got.Latency
				tc.want.Violations = applicantSchema(t).Check(tc.want.Row)
				require.True(t, got.Equal(tc.want), "got %+v, want %+v", got, tc.want)
			}
		})
	}
}

// A regression may answer exactly 0, which is an Output like any other.
func TestAnnotate_RegressionOfZero(t *testing.T) {
	t.Parallel()
	schema, err := applicantSchema(t).WithTarget(predictlog.Target{Task: predictlog.Regression})
	require.NoError(t, err)
	o := observe(t, schema, predictlog.Config{Version: "3"}, func(recorder *predictlog.Recorder) {
		serve(recorder, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			predictlog.Annotate(r.Context(), predictlog.Annotation{Row: applicantRow(), Output: &predictlog.Output{Value: 0}})
		}), "anything")
	})
	require.Equal(t, predictlog.Stats{Recorded: 1}, o.stats)
	for _, r := range o.records {
		require.True(t, r.Answered())
	}
}

func TestAnnotate_OutsideTheMiddleware(t *testing.T) {
	t.Parallel()
	require.False(t, predictlog.Annotate(t.Context(), predictlog.Annotation{Version: "3"}))
}

func TestAnnotate_Concurrently(t *testing.T) {
	t.Parallel()
	o := observe(t, applicantSchema(t), predictlog.Config{}, func(recorder *predictlog.Recorder) {
		serve(recorder, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() { predictlog.Annotate(r.Context(), predictlog.Annotation{Version: "same"}) })
			}
			wg.Wait()
			answer(200, answerBody)(w, r)
		}), requestBody)
	})
	require.Equal(t, predictlog.Stats{Recorded: 1}, o.stats)
	for _, r := range o.records {
		require.Equal(t, "same", r.Version)
	}
}
