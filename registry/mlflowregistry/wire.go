package mlflowregistry

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Messages of MLflow, which omits empty repeated fields.
type (
	tag struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}

	registeredModel struct {
		Tags    []tag `json:"tags"`
		Aliases []struct {
			Alias   string `json:"alias"`
			Version string `json:"version"`
		} `json:"aliases"`
	}

	modelVersion struct {
		Version string `json:"version"`
		Created int64  `json:"creation_timestamp"` // milliseconds
		Source  string `json:"source"`
		RunID   string `json:"run_id"`
		Tags    []tag  `json:"tags"`
	}

	run struct {
		Info struct {
			RunID       string `json:"run_id"`
			ArtifactURI string `json:"artifact_uri"`
		} `json:"info"`
		Data struct {
			Metrics []metric `json:"metrics"`
		} `json:"data"`
	}

	metric struct {
		Key       string `json:"key"`
		Value     number `json:"value"`
		Timestamp int64  `json:"timestamp"` // milliseconds
		Step      int64  `json:"step"`
	}
)

// number is a float64 that MLflow writes as a string if JSON has no number for it.
type number float64

func (n *number) UnmarshalJSON(data []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(data), `"`), 64)
	if err != nil && !math.IsInf(f, 0) {
		return fmt.Errorf("mlflowregistry: %s is no number", data)
	}
	*n = number(f)
	return nil
}

func (n number) MarshalJSON() ([]byte, error) {
	if f := float64(n); math.IsNaN(f) || math.IsInf(f, 0) {
		return json.Marshal(strconv.FormatFloat(f, 'g', -1, 64))
	}
	return json.Marshal(float64(n))
}

func (v modelVersion) tag(key string) string {
	for _, t := range v.Tags {
		if t.Key == key {
			return t.Value
		}
	}
	return ""
}

func (m registeredModel) tag(key string) string {
	for _, t := range m.Tags {
		if t.Key == key {
			return t.Value
		}
	}
	return ""
}

func (m registeredModel) alias(name string) string {
	for _, a := range m.Aliases {
		if a.Alias == name {
			return a.Version
		}
	}
	return ""
}

func (r *Registry) model(ctx context.Context) (registeredModel, error) {
	var answer struct {
		Model registeredModel `json:"registered_model"`
	}
	err := r.client.get(ctx, "mlflow/registered-models/get", url.Values{"name": {r.cfg.Model}}, &answer)
	return answer.Model, err
}

// one returns the version with this ID, if it exists.
func (r *Registry) one(ctx context.Context, id string) (modelVersion, bool, error) {
	if !isID(id) {
		return modelVersion{}, false, ctx.Err()
	}
	var answer struct {
		Version modelVersion `json:"model_version"`
	}
	err := r.client.get(ctx, "mlflow/model-versions/get", url.Values{"name": {r.cfg.Model}, "version": {id}}, &answer)
	if isMissing(err) {
		return modelVersion{}, false, nil
	}
	return answer.Version, err == nil, err
}

// aliased returns the version with the alias, if there is one.
func (r *Registry) aliased(ctx context.Context, alias string) (modelVersion, bool, error) {
	var answer struct {
		Version modelVersion `json:"model_version"`
	}
	err := r.client.get(ctx, "mlflow/registered-models/alias", url.Values{"name": {r.cfg.Model}, "alias": {alias}}, &answer)
	if hasCode(err, codeInvalid) { // the model exists, and nothing has the alias
		return modelVersion{}, false, nil
	}
	return answer.Version, err == nil, err
}

// pageSize is the number of versions in one request.
const pageSize = 200

// search returns the versions that match a filter, newest first, from all pages. An empty
// filter matches all.
func (r *Registry) search(ctx context.Context, filter string) ([]modelVersion, error) {
	query := url.Values{
		"filter":      {strings.TrimSuffix("name="+quote(r.cfg.Model)+" and "+filter, " and ")},
		"order_by":    {"version_number DESC"},
		"max_results": {strconv.Itoa(pageSize)},
	}
	var all []modelVersion
	last := math.MaxInt
	for {
		var answer struct {
			Versions []modelVersion `json:"model_versions"`
			Next     string         `json:"next_page_token"`
		}
		if err := r.client.get(ctx, "mlflow/model-versions/search", query, &answer); err != nil {
			return nil, err
		}
		for _, v := range answer.Versions {
			n, err := strconv.Atoi(v.Version)
			if err != nil {
				return nil, fmt.Errorf("mlflowregistry: the server lists a version %q", v.Version)
			}
			if n < last { // pages are offsets: a version registered meanwhile shifts them
				all, last = append(all, v), n
			}
		}
		if answer.Next == "" {
			return all, nil
		}
		query.Set("page_token", answer.Next)
	}
}

// quote returns s, which has no double quotes, as a string of a filter.
func quote(s string) string {
	if strings.Contains(s, "'") {
		return `"` + s + `"`
	}
	return "'" + s + "'"
}

func (r *Registry) setModelTag(ctx context.Context, key, value string) error {
	return r.client.send(ctx, http.MethodPost, "mlflow/registered-models/set-tag",
		map[string]string{"name": r.cfg.Model, "key": key, "value": value}, nil)
}

func (r *Registry) deleteModelTag(ctx context.Context, key string) error {
	return r.client.send(ctx, http.MethodDelete, "mlflow/registered-models/delete-tag",
		map[string]string{"name": r.cfg.Model, "key": key}, nil)
}

func (r *Registry) setVersionTag(ctx context.Context, id, key, value string) error {
	return r.client.send(ctx, http.MethodPost, "mlflow/model-versions/set-tag",
		map[string]string{"name": r.cfg.Model, "version": id, "key": key, "value": value}, nil)
}

func (r *Registry) setAlias(ctx context.Context, alias, id string) error {
	return r.client.send(ctx, http.MethodPost, "mlflow/registered-models/alias",
		map[string]string{"name": r.cfg.Model, "alias": alias, "version": id}, nil)
}

func (r *Registry) deleteAlias(ctx context.Context, alias string) error {
	return r.client.send(ctx, http.MethodDelete, "mlflow/registered-models/alias",
		map[string]string{"name": r.cfg.Model, "alias": alias}, nil)
}

// setStage moves a version to one of MLflow's own stages. Only "Production" may take
// others out of theirs: with another stage the server fails.
func (r *Registry) setStage(ctx context.Context, id, stage string) error {
	return r.client.send(ctx, http.MethodPost, "mlflow/model-versions/transition-stage", map[string]any{
		"name": r.cfg.Model, "version": id, "stage": stage, "archive_existing_versions": stage == "Production",
	}, nil)
}

// newRun makes a run, once: a repetition finds it by the tag that tells it from all others.
func (r *Registry) newRun(ctx context.Context, name string, start time.Time, tags []tag) (run, error) {
	attempt := nonce()
	experiment, err := r.experiment(ctx)
	if err != nil {
		return run{}, err
	}
	tags = append(slices.Clone(tags), tag{tagModel, r.cfg.Model}, tag{tagAttempt, attempt}, tag{"mlflow.runName", cut(name)})
	var made run
	err = r.client.once(ctx, func() error {
		var answer struct {
			Run run `json:"run"`
		}
		err := r.client.call(ctx, http.MethodPost, "mlflow/runs/create", nil, map[string]any{
			"experiment_id": experiment, "run_name": cut(name), "start_time": start.UnixMilli(), "tags": tags,
		}, &answer)
		made = answer.Run
		return err
	}, func() (bool, error) {
		var answer struct {
			Runs []run `json:"runs"`
		}
		err := r.client.send(ctx, http.MethodPost, "mlflow/runs/search", map[string]any{
			"experiment_ids": []string{experiment}, "filter": "tags.`" + tagAttempt + "`='" + attempt + "'", "max_results": 1,
		}, &answer)
		if err != nil || len(answer.Runs) == 0 {
			return false, err
		}
		made = answer.Runs[0]
		return true, nil
	})
	return made, err
}

func (r *Registry) run(ctx context.Context, id string) (run, error) {
	var answer struct {
		Run run `json:"run"`
	}
	err := r.client.get(ctx, "mlflow/runs/get", url.Values{"run_id": {id}}, &answer)
	return answer.Run, err
}

func (r *Registry) endRun(ctx context.Context, id, status string, end time.Time) error {
	return r.client.send(ctx, http.MethodPost, "mlflow/runs/update",
		map[string]any{"run_id": id, "status": status, "end_time": end.UnixMilli()}, nil)
}

// Limits of the server for one batch and for what is in it.
const (
	maxBatchMetrics = 1000
	maxBatchParams  = 100
	maxParam        = 6000
	maxName         = 250
)

// logBatch logs parameters and metrics. To log the same again changes nothing.
func (r *Registry) logBatch(ctx context.Context, id string, params []tag, metrics []metric) error {
	for len(params) > 0 || len(metrics) > 0 {
		p := params[:min(len(params), maxBatchParams)]
		m := metrics[:min(len(metrics), maxBatchMetrics-len(p))]
		batch := struct {
			RunID   string   `json:"run_id"`
			Params  []tag    `json:"params,omitempty"` // null makes the server fail
			Metrics []metric `json:"metrics,omitempty"`
		}{id, p, m}
		if err := r.client.send(ctx, http.MethodPost, "mlflow/runs/log-batch", batch, nil); err != nil {
			return err
		}
		params, metrics = params[len(p):], metrics[len(m):]
	}
	return nil
}

// experiment returns the ID of the experiment, which it makes if need be.
func (r *Registry) experiment(ctx context.Context) (string, error) {
	r.mu.Lock()
	id := r.experimentID
	r.mu.Unlock()
	if id != "" {
		return id, nil
	}
	err := r.client.send(ctx, http.MethodPost, "mlflow/experiments/create", map[string]string{"name": r.cfg.Experiment}, nil)
	if err != nil && !hasCode(err, codeExists) {
		return "", err
	}
	var answer struct {
		Experiment struct {
			ID string `json:"experiment_id"`
		} `json:"experiment"`
	}
	err = r.client.get(ctx, "mlflow/experiments/get-by-name", url.Values{"experiment_name": {r.cfg.Experiment}}, &answer)
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	r.experimentID = answer.Experiment.ID
	r.mu.Unlock()
	return answer.Experiment.ID, nil
}
