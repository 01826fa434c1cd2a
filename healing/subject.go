package healing

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// subject is the model of a monitor or a loop. It keeps the records of several models in one
// store apart.
type subject struct {
	// model and tag select its records; both may be empty, which selects all.
	model string
	tag   predictlog.Tag
}

// query selects the subject's records of a version, "" for all versions.
func (s subject) query(version string) predictlog.Query {
	return predictlog.Query{Model: s.model, Tag: s.tag, Version: version}
}

// series returns the name of a series of telemetry: MODEL/KIND/..., or
// MODEL@TAG=VALUE/KIND/... for a subject with a tag. All parts are escaped as in the query of
// a URL, so different subjects have different names whatever their parts contain. A name that
// would be too long ends in a part of its SHA-256.
func (s subject) series(kind ...string) string {
	name := url.QueryEscape(s.model)
	if s.tag.Name != "" {
		name += "@" + url.QueryEscape(s.tag.Name) + "=" + url.QueryEscape(s.tag.Value)
	}
	for _, part := range kind {
		name += "/" + url.QueryEscape(part)
	}
	if len(name) <= MaxSeries {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	short := "~" + hex.EncodeToString(sum[:16])
	return name[:MaxSeries-len(short)] + short // an escaped name is ASCII
}
