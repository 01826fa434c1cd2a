package mlflowregistry_test

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeServer behaves as MLflow 3.17.2 does, its traps included, as far as a registry uses it.
type fakeServer struct {
	*httptest.Server
	mu          sync.Mutex
	experiments []string // by ID; guarded by mu
	runs        map[string]*fakeRun
	models      map[string]*fakeModel
	artifacts   map[string][]byte
	calls       []string // "METHOD path" of every request
	bodies      []int    // how many bytes each upload had

	pageLimit int // results a page has at most, 0 for what was asked for; set before use
	// before may answer a request in place of the server. It reports whether it did.
	before func(w http.ResponseWriter, r *http.Request) bool
	// lose says of a request that was handled whether its answer is lost.
	lose func(r *http.Request) bool
}

// intercept sets before and lose, both of which are guarded by mu.
func (f *fakeServer) intercept(before func(http.ResponseWriter, *http.Request) bool, lose func(*http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.lose = before, lose
}

type fakeRun struct {
	id, experiment, status string
	start, end             int64
	deleted                bool
	params, tags           map[string]string
	metrics                []map[string]any
	points                 map[string]bool // what is in metrics
}

type fakeModel struct {
	tags     map[string]string
	aliases  map[string]string
	versions []*fakeVersion
	next     int
}

type fakeVersion struct {
	number        int
	source, runID string
	stage         string
	created       int64
	tags          map[string]string
}

func newFake(tb testing.TB) *fakeServer {
	f := startFake()
	tb.Cleanup(f.Close)
	return f
}

func startFake() *fakeServer {
	f := &fakeServer{
		experiments: []string{"Default"},
		runs:        make(map[string]*fakeRun),
		models:      make(map[string]*fakeModel),
		artifacts:   make(map[string][]byte),
	}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	return f
}

// fault is an answer that is no success.
type fault struct {
	status int
	code   string // "" for an answer that is not JSON
	text   string
}

func (f *fakeServer) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.calls = append(f.calls, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/api/2.0/"))
	before, lose := f.before, f.lose
	f.mu.Unlock()
	if before != nil && before(w, r) {
		return
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/api/2.0/")
	if !ok {
		http.Error(w, "<!doctype html><title>404 Not Found</title>", http.StatusNotFound)
		return
	}
	var answer any
	var bad *fault
	if rest == "mlflow-artifacts/artifacts" || strings.HasPrefix(rest, "mlflow-artifacts/artifacts/") {
		raw := strings.TrimPrefix(r.URL.EscapedPath(), "/api/2.0/mlflow-artifacts/artifacts")
		answer, bad = f.artifact(r, strings.TrimPrefix(raw, "/"))
	} else {
		answer, bad = f.handle(r, strings.TrimPrefix(rest, "mlflow/"))
	}
	if lose != nil && lose(r) {
		if hijacker, ok := w.(http.Hijacker); ok {
			if conn, _, err := hijacker.Hijack(); err == nil {
				_ = conn.Close()
			}
		}
		return
	}
	switch {
	case bad != nil && bad.code == "":
		http.Error(w, bad.text, bad.status)
	case bad != nil && bad.code == "detail":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(bad.status)
		fmt.Fprintf(w, `{"detail": %q}`, bad.text)
	case bad != nil:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(bad.status)
		fmt.Fprintf(w, `{"error_code": %q, "message": %q, "sqlstate": "KAM00", "error_class": %q}`, bad.code, bad.text, bad.code)
	default:
		if content, ok := answer.([]byte); ok {
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = w.Write(content)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}
}

func missing(format string, args ...any) *fault {
	return &fault{404, "RESOURCE_DOES_NOT_EXIST", fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *fault {
	return &fault{400, "INVALID_PARAMETER_VALUE", fmt.Sprintf(format, args...)}
}

func (f *fakeServer) artifact(r *http.Request, raw string) (any, *fault) {
	if r.Method == http.MethodGet && raw == "" {
		return f.list(r.URL.Query().Get("path")), nil
	}
	name, err := url.PathUnescape(raw)
	if err != nil || strings.Contains(strings.TrimSuffix(name, "#"), "#") || slices.Contains(strings.Split(name, "/"), "..") {
		return nil, invalid("Invalid path")
	}
	for part := range strings.SplitSeq(name, "/") {
		if len(part) > 255 {
			return nil, &fault{500, "", "Internal Server Error"}
		}
	}
	switch r.Method {
	case http.MethodPut:
		content, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, &fault{500, "", "client disconnected"} // nothing is stored
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.bodies = append(f.bodies, len(content))
		f.artifacts[name] = content // also over a file of a registered version
		return []byte{}, nil
	case http.MethodGet:
		f.mu.Lock()
		defer f.mu.Unlock()
		if content, ok := f.artifacts[name]; ok {
			return content, nil
		}
		for other := range f.artifacts {
			if strings.HasPrefix(other, name+"/") {
				return nil, &fault{400, "detail", "is a directory"}
			}
		}
		return nil, missing("No such artifact: %s", name)
	case http.MethodDelete:
		f.mu.Lock()
		defer f.mu.Unlock()
		for other := range f.artifacts {
			if other == name || strings.HasPrefix(other, name+"/") {
				delete(f.artifacts, other)
			}
		}
		return map[string]any{}, nil
	}
	return nil, &fault{405, "", "<h1>Method Not Allowed</h1>"}
}

func (f *fakeServer) list(dir string) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := make(map[string]map[string]any)
	for name, content := range f.artifacts {
		rest, ok := strings.CutPrefix(name, dir+"/")
		if !ok {
			continue
		}
		if base, _, deeper := strings.Cut(rest, "/"); deeper {
			seen[base] = map[string]any{"path": base, "is_dir": true}
		} else if len(content) == 0 {
			seen[rest] = map[string]any{"path": rest, "is_dir": false} // no file_size
		} else {
			seen[rest] = map[string]any{"path": rest, "is_dir": false, "file_size": len(content)}
		}
	}
	if len(seen) == 0 {
		return map[string]any{}
	}
	var files []any
	for _, file := range seen {
		files = append(files, file)
	}
	return map[string]any{"files": files}
}

var (
	fakeTagName  = regexp.MustCompile(`^[/\p{L}\p{N}_.\- :]*$`)
	fakeReserved = regexp.MustCompile(`(?i)^(latest|v\d+)$`)
	fakeName     = regexp.MustCompile(`^name=(?:'([^']*)'|"([^"]*)")`)
	fakeTag      = regexp.MustCompile("tags\\.`([^`]+)`='([^']*)'")
)

// handle serves one call of the REST interface under a lock: each is a transaction.
func (f *fakeServer) handle(r *http.Request, path string) (any, *fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	args := make(map[string]any)
	if r.Method == http.MethodGet {
		for k, v := range r.URL.Query() {
			args[k] = v[0]
		}
	} else {
		if r.Method == http.MethodPost && r.Header.Get("Content-Type") != "application/json" {
			return nil, invalid("Bad Request. Content-Type header must be 'application/json'")
		}
		data, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(data, &args) // malformed JSON is an empty body
	}
	text := func(key string) string { s, _ := args[key].(string); return s }
	for _, key := range []string{"name", "version", "alias", "key", "run_id", "experiment_name", "source"} {
		if v, ok := args[key]; ok {
			if _, ok := v.(string); !ok {
				return nil, invalid("Invalid value %v for parameter '%s'", v, key)
			}
		}
	}
	for _, key := range []string{"tags", "params", "metrics"} {
		if v, ok := args[key]; ok && v == nil {
			return nil, &fault{500, "", "<!doctype html> <html lang=en> <title>500 Internal Server Error</title>"}
		}
	}
	empty := map[string]any{}
	switch r.Method + " " + path {
	case "POST experiments/create":
		if slices.Contains(f.experiments, text("name")) {
			return nil, &fault{400, "RESOURCE_ALREADY_EXISTS", "Experiment(name=x) already exists. Error: (sqlite3.IntegrityError)"}
		}
		f.experiments = append(f.experiments, text("name"))
		return map[string]any{"experiment_id": strconv.Itoa(len(f.experiments) - 1)}, nil
	case "GET experiments/get-by-name":
		i := slices.Index(f.experiments, text("experiment_name"))
		if i < 0 {
			return nil, missing("Could not find experiment")
		}
		return map[string]any{"experiment": map[string]any{"experiment_id": strconv.Itoa(i), "name": f.experiments[i]}}, nil
	case "POST runs/create":
		id := fmt.Sprintf("%032x", len(f.runs)+1)
		run := &fakeRun{id: id, experiment: text("experiment_id"), status: "RUNNING", params: make(map[string]string), tags: make(map[string]string), points: make(map[string]bool)}
		if start, ok := args["start_time"].(float64); ok {
			run.start = int64(start)
		}
		if bad := setTags(run.tags, args["tags"]); bad != nil {
			return nil, bad
		}
		f.runs[id] = run
		return map[string]any{"run": run.json()}, nil
	case "POST runs/search":
		tag := fakeTag.FindStringSubmatch(text("filter"))
		var found []any
		for _, run := range f.runs {
			if tag != nil && run.tags[tag[1]] == tag[2] {
				found = append(found, run.json())
			}
		}
		if found == nil {
			return empty, nil
		}
		return map[string]any{"runs": found}, nil
	case "GET runs/get", "GET metrics/get-history", "POST runs/update", "POST runs/delete", "POST runs/log-batch":
		run := f.runs[text("run_id")]
		if run == nil {
			return nil, missing("Run with id=%s not found", text("run_id"))
		}
		switch path {
		case "metrics/get-history":
			points := []any{}
			for _, point := range run.metrics {
				if point["key"] == text("metric_key") {
					points = append(points, point)
				}
			}
			return map[string]any{"metrics": points}, nil
		case "runs/update":
			run.status = text("status")
			end, _ := args["end_time"].(float64)
			run.end = int64(end)
		case "runs/delete":
			run.deleted = true
			return empty, nil
		case "runs/log-batch":
			return empty, run.batch(args)
		}
		return map[string]any{"run": run.json()}, nil
	case "POST registered-models/create":
		name := text("name")
		switch {
		case name == "" || strings.ContainsAny(name, "/:"):
			return nil, invalid("Registered model name cannot be empty or contain '/' and ':'")
		case f.models[name] != nil:
			return nil, &fault{400, "RESOURCE_ALREADY_EXISTS", "Registered Model (name=x) already exists. Error: (sqlite3.IntegrityError) UNIQUE constraint failed"}
		}
		f.models[name] = &fakeModel{tags: make(map[string]string), aliases: make(map[string]string), next: 1}
		return map[string]any{"registered_model": map[string]any{"name": name}}, nil
	case "GET model-versions/search":
		return f.searchVersions(text("filter"), text("max_results"), text("page_token"))
	}
	m := f.models[text("name")]
	if m == nil && (strings.HasPrefix(path, "registered-models/") || strings.HasPrefix(path, "model-versions/")) {
		if text("name") == "" {
			return nil, invalid("Missing value for required parameter 'name'") // such as a DELETE without a body
		}
		return nil, missing("Registered Model with name=%s not found", text("name"))
	}
	switch r.Method + " " + path {
	case "GET registered-models/get":
		return map[string]any{"registered_model": m.json(text("name"))}, nil
	case "POST registered-models/set-tag":
		return empty, setTag(m.tags, text("key"), text("value"))
	case "DELETE registered-models/delete-tag":
		delete(m.tags, text("key"))
		return empty, nil
	case "GET registered-models/alias":
		id, ok := m.aliases[text("alias")]
		if !ok {
			return nil, invalid("Registered model alias %s not found.", text("alias"))
		}
		return map[string]any{"model_version": m.find(id).json(text("name"), m)}, nil
	case "POST registered-models/alias":
		v, bad := m.get(text("version"))
		if bad != nil {
			return nil, bad
		}
		if fakeReserved.MatchString(text("alias")) {
			return nil, invalid("alias name is reserved")
		}
		m.aliases[text("alias")] = strconv.Itoa(v.number)
		return empty, nil
	case "DELETE registered-models/alias":
		delete(m.aliases, text("alias"))
		return empty, nil
	case "POST model-versions/create":
		return f.createVersion(m, args)
	case "GET model-versions/get", "GET model-versions/get-download-uri", "POST model-versions/set-tag",
		"DELETE model-versions/delete", "POST model-versions/transition-stage":
		v, bad := m.get(text("version"))
		if bad != nil {
			return nil, bad
		}
		switch path {
		case "model-versions/get-download-uri":
			return map[string]any{"artifact_uri": f.resolve(v.source)}, nil
		case "model-versions/set-tag":
			return empty, setTag(v.tags, text("key"), text("value"))
		case "model-versions/delete":
			m.versions = slices.DeleteFunc(m.versions, func(o *fakeVersion) bool { return o == v })
			for alias, id := range m.aliases {
				if id == strconv.Itoa(v.number) {
					delete(m.aliases, alias)
				}
			}
			return empty, nil
		case "model-versions/transition-stage":
			archive, _ := args["archive_existing_versions"].(bool)
			if archive && text("stage") != "Production" && text("stage") != "Staging" {
				return nil, &fault{500, "INTERNAL_ERROR", "cannot archive existing versions"}
			}
			for _, other := range m.versions {
				if archive && other.stage == text("stage") {
					other.stage = "Archived"
				}
			}
			v.stage = text("stage")
		}
		return map[string]any{"model_version": v.json(text("name"), m)}, nil
	}
	return nil, &fault{404, "", "<!doctype html>\n<title>404 Not Found</title>"}
}

func (f *fakeServer) resolve(source string) string {
	if id, ok := strings.CutPrefix(source, "models:/"); ok { // an entity of MLflow 3
		return "mlflow-artifacts:/1/models/" + id + "/artifacts"
	}
	return source
}

func (f *fakeServer) createVersion(m *fakeModel, args map[string]any) (any, *fault) {
	source, _ := args["source"].(string)
	runID, _ := args["run_id"].(string)
	if strings.HasPrefix(source, "mlflow-artifacts:") && runID == "" {
		return nil, invalid("the run_id request parameter must identify the resource")
	}
	v := &fakeVersion{number: m.next, source: source, runID: runID, stage: "None", created: time.Now().UnixMilli(), tags: make(map[string]string)}
	if bad := setTags(v.tags, args["tags"]); bad != nil {
		return nil, bad
	}
	m.next++
	m.versions = append(m.versions, v)
	name, _ := args["name"].(string)
	return map[string]any{"model_version": v.json(name, m)}, nil
}

func (f *fakeServer) searchVersions(filter, limit, token string) (any, *fault) {
	name := fakeName.FindStringSubmatch(filter)
	if name == nil {
		return nil, invalid("Invalid filter %q", filter)
	}
	m := f.models[cmp.Or(name[1], name[2])]
	if m == nil {
		return map[string]any{}, nil
	}
	n, err := strconv.Atoi(limit)
	if err != nil || n > 200_000 {
		return nil, invalid("Invalid value for max_results")
	}
	if f.pageLimit > 0 {
		n = min(n, f.pageLimit)
	}
	start := 0
	if token != "" {
		data, _ := base64.StdEncoding.DecodeString(token)
		start, _ = strconv.Atoi(string(data))
	}
	tag := fakeTag.FindStringSubmatch(filter)
	var found []any
	for _, v := range slices.Backward(m.versions) {
		if tag == nil || v.tags[tag[1]] == tag[2] && v.tags[tag[1]] != "" {
			found = append(found, v.json("", nil)) // never with aliases
		}
	}
	end := min(start+n, len(found))
	answer := map[string]any{}
	if start < end {
		answer["model_versions"] = found[start:end]
	}
	if end < len(found) {
		answer["next_page_token"] = base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(end)))
	}
	return answer, nil
}

func (m *fakeModel) find(id string) *fakeVersion {
	for _, v := range m.versions {
		if strconv.Itoa(v.number) == id {
			return v
		}
	}
	return nil
}

func (m *fakeModel) get(id string) (*fakeVersion, *fault) {
	n, err := strconv.Atoi(id)
	if err != nil {
		return nil, invalid("Model version must be an integer, got '%s'", id)
	}
	v := m.find(strconv.Itoa(n)) // "02" is 2
	if v == nil {
		return nil, missing("Model Version (version=%s) not found", id)
	}
	return v, nil
}

func (m *fakeModel) json(name string) map[string]any {
	answer := map[string]any{"name": name}
	if tags := tagList(m.tags); tags != nil {
		answer["tags"] = tags
	}
	var aliases []any
	for alias, id := range m.aliases {
		aliases = append(aliases, map[string]any{"alias": alias, "version": id})
	}
	if aliases != nil {
		answer["aliases"] = aliases
	}
	return answer
}

// json returns the version, with its aliases if m is not nil.
func (v *fakeVersion) json(name string, m *fakeModel) map[string]any {
	id := strconv.Itoa(v.number)
	answer := map[string]any{
		"name": name, "version": id, "creation_timestamp": v.created, "source": v.source, "run_id": v.runID, "current_stage": v.stage, "status": "READY",
	}
	if tags := tagList(v.tags); tags != nil {
		answer["tags"] = tags
	}
	if m != nil {
		var aliases []string
		for alias, of := range m.aliases {
			if of == id {
				aliases = append(aliases, alias)
			}
		}
		if aliases != nil {
			answer["aliases"] = aliases
		}
	}
	return answer
}

func (r *fakeRun) json() map[string]any {
	data := map[string]any{}
	if r.metrics != nil {
		data["metrics"] = r.metrics
	}
	if params := tagList(r.params); params != nil {
		data["params"] = params
	}
	if tags := tagList(r.tags); tags != nil {
		data["tags"] = tags
	}
	return map[string]any{
		"info": map[string]any{
			"run_id": r.id, "experiment_id": r.experiment, "status": r.status, "start_time": r.start,
			"artifact_uri": "mlflow-artifacts:/" + r.experiment + "/" + r.id + "/artifacts",
		},
		"data": data,
	}
}

// batch logs all or nothing.
func (r *fakeRun) batch(args map[string]any) *fault {
	params, _ := args["params"].([]any)
	metrics, _ := args["metrics"].([]any)
	if len(params) > 100 || len(metrics) > 1000 || len(params)+len(metrics) > 1000 {
		return invalid("A batch logging request can contain at most 1000 metrics")
	}
	add := make(map[string]string)
	if bad := setTags(add, args["params"]); bad != nil {
		return bad
	}
	for k, v := range add {
		if old, ok := r.params[k]; ok && old != v {
			return invalid("Changing param values is not allowed")
		}
	}
	for _, m := range metrics {
		point := m.(map[string]any)
		if name, _ := point["key"].(string); name == "" || !fakeTagName.MatchString(name) {
			return invalid("Invalid value %q for parameter 'metrics[0].name'", point["key"])
		}
		if point["timestamp"] == nil {
			return invalid("Missing value for required parameter 'timestamp'")
		}
		if id := fmt.Sprint(point); !r.points[id] { // the same point is stored once
			r.points[id] = true
			r.metrics = append(r.metrics, point)
		}
	}
	for k, v := range add {
		r.params[k] = v
	}
	return nil
}

func setTag(tags map[string]string, key, value string) *fault {
	if key == "" || !fakeTagName.MatchString(key) || len(key) > 250 {
		return invalid("Invalid value %q for parameter 'key' supplied: Names may only contain alphanumerics", key)
	}
	if len(value) > 100_000 {
		return invalid("tag value exceeds 100000 characters")
	}
	tags[key] = value
	return nil
}

func setTags(tags map[string]string, list any) *fault {
	all, _ := list.([]any)
	for _, t := range all {
		pair := t.(map[string]any)
		key, _ := pair["key"].(string)
		value, _ := pair["value"].(string)
		if bad := setTag(tags, key, value); bad != nil {
			return bad
		}
	}
	return nil
}

func tagList(tags map[string]string) []any {
	var list []any
	for k, v := range tags {
		list = append(list, map[string]any{"key": k, "value": v})
	}
	return list
}
