package mlflowregistry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
)

// record is the draft of a version, stored in a tag of the version. A long record is stored
// in an artifact, which the tag names.
type record struct {
	Key      string             `json:"key"`
	Created  time.Time          `json:"created"`
	Files    []registry.File    `json:"files,omitempty"` // Blob is the path at the proxy
	Tags     map[string]string  `json:"tags,omitempty"`
	Metrics  map[string]float64 `json:"metrics,omitempty"`
	Manifest *registry.File     `json:"manifest,omitempty"`
}

const (
	// maxInline is the largest length of a tag: servers before 3 accept 5000 characters.
	maxInline = 4500
	// manifestFile is the name of the record beside the files of a version. No document and
	// no path of a folder has this name.
	manifestFile = ".selfheal/manifest.json"
	// maxRecords is the number of long records in memory.
	maxRecords = 1000
)

// seal stores a record below root and returns the value of its tag.
func (r *Registry) seal(ctx context.Context, root string, rec record) (string, error) {
	slices.SortFunc(rec.Files, func(a, b registry.File) int { return strings.Compare(a.Name, b.Name) })
	whole := encode(rec)
	f, err := r.client.put(ctx, manifestFile, path.Join(root, manifestFile), strings.NewReader(whole))
	if err != nil || len(whole) <= maxInline {
		return whole, err
	}
	return encode(record{Key: rec.Key, Created: rec.Created, Manifest: &f}), nil
}

// unseal returns the record in a tag or in the artifact that the tag names.
func (r *Registry) unseal(ctx context.Context, id, value string) (record, error) {
	corrupt := func(err error) error {
		return fmt.Errorf("%w: record of version %q: %v", registry.ErrCorrupt, id, err)
	}
	var rec record
	if err := json.Unmarshal([]byte(value), &rec); err != nil {
		return record{}, corrupt(err)
	}
	if rec.Manifest == nil {
		return rec, nil
	}
	sum := rec.Manifest.SHA256
	r.mu.Lock()
	known, ok := r.records[sum]
	r.mu.Unlock()
	if ok {
		return known, nil
	}
	content, err := r.client.download(ctx, rec.Manifest.Blob)
	if isMissing(err) {
		return record{}, corrupt(err)
	}
	if err != nil {
		return record{}, err
	}
	data, err := io.ReadAll(registry.Verify(*rec.Manifest, content))
	if err = errors.Join(err, content.Close()); err != nil {
		return record{}, fmt.Errorf("mlflowregistry: record of version %q: %w", id, err)
	}
	rec = record{}
	if err := json.Unmarshal(data, &rec); err != nil {
		return record{}, corrupt(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.records) >= maxRecords {
		clear(r.records)
	}
	r.records[sum] = rec
	return rec, nil
}

// attached is the addition of one Attach to a version.
type attached struct {
	Files   []registry.File    `json:"files,omitempty"`
	Metrics map[string]float64 `json:"metrics,omitempty"`
}

// deletion says who deleted the files of a version.
type deletion struct {
	Time   time.Time `json:"time"`
	Actor  string    `json:"actor,omitempty"`
	Reason string    `json:"reason,omitempty"`
}

// version returns a version as it is in this view. It lists the files of a version that
// another client registered only if details are wanted.
func (r *Registry) version(ctx context.Context, s *view, m modelVersion, details bool) (registry.Version, error) {
	v := registry.Version{ID: m.Version, Created: time.UnixMilli(m.Created).UTC()}
	value := m.tag(tagRecord)
	if value != "" {
		rec, err := r.unseal(ctx, m.Version, value)
		if err != nil {
			return registry.Version{}, err
		}
		v.Key, v.Created = rec.Key, rec.Created.UTC()
		v.Files, v.Tags, v.Metrics = slices.Clone(rec.Files), maps.Clone(rec.Tags), maps.Clone(rec.Metrics)
	} else {
		for _, t := range m.Tags {
			if strings.HasPrefix(t.Key, tagPrefix) {
				continue
			}
			if v.Tags == nil {
				v.Tags = make(map[string]string)
			}
			v.Tags[t.Key] = t.Value
		}
		if details {
			files, err := r.foreignFiles(ctx, m)
			if err != nil {
				return registry.Version{}, err
			}
			v.Files = files
		}
	}
	for _, t := range m.Tags {
		switch {
		case strings.HasPrefix(t.Key, tagAttached):
			var a attached
			if err := json.Unmarshal([]byte(t.Value), &a); err != nil {
				return registry.Version{}, fmt.Errorf("%w: tag %q of version %q: %v", registry.ErrCorrupt, t.Key, m.Version, err)
			}
			for _, f := range a.Files {
				if _, err := v.File(f.Name); err != nil {
					v.Files = append(v.Files, f)
				}
			}
			for name, value := range a.Metrics {
				if v.Metrics == nil {
					v.Metrics = make(map[string]float64)
				}
				if _, ok := v.Metrics[name]; !ok {
					v.Metrics[name] = value
				}
			}
		case t.Key == tagDeleted:
			var d deletion
			if err := json.Unmarshal([]byte(t.Value), &d); err != nil {
				return registry.Version{}, fmt.Errorf("%w: tag %q of version %q: %v", registry.ErrCorrupt, t.Key, m.Version, err)
			}
			v.Deleted = d.Time.UTC()
		}
	}
	slices.SortFunc(v.Files, func(a, b registry.File) int { return strings.Compare(a.Name, b.Name) })
	v.Stage, v.Since = registry.Staging, v.Created
	if p, ok := s.places[v.ID]; ok {
		v.Stage, v.Since, v.Promoted = p.stage, p.since, p.promoted
	}
	return v, nil
}

func errNotServed(uri string) error {
	return fmt.Errorf("the server does not serve artifacts (they would be at %q): start it with --artifacts-destination, or use an experiment whose artifacts it serves", uri)
}
