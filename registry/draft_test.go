package registry_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
)

func TestDraftValidate(t *testing.T) {
	t.Parallel()
	documents := func(names ...string) map[string][]byte {
		m := make(map[string][]byte)
		for _, name := range names {
			m[name] = nil
		}
		return m
	}
	for name, c := range map[string]struct {
		draft registry.Draft
		wrong []string // parts of the error; none if the draft is valid
	}{
		"minimal": {draft: registry.Draft{Key: "a"}},
		"names":   {draft: registry.Draft{Key: "a", Documents: documents("a", "Z-9_.json", "models", "-")}},
		"document of the largest size": {
			draft: registry.Draft{Key: "a", Documents: map[string][]byte{"a": make([]byte, 16<<20)}},
		},
		"zero":         {wrong: []string{"Key is empty"}},
		"key with NUL": {draft: registry.Draft{Key: "a\x00"}, wrong: []string{`Key is "a\x00"`}},
		"names of no file": {
			draft: registry.Draft{Key: "a", Documents: documents("", ".", "..", "a/b", `a\b`, "ä", "model", ".hidden")},
			wrong: []string{`""`, `"."`, `".."`, `"a/b"`, `"a\\b"`, `"ä"`, `"model"`, `".hidden"`},
		},
		"everything at once": {
			draft: registry.Draft{
				Time:      time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC),
				Documents: map[string][]byte{"big": make([]byte, 16<<20+1)},
				Tags:      map[string]string{"": "x", "y": "\xff"},
				Metrics:   map[string]float64{"nan": math.NaN(), "inf": math.Inf(1), "": 1},
			},
			wrong: []string{
				"Key is empty", "the year -1", `Documents["big"] has 16777217 bytes`, `Tags[""]`, `Tags["y"]`,
				`Metrics["nan"] is NaN`, `Metrics["inf"] is +Inf`, `Metrics has the name ""`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.draft.Validate()
			if len(c.wrong) == 0 {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "registry: invalid Draft: ")
			for _, part := range c.wrong {
				require.ErrorContains(t, err, part)
			}
			require.Len(t, strings.Split(err.Error(), "\n"), len(c.wrong))
		})
	}
}

func TestAttachmentValidate(t *testing.T) {
	t.Parallel()
	require.NoError(t, registry.Attachment{Documents: map[string][]byte{"a": nil}, Metrics: map[string]float64{"f1": 1}}.Validate())
	err := registry.Attachment{Documents: map[string][]byte{"model": nil}, Metrics: map[string]float64{"f1": math.Inf(1)}}.Validate()
	require.ErrorContains(t, err, "registry: invalid Attachment: ")
	require.ErrorContains(t, err, `Documents has the name "model"`)
	require.ErrorContains(t, err, `Metrics["f1"] is +Inf`)
}

func TestDeletionValidate(t *testing.T) {
	t.Parallel()
	require.NoError(t, registry.Deletion{Version: "1", Actor: "ann", Reason: "old"}.Validate())
	err := registry.Deletion{Actor: "\xff", Reason: "\x00", Time: noon.AddDate(9000, 0, 0)}.Validate()
	require.ErrorContains(t, err, "registry: invalid Deletion: ")
	for _, part := range []string{"Actor is", "Reason is", "the year 11025"} {
		require.ErrorContains(t, err, part)
	}
}

func TestStage_CanBecome(t *testing.T) {
	t.Parallel()
	require.True(t, registry.Staging.CanBecome(registry.Production))
	require.True(t, registry.Quarantined.CanBecome(registry.Archived))
	require.False(t, registry.Quarantined.CanBecome(registry.Production))
	require.False(t, registry.Production.CanBecome(registry.Archived))
	require.False(t, registry.Stage("").CanBecome(registry.Staging))
}
