package gate_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/audit"
	"github.com/selfheal-ml/selfheal/gate/budget"
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/gate/sequential"
)

// Null stands for a number that is missing, which must not become a 0.
func TestEvidence_NullJSON(t *testing.T) {
	t.Parallel()
	numbers, classes := timed(regression(40, 0.5)), timed(multiclass(40))
	for want, c := range map[string]struct {
		e    gate.Evidence
		path []string // to a list, of which the row 3 becomes null
	}{
		"truth.value[3] is null, want a number":               {numbers, []string{"truth", "value"}},
		"production.value[3] is null, want a number":          {numbers, []string{"production", "value"}},
		"shadow.value[3] is null, want a number":              {numbers, []string{"shadow", "value"}},
		"truth.class[3] is null, want a number":               {classes, []string{"truth", "class"}},
		"shadow.probability[0][3] is null, want a number":     {classes, []string{"shadow", "probability", "["}},
		"production.probability[0][3] is null, want a number": {classes, []string{"production", "probability", "["}},
		"ids[3] is null, want a text":                         {classes, []string{"ids"}},
		"times[3] is null, want a time":                       {classes, []string{"times"}},
		"segments.size[3] is null, want a text":               {classes, []string{"segments", "size"}},
	} {
		data, err := json.Marshal(c.e)
		require.NoError(t, err)
		at := 0
		for _, name := range c.path {
			if name != "[" {
				name = `"` + name + `":`
			}
			at += bytes.Index(data[at:], []byte(name)) + len(name)
		}
		third := regexp.MustCompile(`^(\[+[^,]*,[^,]*,[^,]*,)[^,]*`)
		spoiled := string(data[:at]) + third.ReplaceAllString(string(data[at:]), "${1} null")
		var e gate.Evidence
		require.EqualError(t, json.Unmarshal([]byte(spoiled), &e), "gate: evidence: "+want)
		require.Zero(t, e.N(), "an error leaves the evidence as it was")
	}
}

// The examples are what would be read as something more lenient than what was written.
func TestStrictJSON_Nested(t *testing.T) {
	t.Parallel()
	charges := func(charge string) string {
		return `{"schema_version":1,"total":0.05,"horizon":"8760h","decisions":60,"charges":[` + charge + `]}`
	}
	first := alone(timed(multiclass(4)))
	evidence, err := json.Marshal(first)
	require.NoError(t, err)
	decision, err := json.Marshal(gate.Evaluate(gate.Standard(), timed(multiclass(40))))
	require.NoError(t, err)
	for _, c := range []struct {
		into           json.Unmarshaler
		data, old, new string
		want           string
	}{
		{&budget.Budget{}, charges(`{"alpha":0.05}`), "", "", `charges[0]: field "at" is missing`},
		{&budget.Budget{}, charges(`{"At":"2025-01-01T00:00:00Z","alpha":0.05}`), "", "", `charges[0]: unknown field "At", want one of ["at" "alpha"]`},
		{&budget.Budget{}, charges(`{"at":"2025-01-01T00:00:00Z","AT":"2005-01-01T00:00:00Z","alpha":0.05}`), "", "", `charges[0]: unknown field "AT"`},
		{&budget.Budget{}, charges(`{"at":"2025-01-01T00:00:00Z","\u0061t":"2005-01-01T00:00:00Z","alpha":0.05}`), "", "", `charges[0]: field "at" occurs twice`},
		{&budget.Budget{}, charges(`{"at":null,"alpha":0.05}`), "", "", `charges[0].at is null, want a time`},
		{&budget.Budget{}, charges(`null`), "", "", `charges[0] is null, want an object`},
		{&gate.Evidence{}, string(evidence), `"p95":3000000`, ``, `shadow_latency: field "p95" is missing`},
		{&gate.Evidence{}, string(evidence), `"labelled":4,`, ``, `coverage: field "labelled" is missing`},
		{&gate.Evidence{}, string(evidence), `"task":"multiclass"`, `"task":null`, `target.task is null, want a text`},
		{&gate.Evidence{}, string(evidence), `"training_rows":3`, `"training_rows":null`, `training_rows is null, want a number or no such field`},
		{&gate.Evidence{}, string(evidence), `"truth":{`, `"production":null,"truth":{`, `production is null, want an object or no such field`},
		{&gate.Evidence{}, string(evidence), `"coverage":{`, `"coverage":7,"x":{`, `coverage: 7 is not a JSON object`},
		{&gate.Decision{}, string(decision), `"training_rows":3`, `"training_rows":3,"training_rows":0`, `basis: field "training_rows" occurs twice`},
		{&gate.Decision{}, string(decision), `"training_rows":3`, `"Training_rows":3`, `basis: unknown field "Training_rows"`},
		{&gate.Decision{}, string(decision), `"hi":`, `"hi":0.5,"hi":`, `field "hi" occurs twice`},
		{&gate.Decision{}, string(decision), `"shadow":{`, `"shadow":{"f1":1,`, `shadow: field "f1" occurs twice`},
		{&gate.Decision{}, string(decision), `"type":"cooldown"`, `"type":"cooldown","type":"cooldown"`, `rules.criteria[3]: field "type" occurs twice`},
	} {
		data := c.data
		if c.old != "" {
			require.Contains(t, data, c.old)
			data = strings.Replace(data, c.old, c.new, 1)
			data = strings.Replace(data, ",}", "}", 1)
		}
		require.True(t, json.Valid([]byte(data)), data)
		require.ErrorContains(t, c.into.UnmarshalJSON([]byte(data)), c.want)
	}
}

// TestStrictJSON_EveryMember changes every member at every depth of what this package
// writes: that is an error, or what was read is written just as it was changed, so that
// the change is seen. None may occur twice.
func TestStrictJSON_EveryMember(t *testing.T) {
	t.Parallel()
	e := timed(multiclass(60))
	e.At, e.LastPromotion = day0, day0.Add(-30*day)
	spent := budget.Budget{Charges: []budget.Charge{{At: day0.Add(-2 * day), Alpha: 0.001}}}
	budgeted, err := spent.Apply(gate.Standard(), day0)
	require.NoError(t, err)
	budgeted.Criteria = append(budgeted.Criteria, gate.Superior{Metric: metrics.LogLoss}, gate.SegmentVeto{Metric: metrics.F1, Alpha: 0.01})
	betting, err := sequential.NewBetting(sequential.BettingConfig{})
	require.NoError(t, err)
	require.NoError(t, betting.Add(0.7))
	chained, err := (&audit.Chain{N: 1, Head: "ab"}).Append(gate.Evaluate(budgeted, e))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		v    any
		read func() json.Unmarshaler
	}{
		"evidence":         {e, func() json.Unmarshaler { return new(gate.Evidence) }},
		"first evidence":   {alone(timed(regression(3, 1))), func() json.Unmarshaler { return new(gate.Evidence) }},
		"budget":           {spent, func() json.Unmarshaler { return new(budget.Budget) }},
		"policy":           {everyKind, func() json.Unmarshaler { return new(gate.Policy) }},
		"decision":         {chained, func() json.Unmarshaler { return new(gate.Decision) }},
		"written decision": {sample(), func() json.Unmarshaler { return new(gate.Decision) }},
		"regression":       {gate.Evaluate(gate.Classic(), regression(50, 0.9)), func() json.Unmarshaler { return new(gate.Decision) }},
		"betting":          {betting, func() json.Unmarshaler { return new(sequential.Betting) }},
	} {
		data, err := json.Marshal(c.v)
		require.NoError(t, err)
		again := func(data []byte) (string, error) {
			v := c.read()
			if err := v.UnmarshalJSON(data); err != nil {
				return "", err
			}
			written, err := json.Marshal(v)
			return string(written), err
		}
		written, err := again(data)
		require.NoError(t, err)
		require.Equal(t, string(data), written)
		spans := memberSpans(t, data)
		require.NotEmpty(t, spans)
		for _, s := range spans {
			for change, spoiled := range s.changes(data) {
				require.True(t, json.Valid(spoiled), "%s: %s %q", name, change, s.name)
				if written, err := again(spoiled); err == nil {
					require.JSONEq(t, string(spoiled), written, "%s: %s %q", name, change, s.name)
					require.NotEqual(t, "repeat", change, "%s: %q", name, s.name)
				}
			}
		}
	}
}

// memberSpan is where a member of an object is: its name and its value.
type memberSpan struct {
	name            string
	begin, mid, end int
}

// changes returns the document with the member removed, repeated, renamed or null.
func (s memberSpan) changes(data []byte) map[string][]byte {
	replace := func(begin, end int, with string) []byte {
		return slices.Concat(data[:begin], []byte(with), data[end:])
	}
	removed := replace(s.begin, s.end, "")
	if data[s.end] == ',' {
		removed = replace(s.begin, s.end+1, "")
	} else if data[s.begin-1] == ',' {
		removed = replace(s.begin-1, s.end, "")
	}
	renamed := strings.ToUpper(s.name)
	if renamed == s.name {
		renamed += "x"
	}
	return map[string][]byte{
		"remove": removed,
		"repeat": replace(s.begin, s.begin, string(data[s.begin:s.end])+","),
		"rename": replace(s.begin, s.mid, fmt.Sprintf("%q:", renamed)),
		"null":   replace(s.mid, s.end, "null"),
	}
}

// memberSpans finds all members in JSON without white space.
func memberSpans(t *testing.T, data []byte) []memberSpan {
	t.Helper()
	var spans []memberSpan
	d := json.NewDecoder(bytes.NewReader(data))
	var value func()
	value = func() {
		token, err := d.Token()
		require.NoError(t, err)
		switch token {
		case json.Delim('['):
			for d.More() {
				value()
			}
		case json.Delim('{'):
			for d.More() {
				token, err := d.Token()
				require.NoError(t, err)
				quoted, err := json.Marshal(token)
				require.NoError(t, err)
				mid := int(d.InputOffset()) + 1
				value()
				spans = append(spans, memberSpan{token.(string), mid - 1 - len(quoted), mid, int(d.InputOffset())})
			}
		default:
			return
		}
		_, err = d.Token()
		require.NoError(t, err)
	}
	value()
	return spans
}

// Deep nesting ends in an error.
func TestStrictJSON_Depth(t *testing.T) {
	t.Parallel()
	for _, open := range []string{"[", `{"a":`} {
		_, err := gate.ParsePolicy([]byte(`{"schema_version":1,"name":"p","criteria":[{"type":"x","y":` + strings.Repeat(open, 1_000_000)))
		require.Error(t, err)
	}
}

// FuzzStrictJSON checks that whatever is read is JSON, that what is not read is not taken
// for something else than JSON, and that what is cut short is not read.
func FuzzStrictJSON(f *testing.F) {
	for _, v := range []any{everyKind, sample(), timed(multiclass(3)), budget.Budget{Charges: []budget.Charge{{At: day0, Alpha: 0.01}}}} {
		data, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(slices.Concat([]byte(" "), data, []byte("\n")))
	}
	f.Add([]byte(`{"a":"\"","b":[1,{"a\u0000":null}]}`))
	f.Add([]byte(`{"ids":[,],"\`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, v := range []json.Unmarshaler{new(gate.Evidence), new(budget.Budget), new(gate.Policy), new(gate.Decision), new(metrics.Answers)} {
			if err := v.UnmarshalJSON(data); err != nil {
				if json.Valid(data) && strings.Contains(err.Error(), "malformed JSON") {
					t.Fatalf("%T takes this for no JSON: %s", v, data)
				}
				continue
			}
			if !json.Valid(data) {
				t.Fatalf("%T reads what is no JSON: %s", v, data)
			}
			if trimmed := bytes.TrimRight(data, " \t\r\n"); v.UnmarshalJSON(trimmed[:len(trimmed)-1]) == nil {
				t.Fatalf("%T reads a part of %s", v, data)
			}
		}
	})
}

// A column of a million rows is read in a time that grows with the rows only.
func BenchmarkEvidence_UnmarshalJSON(b *testing.B) {
	truth, production, shadow := scores(1, 100_000, 0.1, 0.4)
	e, err := gate.FromScores(truth, production, shadow)
	require.NoError(b, err)
	e.At = time.Time{}
	data, err := json.Marshal(e)
	require.NoError(b, err)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		var read gate.Evidence
		if err := json.Unmarshal(data, &read); err != nil {
			b.Fatal(err)
		}
	}
}

// What is no object is told by its own text, and null by its name.
func TestStrictJSON_NoObject(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		`{"total":1,"shadow":null}`: `unknown field "total"`,
		`null`:                      "gate: evidence: is null, want an object",
		`[{"a":1}] `:                `gate: evidence: a list is not a JSON object`,
		`"text"`:                    `gate: evidence: "text" is not a JSON object`,
		`{"shadow":null}`:           "gate: evidence: shadow is null, want an object",
		`{"shadow":7 ,"x":1}`:       "gate: evidence: shadow: 7 is not a JSON object",
		`{"shadow":[}`:              "gate: evidence: invalid character '}'",
	} {
		require.ErrorContains(t, new(gate.Evidence).UnmarshalJSON([]byte(data)), want)
	}
}
