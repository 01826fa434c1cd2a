package labels

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// These bound the memory of one request of the feed and the bytes of its answer: a row of one
// byte can have a message of a hundred.
const (
	maxFeedBytes = 1 << 20 // holds about ten thousand labels
	maxFeedRows  = 10_000
	maxProblems  = 8 // problems that the answer names for one row
)

const (
	// maxFeedAhead is the farthest that a time may lie in the future: more than all
	// differences of clocks and zones. A later time would win over every correction until it
	// has come.
	maxFeedAhead = 24 * time.Hour
	// feedRetryAfter is in seconds: long enough for a database to fail over.
	feedRetryAfter = "5"
)

// feedReply is the answer to a feed whose rows were read.
type feedReply struct {
	Stored   int         `json:"stored"`
	Rejected []rejection `json:"rejected"`
}

// rejection names a row that was not stored.
type rejection struct {
	Index        int    `json:"index"`
	PredictionID string `json:"prediction_id"`
	Error        string `json:"error"`
}

// feedFailure is the answer to a feed that promises nothing.
type feedFailure struct {
	Error string `json:"error"`
}

// Handler returns the label feed: a handler that stores the labels of POST requests.
//
// The body is JSON of at most 1 MiB, one row or an array of at most 10,000 rows:
//
//	{"prediction_id": "0197...", "class": "1", "time": "2025-06-01T12:00:00Z"}
//	{"prediction_id": "0198...", "value": 12.5}
//
// A row has either a class, for a classification, or a value, for a regression. A class may
// be a string, a number or a boolean: 1 and 1.0 become "1", true becomes "true". A value is a
// number. The time, in RFC 3339, is when the truth became known. A null counts as a field
// left out. An unknown or repeated field makes its row invalid. A time more than 24 hours
// after the arrival makes its row invalid too.
//
// A row without a time states what is true on arrival, and corrects what was known. Such a
// row gets the time of arrival. If the winning label is later than the arrival, the row gets
// a time right after that label. If the truth of the row wins already, there is nothing to
// store. If rows without a time in one request contradict each other, those that agree with
// the last are stored and the others are invalid.
//
// The answer is {"stored": n, "rejected": [...]}. Stored counts the rows whose truth is in
// the store now, including repeated rows. Rejected names every other row by its index, its
// prediction_id and its faults. The status is
//
//   - 200 if every row is stored;
//   - 422 if rows were rejected, while the others are stored;
//   - 400 for a body that is not JSON, with the position of the mistake;
//   - 405, 413 and 415 for another method, a body that is larger or has more rows, and
//     another content type than application/json or none;
//   - 503 with Retry-After if the store failed: nothing is promised then;
//   - 422 without the counts if the store itself called a label invalid: then nothing is
//     stored, or, if a row without a time is at fault, only the rows with a time.
//
// Every status but the first two answers {"error": "..."}. A failure of the store answers
// with the store's own error, because the handler keeps no log.
//
// A client may repeat a whole request whatever the answer was. Repeated rows with a time
// change nothing, at whatever later point. Repeated rows without a time change nothing as
// long as their truth wins; once another truth wins, they are taken as a correction. A time
// that was too far in the future may be accepted later. So a client that may deliver late or
// out of order should send the time.
//
// A person who can post labels decides what the next model learns: guard the handler.
func Handler(store Store) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, status, err := readFeed(w, r)
		if err != nil {
			reply(w, status, feedFailure{err.Error()})
			return
		}
		rows, err := splitFeed(body)
		switch {
		case errors.Is(err, errTooManyRows):
			reply(w, http.StatusRequestEntityTooLarge, feedFailure{err.Error()})
			return
		case err != nil:
			reply(w, http.StatusBadRequest, feedFailure{err.Error()})
			return
		}
		f := parseFeed(rows, time.Now().Truncate(time.Microsecond))
		answer := feedReply{Stored: len(f.dated) + len(f.undated), Rejected: f.rejected}
		switch err := f.appendTo(r.Context(), store); {
		case errors.Is(err, ErrInvalidLabel):
			reply(w, http.StatusUnprocessableEntity, feedFailure{err.Error()})
		case err != nil:
			w.Header().Set("Retry-After", feedRetryAfter)
			reply(w, http.StatusServiceUnavailable, feedFailure{err.Error()})
		case len(f.rejected) > 0:
			reply(w, http.StatusUnprocessableEntity, answer)
		default:
			reply(w, http.StatusOK, answer)
		}
	})
}

// reply writes the answer. A client that is gone misses the answer and may repeat the
// request.
func reply(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(answer)
}

// readFeed returns the body, or the status and the error to answer with.
func readFeed(w http.ResponseWriter, r *http.Request) (body []byte, status int, err error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, http.StatusMethodNotAllowed, fmt.Errorf("method %s, want POST", r.Method)
	}
	if contentType := r.Header.Get("Content-Type"); contentType != "" {
		if mediaType, _, err := mime.ParseMediaType(contentType); err != nil || mediaType != "application/json" {
			return nil, http.StatusUnsupportedMediaType, fmt.Errorf("content type %q, want application/json", contentType)
		}
	}
	body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxFeedBytes))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("body is larger than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return nil, http.StatusBadRequest, fmt.Errorf("reading the body: %w", err)
	}
	return body, http.StatusOK, nil
}

var errTooManyRows = fmt.Errorf("body has more than %d rows", maxFeedRows)

// splitFeed returns the rows of a body that is one object or an array.
func splitFeed(body []byte) ([]json.RawMessage, error) {
	if !utf8.Valid(body) { // package json would put U+FFFD in its place
		return nil, errors.New("body is not UTF-8")
	}
	var document json.RawMessage
	if err := json.Unmarshal(body, &document); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("body is not JSON: byte %d: %w", syntax.Offset, err)
		}
		return nil, fmt.Errorf("body is not JSON: %w", err)
	}
	switch kindOf(document) {
	case "an object":
		return []json.RawMessage{document}, nil
	case "an array":
		return splitArray(document)
	}
	return nil, fmt.Errorf("body is %s, want an object or an array of objects", kindOf(document))
}

// splitArray returns the rows of a valid array. It counts the rows before more of them take
// memory.
func splitArray(document json.RawMessage) (rows []json.RawMessage, err error) {
	array := json.NewDecoder(bytes.NewReader(document))
	if _, err := array.Token(); err != nil { // the bracket
		return nil, fmt.Errorf("body: %w", err)
	}
	for array.More() {
		if len(rows) == maxFeedRows {
			return nil, errTooManyRows
		}
		var row json.RawMessage
		if err := array.Decode(&row); err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// feed is the content of a request.
type feed struct {
	dated    []Label // of the valid rows with a time
	undated  []Label // of the valid rows without a time, as of their arrival; one truth for a prediction
	rejected []rejection
}

// appendTo stores the labels, except undated labels whose truth wins already: their arrival
// would make a new revision each time the request is repeated. The dated labels are stored
// first, because they may change which label wins. An undated label whose truth does not win
// is dated after the winning label, if that is in the future.
func (f feed) appendTo(ctx context.Context, store Store) error {
	if err := store.Append(ctx, f.dated...); err != nil || len(f.undated) == 0 {
		return err
	}
	ids := make([]string, len(f.undated))
	for i, l := range f.undated {
		ids[i] = l.PredictionID
	}
	winners, err := store.Lookup(ctx, ids...)
	if err != nil {
		return err
	}
	var news []Label
	for _, l := range f.undated {
		winner, labelled := winners[l.PredictionID]
		switch {
		case !labelled:
		case winner.SameTruth(l):
			continue
		case !winner.Time.Before(l.Time):
			l.Time = winner.Time.Add(time.Microsecond)
		}
		news = append(news, l)
	}
	return store.Append(ctx, news...)
}

// feedRow is one row of a feed.
type feedRow struct {
	label Label
	dated bool
	err   error // why the row is invalid
}

// parseFeed sorts the rows into labels and rejections.
func parseFeed(rows []json.RawMessage, arrival time.Time) feed {
	parsed := make([]feedRow, len(rows))
	last := map[string]int{} // by prediction, the last row without a time
	for i, row := range rows {
		r := &parsed[i]
		r.label, r.dated, r.err = parseRow(row, arrival)
		if r.err == nil && !r.dated {
			last[r.label.PredictionID] = i
		}
	}
	f := feed{rejected: []rejection{}} // not nil, so that JSON has [] for none
	for i, r := range parsed {
		if r.err == nil && !r.dated {
			if j := last[r.label.PredictionID]; !r.label.SameTruth(parsed[j].label) {
				r.err = fmt.Errorf("row %d states another truth, and neither has a time", j)
			}
		}
		switch {
		case r.err != nil:
			f.rejected = append(f.rejected, rejection{Index: i, PredictionID: r.label.PredictionID, Error: r.err.Error()})
		case r.dated:
			f.dated = append(f.dated, r.label)
		default:
			f.undated = append(f.undated, r.label)
		}
	}
	return f
}

// parseRow returns the label of a row, and whether the row has a time. With an error the
// label still has the prediction ID if there was one.
func parseRow(row json.RawMessage, arrival time.Time) (l Label, dated bool, err error) {
	if kindOf(row) != "an object" {
		return l, false, fmt.Errorf("row is %s, want an object", kindOf(row))
	}
	l.Time = arrival
	var (
		given    = map[string]bool{} // by field, false if it is null
		problems []string
	)
	note := func(problem string) {
		switch len(problems) {
		case maxProblems:
		case maxProblems - 1:
			problems = append(problems, "and so on")
		default:
			problems = append(problems, problem)
		}
	}
	// Not into a struct: package json takes the last of repeated fields and ignores case.
	fields := json.NewDecoder(bytes.NewReader(row))
	if _, err := fields.Token(); err != nil { // the brace
		return l, false, err
	}
	for fields.More() {
		token, err := fields.Token()
		if err != nil {
			return l, false, err
		}
		var content json.RawMessage
		if err := fields.Decode(&content); err != nil {
			return l, false, err
		}
		name, _ := token.(string)
		if _, repeated := given[name]; repeated {
			note(fmt.Sprintf("field %q is given twice", name))
			continue
		}
		given[name] = kindOf(content) != "null"
		if !given[name] {
			continue
		}
		if err := l.parseField(name, content); err != nil {
			note(err.Error())
		}
	}
	switch {
	case given["class"] && given["value"]:
		note("both a class and a value, want one of them")
	case !given["class"] && !given["value"]:
		note("neither a class nor a value")
	}
	if len(problems) > 0 {
		return l, false, errors.New(strings.Join(problems, "; "))
	}
	if l.Time.After(arrival.Add(maxFeedAhead)) {
		return l, false, fmt.Errorf("time: %s, want at most %v after the arrival", l.Time.Format(time.RFC3339), maxFeedAhead)
	}
	var invalid *LabelError
	if errors.As(l.Check(), &invalid) {
		return l, false, fmt.Errorf("%s: %s", invalid.Field, invalid.What)
	}
	return l, given["time"], nil
}

// parseField sets the field of the label with this name.
func (l *Label) parseField(name string, content json.RawMessage) (err error) {
	switch name {
	case "prediction_id":
		l.PredictionID, err = parseString(content)
	case "class":
		l.Class, err = parseClass(content)
	case "value":
		l.Value, err = parseNumber(content)
	case "time":
		l.Time, err = parseTime(content)
	default:
		return fmt.Errorf("unknown field %q, want prediction_id, class, value or time", name)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func parseString(content json.RawMessage) (string, error) {
	if kindOf(content) != "a string" {
		return "", fmt.Errorf("%s, want a string", kindOf(content))
	}
	var s string
	err := json.Unmarshal(content, &s)
	return s, err
}

func parseTime(content json.RawMessage) (time.Time, error) {
	s, err := parseString(content)
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q, want RFC 3339 such as 2025-06-01T12:00:00Z", s)
	}
	return t, nil
}

func parseNumber(content json.RawMessage) (float64, error) {
	if kind := kindOf(content); kind != "a number" {
		return 0, fmt.Errorf("%s, want a number", kind)
	}
	x, err := strconv.ParseFloat(string(content), 64)
	if err != nil {
		return 0, fmt.Errorf("%s, want a number that a float64 can hold", content)
	}
	return x, nil
}

func parseClass(content json.RawMessage) (string, error) {
	switch kindOf(content) {
	case "a string":
		class, err := parseString(content)
		if err == nil && class == "" {
			err = errors.New("empty")
		}
		return class, err
	case "a boolean":
		return string(content), nil
	case "a number":
		if !bytes.ContainsAny(content, ".eE") {
			return string(content), nil // as it stands: a long integer is no float64
		}
		// A source that keeps classes as floats, because some are missing, sends 1.0.
		x, err := parseNumber(content)
		return strconv.FormatFloat(x, 'f', -1, 64), err
	}
	return "", fmt.Errorf("%s, want a string, a number or a boolean", kindOf(content))
}

// kindOf names the kind of a valid JSON value.
func kindOf(content json.RawMessage) string {
	switch content[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}
