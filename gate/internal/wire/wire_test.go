package wire_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate/internal/wire"
)

// document has a field of each form.
type document struct {
	Flag   bool                 `json:"flag"`
	Name   string               `json:"name"`
	At     time.Time            `json:"at"`
	Span   wire.Duration        `json:"span"`
	Number wire.Number          `json:"number"`
	Counts []int                `json:"counts"`
	Inner  map[string]*document `json:"inner,omitempty"`
	Raw    json.RawMessage      `json:"raw,omitempty"`
	Hidden int                  `json:"-"`
}

const full = `{"flag":true,"name":"a","at":"2025-03-01T00:00:00Z","span":"1h","number":null,"counts":null,"inner":{"b":null},"raw":[{"x":1}]}`

func TestUnmarshal(t *testing.T) {
	t.Parallel()
	var d document
	require.NoError(t, wire.Unmarshal([]byte(" "+full+"\n"), &d))
	require.True(t, math.IsNaN(float64(d.Number)))
	require.Equal(t, wire.Duration(time.Hour), d.Span)
	require.Equal(t, map[string]*document{"b": nil}, d.Inner)
	for data, want := range map[string]string{
		``:                             "unexpected end of JSON input",
		full + "x":                     "invalid character 'x' after top-level value",
		`7`:                            "7 is not a JSON object",
		`null`:                         "is null, want an object",
		`{"Flag":true}`:                `unknown field "Flag", want one of ["flag" "name"`,
		`{"Hidden":1}`:                 `unknown field "Hidden"`,
		`{"flag":null}`:                "flag is null, want true or false",
		`{"name":null}`:                "name is null, want a text",
		`{"at":null}`:                  "at is null, want a time",
		`{"span":null}`:                "span is null, want a text",
		`{"span":"7d"}`:                `field "flag" is missing`,
		`{"counts":[1,null]}`:          "counts[1] is null, want a number",
		`{"inner":null}`:               "inner is null, want an object or no such field",
		`{"inner":{"b":{}}}`:           `inner.b: field "flag" is missing`,
		`{"inner":{"b":1}}`:            "inner.b: 1 is not a JSON object",
		`{"raw":[{"x":1,"\u0078":2}]}`: `raw[0]: field "x" occurs twice`,
		`{"name":7}`:                   `field "flag" is missing`,
	} {
		kept := document{Hidden: 7}
		require.ErrorContains(t, wire.Unmarshal([]byte(data), &kept), want, data)
		require.Equal(t, document{Hidden: 7}, kept, data)
	}
}

// Limits, hidden and skipped are structs that a document may embed.
type (
	Limits  struct{ Most int }
	hidden  struct{ Least int }
	Skipped struct{ Secret int }
)

// A struct that is embedded under a name, or skipped, has no members in the outer object.
func TestUnmarshal_EmbeddedByName(t *testing.T) {
	t.Parallel()
	type embedding struct {
		Limits  `json:"limits"`
		hidden  `json:"hidden"`
		Skipped `json:"-"`
		Rows    int
	}
	want := embedding{Limits{1}, hidden{2}, Skipped{}, 3}
	data, err := json.Marshal(want)
	require.NoError(t, err)
	require.Equal(t, `{"limits":{"Most":1},"hidden":{"Least":2},"Rows":3}`, string(data))
	var read embedding
	require.NoError(t, wire.Unmarshal(data, &read))
	require.Equal(t, want, read)
	for data, want := range map[string]string{
		`{"Most":1}`:               `unknown field "Most", want one of ["limits" "hidden" "Rows"]`,
		`{"Secret":1}`:             `unknown field "Secret"`,
		`{"limits":{"Most":null}}`: "limits.Most is null, want a number",
		`{"limits":{"Most":1}}`:    `field "hidden" is missing`,
	} {
		require.ErrorContains(t, wire.Unmarshal([]byte(data), &read), want)
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	type spans struct {
		Least time.Duration `json:"least"`
		Most  time.Duration `json:"most,omitzero"`
		Rows  int           `json:"rows"`
	}
	data, err := wire.MarshalStruct(spans{Least: time.Hour, Rows: 3}, 0)
	require.NoError(t, err)
	require.Equal(t, `{"least":"1h0m0s","rows":3}`, string(data))
	var read spans
	require.NoError(t, wire.UnmarshalStruct(data, &read, 0))
	require.Equal(t, spans{Least: time.Hour, Rows: 3}, read)
	require.ErrorContains(t, wire.UnmarshalStruct([]byte(`{"least":7,"rows":3}`), &read, 0), "cannot unmarshal number")
	require.ErrorContains(t, wire.UnmarshalStruct([]byte(`{"least":"7d","rows":3}`), &read, 0), `duration "7d", want one such as "168h"`)
	require.Equal(t, spans{Least: time.Hour, Rows: 3}, read, "an error leaves the struct as it was")
}

func TestMarshalStruct_NullAndVersion(t *testing.T) {
	t.Parallel()
	type inner struct {
		End float64 `json:"end" wire:"null"`
	}
	type outer struct {
		Value  float64            `json:"value" wire:"null"`
		Values map[string]float64 `json:"values,omitempty" wire:"null"`
		Inner  *inner             `json:"inner,omitempty" wire:"null"`
	}
	inf := math.Inf(1)
	data, err := wire.MarshalStruct(outer{inf, map[string]float64{"a": 1, "b": inf}, &inner{-inf}}, 3)
	require.NoError(t, err)
	require.Equal(t, `{"schema_version":3,"value":null,"values":{"a":1,"b":null},"inner":{"end":null}}`, string(data))
	var read outer
	require.NoError(t, wire.UnmarshalStruct(data, &read, 3))
	require.True(t, math.IsNaN(read.Value) && math.IsNaN(read.Values["b"]) && math.IsNaN(read.Inner.End))
	require.Equal(t, 1.0, read.Values["a"])

	kept := outer{Value: 7}
	require.EqualError(t, wire.UnmarshalStruct(data, &kept, 4), "schema_version is 3, want 4")
	require.ErrorContains(t, wire.UnmarshalStruct([]byte(`{"value":1}`), &kept, 3), `field "schema_version" is missing`)
	require.ErrorContains(t, wire.UnmarshalStruct([]byte(`{"schema_version":3,"value":1,"inner":null}`), &kept, 3), "inner is null")
	require.Equal(t, outer{Value: 7}, kept, "an error leaves the struct as it was")
}
