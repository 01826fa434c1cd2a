package fileregistry_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/fileregistry"
)

// events returns an event of each kind, with every field.
func events() []fileregistry.Event {
	sum := strings.Repeat("0f", 32)
	return []fileregistry.Event{
		{Format: 1, Registered: &registry.Version{
			ID: "1", Key: "<a> & \"b\"\u2028", Created: noon.Add(1), Stage: registry.Staging,
			Files:   []registry.File{{Name: "card.md"}, {Name: registry.ModelFile, Size: math.MaxInt64, SHA256: sum}},
			Tags:    map[string]string{"a": "b", "c": "\n"},
			Metrics: map[string]float64{"least": math.SmallestNonzeroFloat64, "f1": 0.1 + 0.2},
		}},
		{Format: 1, Previous: sum, Transition: &registry.Event{
			Seq: math.MaxUint64, Time: noon, Version: "2", From: registry.Staging, To: registry.Production,
			Displaced: "1", DisplacedTo: registry.Quarantined,
			Actor: "a", Reason: "läuft\x01", Decision: sum, Key: "k", Token: math.MaxUint64,
		}},
	}
}

func TestEvent_RoundTrip(t *testing.T) {
	t.Parallel()
	for _, want := range events() {
		data, err := fileregistry.Encode(want)
		require.NoError(t, err)
		got, err := fileregistry.Decode(data)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func FuzzDecode(f *testing.F) {
	for _, e := range events() {
		data, err := fileregistry.Encode(e)
		require.NoError(f, err)
		content := data[:len(data)-len(",\n  \"sha256\": \"\"\n}\n")-64]
		f.Add(data, false)
		f.Add(data[:len(data)-1], false)
		f.Add(content, true)
		f.Add(content[:len(content)/2], true)
	}
	f.Add([]byte(`{"format": 1`), true)
	f.Add([]byte(`{"format": 2`), true)
	f.Add([]byte(`{"format": 1, "registered": {}, "transition": {}`), true)
	f.Add([]byte(`{"format": 1, "transition": {"seq": -1}`), true)
	f.Add([]byte(`{"format": 1, "transition": {}} {"a": 1`), true)

	f.Fuzz(func(t *testing.T, data []byte, seal bool) {
		if seal { // without it, hardly any input would get past the checksum
			data = sealed(data)
		}
		e, err := fileregistry.Decode(data)
		if err != nil {
			require.Equal(t, fileregistry.Event{}, e)
			require.True(t, errors.Is(err, registry.ErrCorrupt) || strings.HasPrefix(err.Error(), "its format is "), err)
			return
		}
		again, err := fileregistry.Encode(e)
		require.NoError(t, err)
		got, err := fileregistry.Decode(again)
		require.NoError(t, err)
		canonical, err := fileregistry.Encode(got)
		require.NoError(t, err)
		require.Equal(t, string(again), string(canonical))

		// No decoded event may make the state panic.
		var s registry.State
		if e.Registered != nil {
			_ = s.AddVersion(*e.Registered)
		} else {
			_ = s.AddEvent(*e.Transition)
		}
	})
}
