package labels_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/labels/labelstest"
)

// post sends a body to the feed of the store.
func post(store labels.Store, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/labels", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	labels.Handler(store).ServeHTTP(w, r)
	return w
}

// history returns all that the store holds.
func history(t *testing.T, store labels.Store) []labels.Label {
	t.Helper()
	var ls []labels.Label
	for l, err := range store.Scan(t.Context(), labels.Query{}) {
		require.NoError(t, err)
		ls = append(ls, l)
	}
	return ls
}

func TestHandler_Valid(t *testing.T) {
	t.Parallel()
	class := func(class string) labels.Label {
		return labels.Label{PredictionID: "p-1", Class: class, Time: noon}
	}
	value := func(value float64) labels.Label {
		return labels.Label{PredictionID: "p-1", Value: value, Time: noon}
	}
	const at = `"prediction_id": "p-1", "time": "2025-06-01T12:00:00Z"`
	for _, c := range []struct {
		name, body string
		want       []labels.Label
	}{
		{"string", `{` + at + `, "class": "yes"}`, []labels.Label{class("yes")}},
		{"integer", `{` + at + `, "class": 1}`, []labels.Label{class("1")}},
		{"long integer", `{` + at + `, "class": 12345678901234567890}`, []labels.Label{class("12345678901234567890")}},
		{"integer as float", `{` + at + `, "class": 1.0}`, []labels.Label{class("1")}},
		{"float", `{` + at + `, "class": 2.50}`, []labels.Label{class("2.5")}},
		{"exponent", `{` + at + `, "class": 1e6}`, []labels.Label{class("1000000")}},
		{"boolean", `{` + at + `, "class": true}`, []labels.Label{class("true")}},
		{"escapes", `{` + at + `, "class": "\u00e9\n\"x\""}`, []labels.Label{class("é\n\"x\"")}},
		{"value", `{` + at + `, "value": -1.5e-3}`, []labels.Label{value(-0.0015)}},
		{"value 0", `{` + at + `, "value": 0}`, []labels.Label{value(0)}},
		{"value -0", `{` + at + `, "value": -0.0}`, []labels.Label{value(math.Copysign(0, -1))}},
		{"null is absent", `{` + at + `, "class": null, "value": 3}`, []labels.Label{value(3)}},
		{"another zone", `{"prediction_id": "p-1", "time": "2025-06-01T14:00:00.000+02:00", "value": 3}`, []labels.Label{value(3)}},
		{"array", ` [ {` + at + `, "class": "a"} , {` + at + `, "class" : "b" } ] `, []labels.Label{class("a"), class("b")}},
		{"repeated row", `[{` + at + `, "class": "a"}, {` + at + `, "class": "a"}]`, []labels.Label{class("a")}},
		{"empty array", `[]`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			store := labels.NewMemoryStore()
			for range 2 { // the repetition must change nothing
				w := post(store, c.body)
				require.Equal(t, http.StatusOK, w.Code, w.Body)
				require.Equal(t, "application/json", w.Header().Get("Content-Type"))
				rows := strings.Count(c.body, "prediction_id")
				require.JSONEq(t, fmt.Sprintf(`{"stored": %d, "rejected": []}`, rows), w.Body.String())
				got := history(t, store)
				require.Len(t, got, len(c.want))
				for i, l := range got {
					require.True(t, l.Equal(c.want[i]), "%+v, want %+v", l, c.want[i])
				}
			}
		})
	}
}

func TestHandler_InvalidRows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, row, id, want string }{
		{"not an object", `1`, "", `row is a number, want an object`},
		{"null", `null`, "", `row is null, want an object`},
		{"empty object", `{}`, "", `neither a class nor a value`},
		{"no ID", `{"class": "a"}`, "", `prediction_id: empty`},
		{"ID null", `{"prediction_id": null, "class": "a"}`, "", `prediction_id: empty`},
		{"ID number", `{"prediction_id": 7, "class": "a"}`, "", `prediction_id: a number, want a string`},
		{"ID with space", `{"prediction_id": "p 1", "class": "a"}`, "p 1", `prediction_id: byte 1 is ' ', want printable ASCII`},
		{"both", `{"prediction_id": "p", "class": "a", "value": 1}`, "p", `both a class and a value, want one of them`},
		{"neither", `{"prediction_id": "p", "class": null}`, "p", `neither a class nor a value`},
		{"class empty", `{"prediction_id": "p", "class": ""}`, "p", `class: empty`},
		{"class object", `{"prediction_id": "p", "class": {"a": 1}}`, "p", `class: an object, want a string, a number or a boolean`},
		{"class array", `{"prediction_id": "p", "class": [1]}`, "p", `class: an array, want`},
		{"class NUL", `{"prediction_id": "p", "class": "\u0000"}`, "p", `class: "\x00", want UTF-8 without NUL`},
		{"class too large", `{"prediction_id": "p", "class": 1e999}`, "p", `class: 1e999, want a number that a float64 can hold`},
		{"value string", `{"prediction_id": "p", "value": "1"}`, "p", `value: a string, want a number`},
		{"value boolean", `{"prediction_id": "p", "value": true}`, "p", `value: a boolean, want a number`},
		{"value too large", `{"prediction_id": "p", "value": 1e999}`, "p", `value: 1e999, want a number that a float64 can hold`},
		{"time number", `{"prediction_id": "p", "value": 1, "time": 1748779200}`, "p", `time: a number, want a string`},
		{"time without zone", `{"prediction_id": "p", "value": 1, "time": "2025-06-01 12:00"}`, "p", `time: "2025-06-01 12:00", want RFC 3339`},
		{"time zero", `{"prediction_id": "p", "value": 1, "time": "0001-01-01T00:00:00Z"}`, "p", `time: not set`},
		{"unknown field", `{"prediction_id": "p", "value": 1, "Class": "a"}`, "p", `unknown field "Class", want prediction_id, class, value or time`},
		{"field twice", `{"prediction_id": "p", "value": 1, "value": null}`, "p", `field "value" is given twice`},
		{"many mistakes", `{"x": 1, "value": "1", "prediction_id": "p"}`, "p", `unknown field "x", want prediction_id, class, value or time; value: a string, want a number`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			store := labels.NewMemoryStore()
			w := post(store, `[{"prediction_id": "first", "class": "a"}, `+c.row+`, {"prediction_id": "last", "value": 1}]`)
			require.Equal(t, http.StatusUnprocessableEntity, w.Code, w.Body)
			var reply struct {
				Stored   int
				Rejected []struct {
					Index        int
					PredictionID string `json:"prediction_id"`
					Error        string
				}
			}
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &reply))
			require.Equal(t, 2, reply.Stored)
			require.Len(t, reply.Rejected, 1)
			require.Equal(t, 1, reply.Rejected[0].Index)
			require.Equal(t, c.id, reply.Rejected[0].PredictionID)
			require.Contains(t, reply.Rejected[0].Error, c.want)
			found, err := store.Lookup(t.Context(), "first", "p", "last")
			require.NoError(t, err)
			require.Len(t, found, 2, "the valid rows are stored")
		})
	}
}

func TestHandler_Refused(t *testing.T) {
	t.Parallel()
	const row = `{"prediction_id": "p-1", "class": "a"}`
	for _, c := range []struct {
		name, method, contentType, body string
		status                          int
		want                            string
	}{
		{"GET", "GET", "", "", 405, `method GET, want POST`},
		{"PUT", "PUT", "application/json", row, 405, `method PUT, want POST`},
		{"form", "POST", "application/x-www-form-urlencoded", row, 415, `content type "application/x-www-form-urlencoded", want application/json`},
		{"malformed type", "POST", "application/json; charset", row, 415, `want application/json`},
		{"no body", "POST", "", "", 400, `body is not JSON: byte 0: unexpected end of JSON input`},
		{"cut off", "POST", "", `[{"prediction_id"`, 400, `body is not JSON: byte 17: unexpected end`},
		{"malformed", "POST", "", `{"prediction_id": p}`, 400, `body is not JSON: byte 19: invalid character 'p'`},
		{"two documents", "POST", "", row + row, 400, `body is not JSON: byte 39: invalid character '{'`},
		{"string", "POST", "", `"p-1"`, 400, `body is a string, want an object or an array of objects`},
		{"null", "POST", "", `null`, 400, `body is null, want`},
		{"Latin-1", "POST", "", "{\"prediction_id\": \"p-1\", \"class\": \"gr\xfcn\"}", 400, `body is not UTF-8`},
		{"too many rows", "POST", "", `[` + strings.Repeat(row+`,`, 10_000) + row + `]`, 413, `body has more than 10000 rows`},
		{"too large", "POST", "", `"` + strings.Repeat(" ", 1<<20) + `"`, 413, `body is larger than 1048576 bytes`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(c.method, "/labels", strings.NewReader(c.body))
			if c.contentType != "" {
				r.Header.Set("Content-Type", c.contentType)
			}
			w := httptest.NewRecorder()
			store := labels.NewMemoryStore()
			labels.Handler(store).ServeHTTP(w, r)
			require.Equal(t, c.status, w.Code, w.Body)
			require.Equal(t, "application/json", w.Header().Get("Content-Type"))
			require.Contains(t, errorOf(t, w), c.want)
			require.Empty(t, history(t, store))
			if c.status == http.StatusMethodNotAllowed {
				require.Equal(t, "POST", w.Header().Get("Allow"))
			}
		})
	}
}

// errorOf returns the only field of a failure's answer.
func errorOf(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var reply map[string]string
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &reply), w.Body)
	require.Len(t, reply, 1)
	return reply["error"]
}

func TestHandler_Limit(t *testing.T) {
	t.Parallel()
	row := `{"prediction_id": "p-1", "class": "a"}`
	body := row + strings.Repeat(" ", 1<<20-len(row))
	require.Equal(t, http.StatusOK, post(labels.NewMemoryStore(), body).Code, "exactly 1 MiB")
	body = "[" + strings.Repeat(row+",", 9_999) + row + "]"
	require.Equal(t, http.StatusOK, post(labels.NewMemoryStore(), body).Code, "exactly 10,000 rows")
}

// No request has an answer much larger than itself.
func TestHandler_AnswerIsBounded(t *testing.T) {
	t.Parallel()
	var names strings.Builder
	for i := 0; names.Len() < 1_000_000; i++ {
		fmt.Fprintf(&names, `"%d":0,`, i)
	}
	for name, body := range map[string]string{
		"many short rows":    "[" + strings.Repeat("0,", 9_999) + "0]",
		"too many rows":      "[" + strings.Repeat("0,", 500_000) + "0]",
		"many bad fields":    "{" + names.String() + `"value":1}`,
		"many repetitions":   "{" + strings.Repeat(`"x":0,`, 150_000) + `"x":0}`,
		"many rows, two bad": "[" + strings.Repeat(`{"x":0,"y":0},`, 9_999) + "0]",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := post(labels.NewMemoryStore(), body)
			require.Contains(t, []int{http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge}, w.Code)
			require.Less(t, w.Body.Len(), 3<<20)
		})
	}
}

func TestHandler_ContentType(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{"", "application/json", "Application/JSON; charset=utf-8"} {
		r := httptest.NewRequest(http.MethodPost, "/labels", strings.NewReader(`{"prediction_id": "p-1", "value": 2}`))
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		labels.Handler(labels.NewMemoryStore()).ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code, contentType)
	}
}

func TestHandler_BodyFails(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "/labels", iotest.ErrReader(io.ErrUnexpectedEOF))
	w := httptest.NewRecorder()
	labels.Handler(labels.NewMemoryStore()).ServeHTTP(w, r)
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.Equal(t, "reading the body: unexpected EOF", errorOf(t, w))
}

func TestHandler_StoreFails(t *testing.T) {
	t.Parallel()
	memory := labels.NewMemoryStore()
	store := labelstest.Faulty(memory, func(call int) error {
		switch call {
		case 1:
			return errors.New("no disk") // Append of the rows with a time
		case 3:
			return errors.New("disk slow") // Lookup
		case 6:
			return errors.New("disk full") // Append of the rows without
		}
		return nil
	})
	const body = `[{"prediction_id": "p-1", "class": 1}, {"prediction_id": "p-2"}]`
	for _, want := range []string{"no disk", "disk slow", "disk full"} {
		w := post(store, body)
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Equal(t, "5", w.Header().Get("Retry-After"))
		require.Equal(t, want, errorOf(t, w))
		require.Empty(t, history(t, memory))
	}
	w := post(store, body)
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.Len(t, history(t, memory), 1, "the repeated request is stored")
}

// checked is a store of a host that knows more about labels than Label.Check does.
type checked struct{ labels.Store }

func (c checked) Append(ctx context.Context, ls ...labels.Label) error {
	for _, l := range ls {
		if l.Class != "0" && l.Class != "1" {
			return &labels.LabelError{PredictionID: l.PredictionID, Field: "class", What: "want 0 or 1"}
		}
	}
	return c.Store.Append(ctx, ls...)
}

func TestHandler_StoreRejects(t *testing.T) {
	t.Parallel()
	memory := labels.NewMemoryStore()
	w := post(checked{memory}, `[{"prediction_id": "p-1", "class": 1}, {"prediction_id": "p-2", "class": 2}]`)
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.Equal(t, `labels: label of prediction "p-2": class: want 0 or 1`, errorOf(t, w))
	require.Empty(t, history(t, memory))
}

// The rows with a time are stored before those without are compared with what wins.
func TestHandler_StoreRejectsUndated(t *testing.T) {
	t.Parallel()
	memory := labels.NewMemoryStore()
	body := `[{"prediction_id": "p-1", "class": 2}, {"prediction_id": "p-2", "class": 1, "time": "2025-06-01T12:00:00Z"}]`
	w := post(checked{memory}, body)
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.Equal(t, `labels: label of prediction "p-1": class: want 0 or 1`, errorOf(t, w))
	require.Len(t, history(t, memory), 1)
}

// When a label arrived is for the store to say.
func TestHandler_ArrivedIsNotForTheFeed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := labels.NewMemoryStore()
		w := post(store, `{"prediction_id": "p-1", "class": "yes", "arrived": "2025-06-01T12:00:00Z"}`)
		require.Equal(t, http.StatusUnprocessableEntity, w.Code)
		require.Contains(t, w.Body.String(), `unknown field \"arrived\"`)
		require.Equal(t, http.StatusOK, post(store, `{"prediction_id": "p-1", "class": "yes", "time": "1999-06-01T12:00:00Z"}`).Code)
		require.True(t, history(t, store)[0].Arrived.Equal(time.Now()))
	})
}

func TestHandler_Arrival(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := labels.NewMemoryStore()
		const body = `[{"prediction_id": "p-1", "class": 1}, {"prediction_id": "p-2", "value": 2, "time": null}]`
		arrival := time.Now()
		require.Equal(t, http.StatusOK, post(store, body).Code)
		time.Sleep(time.Hour)
		require.Equal(t, http.StatusOK, post(store, body).Code)
		got := history(t, store)
		require.Len(t, got, 2, "the same truth an hour later is no new revision")
		for _, l := range got {
			require.True(t, l.Time.Equal(arrival), l.Time)
		}
	})
}

// calls counts the calls of a store's methods.
type calls struct {
	labels.Store
	appends, lookups int
}

func (c *calls) Append(ctx context.Context, ls ...labels.Label) error {
	c.appends++
	return c.Store.Append(ctx, ls...)
}

func (c *calls) Lookup(ctx context.Context, ids ...string) (map[string]labels.Label, error) {
	c.lookups++
	return c.Store.Lookup(ctx, ids...)
}

func TestHandler_Calls(t *testing.T) {
	t.Parallel()
	const dated, undated = `{"prediction_id": "p-1", "class": 1, "time": "2025-06-01T12:00:00Z"}`, `{"prediction_id": "p-2", "class": 1}`
	for body, undatedRows := range map[string]bool{
		`[]`:                                  false,
		`[` + dated + `,` + dated + `]`:       false,
		`[` + undated + `,` + undated + `]`:   true,
		`[` + undated + `,` + dated + `]`:     true,
		`{"prediction_id": "p-1"}`:            false,
		`[` + undated + `,{"class": "none"}]`: true,
	} {
		store := &calls{Store: labels.NewMemoryStore()}
		post(store, body)
		if undatedRows {
			require.Equal(t, [2]int{2, 1}, [2]int{store.appends, store.lookups}, body)
		} else {
			require.Equal(t, [2]int{1, 0}, [2]int{store.appends, store.lookups}, body)
		}
	}
}

// What a row without a time states is a correction if another truth wins.
func TestHandler_Undated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := labels.NewMemoryStore()
		var want []string
		for _, class := range []string{"yes", "yes", "no", "no", "yes", "yes"} {
			require.Equal(t, http.StatusOK, post(store, `{"prediction_id": "p-1", "class": "`+class+`"}`).Code)
			time.Sleep(time.Hour)
			if len(want) == 0 || want[len(want)-1] != class {
				want = append(want, class)
			}
		}
		var got []string
		for _, l := range history(t, store) {
			got = append(got, l.Class)
		}
		require.Equal(t, want, got)
	})
}

// A label that was dated in the future can be corrected all the same, again and again.
func TestHandler_UndatedAfterFuture(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := labels.NewMemoryStore()
		future := time.Now().Add(time.Hour).UTC()
		dated := `{"prediction_id": "p-1", "class": "yes", "time": "` + future.Format(time.RFC3339) + `"}`
		require.Equal(t, http.StatusOK, post(store, dated).Code)
		for i, class := range []string{"no", "no", "yes", "no", "yes"} {
			body := `[{"prediction_id": "p-1", "class": "` + class + `"}, ` + dated + `]`
			for range 2 {
				require.Equal(t, http.StatusOK, post(store, body).Code)
				winners, err := store.Lookup(t.Context(), "p-1")
				require.NoError(t, err)
				require.Equal(t, class, winners["p-1"].Class, "row %d", i)
			}
		}
		got := history(t, store)
		require.Len(t, got, 5)
		for i, l := range got {
			require.Equal(t, future.Add(time.Duration(i)*time.Microsecond), l.Time)
		}
	})
}

func TestHandler_FarFuture(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for ahead, status := range map[time.Duration]int{24 * time.Hour: 200, 24*time.Hour + time.Second: 422} {
			store := labels.NewMemoryStore()
			at := time.Now().Add(ahead).UTC().Format(time.RFC3339)
			w := post(store, `{"prediction_id": "p-1", "class": "yes", "time": "`+at+`"}`)
			require.Equal(t, status, w.Code)
			if status == 422 {
				require.Contains(t, w.Body.String(), `time: `+at+`, want at most 24h0m0s after the arrival`)
				require.Empty(t, history(t, store))
			}
		}
	})
}

// The row with a time beats the winner that the row without would confirm.
func TestHandler_UndatedBesideDated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := labels.NewMemoryStore()
		known := labels.Label{PredictionID: "p-1", Class: "yes", Time: time.Now()}
		require.NoError(t, store.Append(t.Context(), known))
		time.Sleep(time.Hour)
		between := time.Now().UTC().Format(time.RFC3339)
		time.Sleep(time.Hour)
		body := `[{"prediction_id": "p-1", "class": "yes"}, {"prediction_id": "p-1", "class": "no", "time": "` + between + `"}]`
		for range 2 {
			require.Equal(t, http.StatusOK, post(store, body).Code)
			require.Len(t, history(t, store), 3)
			winners, err := store.Lookup(t.Context(), "p-1")
			require.NoError(t, err)
			require.Equal(t, "yes", winners["p-1"].Class)
			time.Sleep(time.Hour)
		}
	})
}

func TestHandler_UndatedContradiction(t *testing.T) {
	t.Parallel()
	store := labels.NewMemoryStore()
	for range 2 {
		w := post(store, `[
			{"prediction_id": "p-1", "class": "yes"},
			{"prediction_id": "p-1", "class": "no"},
			{"prediction_id": "p-2", "class": "no"},
			{"prediction_id": "p-1", "class": "yes"},
			{"prediction_id": "p-1", "class": "no", "time": "1999-06-01T12:00:00Z"}
		]`)
		require.Equal(t, http.StatusUnprocessableEntity, w.Code)
		require.JSONEq(t, `{"stored": 4, "rejected": [{"index": 1, "prediction_id": "p-1",
			"error": "row 3 states another truth, and neither has a time"}]}`, w.Body.String())
		require.Len(t, history(t, store), 3)
	}
}

// genFeed draws requests of rows about few predictions, classes and times of the hour
// before the given instant, half of them without a time.
func genFeed(arrival time.Time) gopter.Gen {
	row := gopter.CombineGens(gen.IntRange(0, 2), gen.IntRange(0, 1), gen.IntRange(-4, 4)).Map(func(v []any) string {
		fields := fmt.Sprintf(`"prediction_id": "p-%d", "class": %d`, v[0], v[1])
		if minutes := v[2].(int); minutes > 0 {
			at := arrival.Add(-time.Duration(minutes) * time.Minute).UTC()
			fields += `, "time": "` + at.Format(time.RFC3339) + `"`
		}
		return "{" + fields + "}"
	})
	return gen.SliceOfN(5, row).Map(func(rows []string) string { return "[" + strings.Join(rows, ",") + "]" })
}

func TestHandler_Properties(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250604))
		props.Property("a request changes nothing when it is repeated", prop.ForAll(func(bodies []string) bool {
			store := labels.NewMemoryStore()
			for _, body := range bodies {
				time.Sleep(time.Minute)
				first := post(store, body)
				before := history(t, store)
				time.Sleep(time.Hour)
				again := post(store, body)
				if again.Code != first.Code || again.Body.String() != first.Body.String() || !slices.Equal(before, history(t, store)) {
					return false
				}
			}
			return true
		}, gen.SliceOfN(4, genFeed(time.Now()))))
		props.TestingRun(t)
	})
}

func TestHandler_Cancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/labels", strings.NewReader(`{"prediction_id": "p-1", "class": 1}`))
	w := httptest.NewRecorder()
	labels.Handler(labels.NewMemoryStore()).ServeHTTP(w, r)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
}

func FuzzHandler(f *testing.F) {
	for _, body := range []string{
		`{"prediction_id": "p-1", "class": "a", "time": "2025-06-01T12:00:00Z"}`,
		`[{"prediction_id":"p-1","value":-0},{"class":1.0},[],null,"x",{"class":true}]`,
		` [ { "prediction_id" : "p-1" , "class" : 1 } ] `,
		`{"a":{"b":[1,{"c":null}]},"a":1}`, `[`, `{}`, ``, `"\ud800"`, "\xff", `{"prediction_id":"p","value":1e400}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		store := labels.NewMemoryStore()
		w := post(store, body)
		var reply struct {
			Stored   *int
			Rejected []struct{ Index int }
			Error    string
		}
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &reply))
		switch w.Code {
		case http.StatusOK, http.StatusUnprocessableEntity:
			require.NotNil(t, reply.Stored)
			require.Equal(t, w.Code == http.StatusOK, len(reply.Rejected) == 0)
			require.LessOrEqual(t, len(history(t, store)), *reply.Stored)
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			require.NotEmpty(t, reply.Error)
			require.Empty(t, history(t, store))
		default:
			t.Fatalf("status %d", w.Code)
		}
		again := post(store, body)
		require.Equal(t, w.Code, again.Code)
		require.Equal(t, w.Body, again.Body)
	})
}

func BenchmarkHandler(b *testing.B) {
	const n = 1000
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"prediction_id":"0197a2b4-7c3e-7d7e-b5a1-%012d","class":1,"time":"2025-06-01T12:00:00Z"}`, i)
	}
	body := "[" + strings.Join(rows, ",") + "]"
	store := labels.NewMemoryStore()
	b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if w := post(store, body); w.Code != http.StatusOK {
				b.Fatal(w.Code, w.Body)
			}
		}
	})
}
