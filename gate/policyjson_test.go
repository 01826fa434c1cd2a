package gate_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/gate/paired"
)

// everyKind holds a criterion of each kind, all of its fields set.
var everyKind = gate.Policy{
	Name:     "every kind",
	MaxAlpha: 0.01,
	Criteria: []gate.Criterion{
		gate.Cooldown{Period: 36 * time.Hour},
		gate.ErrorBudget{At: day0, Alpha: 0.01, Next: day0.Add(time.Hour), Spent: 0.02, Total: 0.1, Horizon: 90 * time.Minute},
		gate.Floor{Metric: metrics.Accuracy, Bound: 0.5},
		gate.Improvement{Metric: metrics.F1, Relative: 0.02, Absolute: 0.01},
		gate.Maturity{Age: 48 * time.Hour, Share: 0.9, Optional: true},
		gate.MaxLatency{Relative: 1.5, Absolute: 20 * time.Millisecond, Mean: true, Optional: true},
		gate.MinCoverage{Share: 0.3},
		gate.MinSamples{Rows: 500, PerClass: 20},
		gate.NonInferior{Metric: metrics.Brier, Margin: 0.01, Relative: 0.03, Alpha: 0.1, Draws: 3000, Seed: 1},
		gate.NotWorse{Metric: metrics.LogLoss, Margin: 0.1},
	},
	First: []gate.Criterion{
		gate.SegmentVeto{Metric: metrics.F1, MaxDrop: 0.1, MinRows: 10, Alpha: 0.01, Draws: 4000, Seed: 2, Columns: []string{"region"}},
		gate.Superior{Metric: metrics.Primary, Min: 0.01, Alpha: 0.02, Draws: 5000, Seed: math.MaxUint64},
	},
}

const criteriaJSON = `{"type":"cooldown","period":"36h0m0s"},` +
	`{"type":"error_budget","at":"2025-03-01T00:00:00Z","alpha":0.01,"next":"2025-03-01T01:00:00Z","spent":0.02,"total":0.1,"horizon":"1h30m0s"},` +
	`{"type":"floor","metric":"accuracy","bound":0.5},` +
	`{"type":"improvement","metric":"f1","relative":0.02,"absolute":0.01},` +
	`{"type":"maturity","age":"48h0m0s","share":0.9,"optional":true},` +
	`{"type":"max_latency","relative":1.5,"absolute":"20ms","mean":true,"optional":true},` +
	`{"type":"min_coverage","share":0.3},` +
	`{"type":"min_samples","rows":500,"per_class":20}`

func TestPolicy_JSON(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(everyKind)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(data), `{"schema_version":1,"name":"every kind","max_alpha":0.01,"criteria":[`+criteriaJSON+`,`), string(data))

	for _, policy := range []gate.Policy{everyKind, gate.Standard(), gate.Classic()} {
		data, err := json.Marshal(policy)
		require.NoError(t, err)
		var read gate.Policy
		require.NoError(t, json.Unmarshal(data, &read))
		require.Equal(t, policy, read)
		again, err := json.Marshal(read)
		require.NoError(t, err)
		require.Equal(t, string(data), string(again))
	}
	var empty gate.Policy
	require.NoError(t, json.Unmarshal([]byte(`{"schema_version":1,"name":"","criteria":[],"first":[]}`), &empty))
	require.Equal(t, gate.Inconclusive, gate.Evaluate(empty, better(t)).Outcome)
}

func TestParsePolicy_Strict(t *testing.T) {
	t.Parallel()
	policy := func(criteria string) string {
		return `{"schema_version":1,"name":"p","criteria":[` + criteria + `],"first":[]}`
	}
	for name, c := range map[string]struct{ data, want string }{
		"type":        {policy(`{"type":"min_sample","rows":1}`), `gate: policy "p": criteria[0]: unknown type "min_sample", want one of ["cooldown" "error_budget" "floor"`},
		"no type":     {policy(`{"rows":1}`), `unknown type ""`},
		"type twice":  {policy(`{"type":"floor","type":"min_samples"}`), `field "type" occurs twice`},
		"odd type":    {policy(`{"type":7}`), "type: json: cannot unmarshal number"},
		"field":       {policy(`{"type":"min_samples","row":1}`), `criteria[0]: min_samples: unknown field "row", want one of ["rows" "per_class"]`},
		"case":        {policy(`{"type":"min_samples","Rows":1}`), `unknown field "Rows"`},
		"twice":       {policy(`{"type":"min_samples","rows":1,"rows":2}`), `field "rows" occurs twice`},
		"duration":    {policy(`{"type":"cooldown","period":7}`), "cooldown:"},
		"days":        {policy(`{"type":"cooldown","period":"7d"}`), `duration "7d", want one such as "168h"`},
		"of cooldown": {policy(`{"type":"cooldown","days":7}`), `cooldown: unknown field "days", want one of ["period"]`},
		"value":       {policy(`{"type":"min_samples","rows":"many"}`), "min_samples: json: cannot unmarshal string"},
		"null":        {policy(`null`), "null is not a JSON object"},
		"list":        {policy(`[]`), "a list is not a JSON object"},
		"both":        {policy(`{"type":"x"},{"type":"y"}`), `criteria[1]: unknown type "y"`},
		"first":       {`{"schema_version":1,"name":"p","criteria":[],"first":[{"type":"x"}]}`, `first[0]: unknown type "x"`},
		"version":     {`{"schema_version":2,"name":"p","criteria":[],"first":[]}`, "schema_version is 2, want 1"},
		"no version":  {`{}`, `field "schema_version" is missing`},
		"top":         {`{"schema_version":1,"rules":[]}`, `unknown field "rules", want one of ["schema_version" "name" "max_alpha" "criteria" "first"]`},
		"no first":    {`{"schema_version":1,"name":"p","criteria":[]}`, `field "first" is missing`},
		"no rows":     {policy(`{"type":"min_samples"}`), `criteria[0]: min_samples: field "rows" is missing`},
		"no share":    {policy(`{"type":"min_coverage"}`), `min_coverage: field "share" is missing`},
		"no period":   {policy(`{"type":"cooldown"}`), `cooldown: field "period" is missing`},
		"no bound":    {policy(`{"type":"floor","metric":"f1"}`), `floor: field "bound" is missing`},
		"no drop":     {policy(`{"type":"segments","metric":"f1","min_rows":1}`), `segments: field "max_drop" is missing`},
		"null bound":  {policy(`{"type":"floor","metric":"f1","bound":null}`), `floor: bound is null, want a number`},
		"null margin": {policy(`{"type":"not_worse","metric":"f1","margin":null}`), `not_worse: margin is null, want a number`},
		"null drop":   {policy(`{"type":"segments","metric":"f1","max_drop":null,"min_rows":1}`), `segments: max_drop is null, want a number`},
		"null rows":   {policy(`{"type":"segments","metric":"f1","max_drop":0,"min_rows":null}`), `segments: min_rows is null, want a number`},
		"null column": {policy(`{"type":"segments","metric":"f1","max_drop":0,"min_rows":0,"columns":[null]}`), `segments: columns[0] is null, want a text`},
		"null alpha":  {policy(`{"type":"superior","metric":"f1","alpha":null}`), `superior: alpha is null, want a number or no such field`},
		"null flag":   {policy(`{"type":"max_latency","optional":null}`), `max_latency: optional is null, want true or false or no such field`},
		"null metric": {policy(`{"type":"superior","metric":null}`), `superior: metric is null, want a text`},
		"null period": {policy(`{"type":"cooldown","period":null}`), `cooldown: period is null, want a text`},
		"null at":     {policy(`{"type":"error_budget","at":null,"alpha":0,"spent":0,"total":0.1,"horizon":"1h"}`), `error_budget: at is null, want a time`},
		"null name":   {`{"schema_version":1,"name":null,"criteria":[],"first":[]}`, `name is null, want a text`},
		"null first":  {`{"schema_version":1,"name":"p","criteria":[],"first":null}`, `criteria or first is null, want lists`},
		"deep twice":  {policy(`{"type":"x","y":[{"z":1,"\u007a":2}]}`), `criteria[0].y[0]: field "z" occurs twice`},
		"trailing":    {policy("") + "{}", "after top-level value"},
		"cut":         {`{"schema_version":1,"na`, "unexpected end of JSON input"},
		"empty":       {``, "unexpected end of JSON input"},
	} {
		_, err := gate.ParsePolicy([]byte(c.data))
		require.ErrorContains(t, err, c.want, name)
	}
	p := gate.Classic()
	require.Error(t, json.Unmarshal([]byte(policy(`{"type":"x"}`)), &p))
	require.Equal(t, gate.Classic(), p, "an error leaves the policy as it was")
}

// budgeted is a host's criterion with something that JSON does not hold.
type budgeted struct {
	Euros  float64 `json:"euros"`
	prices map[string]float64
}

func (c budgeted) Kind() string { return "budgeted" }

func (c budgeted) Check(*gate.Evidence) gate.Check {
	check := gate.Check{Criterion: "cost", Verdict: gate.Fail, Statistic: c.prices["shadow"], Threshold: c.Euros, Reason: "what it costs"}
	if check.Statistic <= c.Euros {
		check.Verdict = gate.Pass
	}
	return check
}

// listed is a host's criterion that holds what package json decodes into.
type listed struct {
	Limits map[string]float64 `json:"limits,omitempty"`
	Names  []string           `json:"names,omitempty"`
	Deep   *[1]map[string]int `json:"deep,omitempty"`
	Shared map[string]int     `json:"-"`
}

func (c listed) Kind() string { return "listed" }

func (c listed) Check(*gate.Evidence) gate.Check {
	return gate.Check{Verdict: gate.Pass, Reason: "yes"}
}

// What JSON does not name is as the host's function made it, for each criterion anew.
func TestParsePolicy_HostDefaults(t *testing.T) {
	t.Parallel()
	shared := map[string]int{"s": 1}
	fresh := func() listed {
		return listed{
			Limits: map[string]float64{"a": 1}, Names: []string{"x", "y"}, Deep: &[1]map[string]int{{"d": 1}}, Shared: shared,
		}
	}
	const criterion = `{"type":"listed","limits":{"a":2,"b":3},"names":["z"],"deep":[{"d":2}]}`
	p, err := gate.ParsePolicy([]byte(`{"schema_version":1,"name":"p","criteria":[`+criterion+`,{"type":"listed"}],"first":[]}`), gate.KindOf(fresh))
	require.NoError(t, err)
	require.Equal(t, listed{
		Limits: map[string]float64{"a": 2, "b": 3}, Names: []string{"z"}, Deep: &[1]map[string]int{{"d": 2}}, Shared: shared,
	}, p.Criteria[0])
	require.Equal(t, fresh(), p.Criteria[1])
}

// A host's criterion is read as strictly as those of this package, at any depth.
func TestParsePolicy_HostStrict(t *testing.T) {
	t.Parallel()
	for criterion, want := range map[string]string{
		`{"type":"listed","Names":["x"]}`:           `listed: unknown field "Names", want one of ["limits" "names" "deep"]`,
		`{"type":"listed","names":null}`:            `listed: names is null, want a list or no such field`,
		`{"type":"listed","names":[null]}`:          `listed: names[0] is null, want a text`,
		`{"type":"listed","limits":{"a":1,"a":2}}`:  `criteria[0].limits: field "a" occurs twice`,
		`{"type":"listed","deep":[{"d":null}]}`:     `listed: deep[0].d is null, want a number`,
		`{"type":"listed","names":"x"}`:             `listed: json: cannot unmarshal string`,
		`{"type":"listed","Shared":{}}`:             `listed: unknown field "Shared"`,
		`{"type":"budgeted"}`:                       `budgeted: field "euros" is missing`,
		`{"type":"budgeted","euros":null}`:          `budgeted: euros is null, want a number`,
		`{"type":"budgeted","euros":1,"prices":{}}`: `budgeted: unknown field "prices"`,
	} {
		_, err := gate.ParsePolicy([]byte(`{"schema_version":1,"name":"p","criteria":[`+criterion+`],"first":[]}`),
			gate.KindOf(func() listed { return listed{} }), gate.KindOf(func() budgeted { return budgeted{} }))
		require.ErrorContains(t, err, want)
	}
}

// The criterion is read as strictly where the host's function returns an interface.
func TestParsePolicy_HostInterface(t *testing.T) {
	t.Parallel()
	fresh := 0
	kinds := []gate.Kind{
		gate.KindOf(func() gate.Kinded { return &budgeted{prices: map[string]float64{"shadow": 3}} }),
		gate.KindOf(func() gate.Kinded { return listed{} }),
		gate.KindOf(func() *scarce { fresh++; return [...]*scarce{{}, nil}[min(fresh, 2)-1] }),
	}
	policy := func(criterion string) []byte {
		return []byte(`{"schema_version":1,"name":"p","criteria":[` + criterion + `],"first":[]}`)
	}
	p, err := gate.ParsePolicy(policy(`{"type":"budgeted","euros":5},{"type":"listed","names":["x"]}`), kinds...)
	require.NoError(t, err)
	require.Equal(t, []gate.Criterion{&budgeted{5, map[string]float64{"shadow": 3}}, listed{Names: []string{"x"}}}, p.Criteria)
	for criterion, want := range map[string]string{
		`{"type":"budgeted"}`:              `budgeted: field "euros" is missing`,
		`{"type":"budgeted","euros":null}`: `budgeted: euros is null, want a number`,
		`{"type":"budgeted","Euros":1}`:    `budgeted: unknown field "Euros"`,
		`{"type":"listed","names":[null]}`: `listed: names[0] is null, want a text`,
		`{"type":"scarce"}`:                `scarce: the criterion is nil`,
	} {
		_, err := gate.ParsePolicy(policy(criterion), kinds...)
		require.ErrorContains(t, err, want)
	}
}

// scarce is a host's criterion whose function returns nil the second time.
type scarce struct{}

func (*scarce) Kind() string                    { return "scarce" }
func (*scarce) Check(*gate.Evidence) gate.Check { return gate.Check{} }

// spelled is a host's criterion, no pointer, in a form of its own.
type spelled struct{ limit int }

func (spelled) Kind() string                    { return "spelled" }
func (spelled) Check(*gate.Evidence) gate.Check { return gate.Check{} }

func (c spelled) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `{"limit":"%d rows"}`, c.limit), nil
}

func (c *spelled) UnmarshalJSON(data []byte) error {
	var read struct{ Limit string }
	if err := json.Unmarshal(data, &read); err != nil {
		return err
	}
	_, err := fmt.Sscanf(read.Limit, "%d rows", &c.limit)
	return err
}

// A host's type may read itself.
func TestParsePolicy_HostReadsItself(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(gate.Policy{Criteria: []gate.Criterion{spelled{7}}})
	require.NoError(t, err)
	for _, kind := range []gate.Kind{
		gate.KindOf(func() spelled { return spelled{} }), gate.KindOf(func() gate.Kinded { return spelled{} }),
	} {
		p, err := gate.ParsePolicy(data, kind)
		require.NoError(t, err)
		require.Equal(t, spelled{7}, p.Criteria[0])
		_, err = gate.ParsePolicy(bytes.Replace(data, []byte("7 rows"), []byte("many"), 1), kind)
		require.ErrorContains(t, err, "criteria[0]: spelled: expected integer")
	}
}

// limits and bounds are what a host's criterion may embed.
type limits struct {
	Max map[string]int `json:"max"`
	Own map[string]int `json:"-"`
}

type bounds struct {
	Min map[string]int `json:"min"`
}

// embedding is a host's criterion whose fields are those of unexported structs.
type embedding struct {
	limits
	*bounds
}

func (c embedding) Kind() string { return "embedding" }

func (c embedding) Check(*gate.Evidence) gate.Check {
	return gate.Check{Verdict: gate.Pass, Reason: "yes"}
}

func TestParsePolicy_HostEmbeds(t *testing.T) {
	t.Parallel()
	own := map[string]int{"o": 1}
	kind := gate.KindOf(func() embedding { return embedding{limits{Own: own}, &bounds{}} })
	const criterion = `{"type":"embedding","max":{"a":9,"b":2},"min":{"a":7}}`
	p, err := gate.ParsePolicy([]byte(`{"schema_version":1,"name":"p","criteria":[`+criterion+`],"first":[]}`), kind)
	require.NoError(t, err)
	require.Equal(t, embedding{limits{Max: map[string]int{"a": 9, "b": 2}, Own: own}, &bounds{Min: map[string]int{"a": 7}}}, p.Criteria[0])
}

// pointed is a host's criterion that is a pointer, in a form of its own.
type pointed struct{ limit int }

func (c *pointed) Kind() string { return "pointed" }
func (c *pointed) Check(*gate.Evidence) gate.Check {
	return gate.Check{Verdict: gate.Pass, Reason: "yes"}
}
func (c *pointed) MarshalJSON() ([]byte, error)    { return []byte(`{}`), nil }
func (c *pointed) UnmarshalJSON(data []byte) error { c.limit++; return nil }

// posing is a host's criterion that claims the kind of another.
type posing struct {
	Type string `json:"type,omitempty"`
	kind string
}

func (c posing) Kind() string                    { return c.kind }
func (c posing) Check(*gate.Evidence) gate.Check { return gate.Check{} }

// scalar is a host's criterion whose JSON is no object.
type scalar float64

func (c scalar) Kind() string                    { return "scalar" }
func (c scalar) Check(*gate.Evidence) gate.Check { return gate.Check{} }

func TestParsePolicy_Host(t *testing.T) {
	t.Parallel()
	prices := map[string]float64{"shadow": 3}
	data, err := json.Marshal(gate.Policy{Criteria: []gate.Criterion{budgeted{Euros: 5}, &pointed{}}})
	require.NoError(t, err)
	require.Contains(t, string(data), `"criteria":[{"type":"budgeted","euros":5},{"type":"pointed"}]`)

	kinds := []gate.Kind{
		gate.KindOf(func() budgeted { return budgeted{prices: prices} }),
		gate.KindOf(func() *pointed { return &pointed{limit: 7} }),
	}
	p, err := gate.ParsePolicy(data, kinds...)
	require.NoError(t, err)
	require.Equal(t, budgeted{5, prices}, p.Criteria[0])
	require.Equal(t, &pointed{limit: 8}, p.Criteria[1])
	require.Equal(t, gate.Promote, gate.Evaluate(p, better(t)).Outcome)

	_, err = gate.ParsePolicy(data)
	require.ErrorContains(t, err, `criteria[0]: unknown type "budgeted", want one of [`)
	_, err = gate.ParsePolicy([]byte(strings.Replace(string(data), "euros", "dollars", 1)), kinds...)
	require.ErrorContains(t, err, `budgeted: unknown field "dollars", want one of ["euros"]`)
	posing := func(kind string) gate.Kind { return gate.KindOf(func() posing { return posing{kind: kind} }) }
	for want, host := range map[string][]gate.Kind{
		`gate_test.posing has the kind "floor", which is that of gate.Floor`: {posing("floor")},
		`which is that of gate_test.budgeted`:                                {kinds[0], kinds[0]},
		`gate_test.posing has an empty kind`:                                 {posing("")},
		`the criterion is nil`:                                               {gate.KindOf(func() *pointed { return nil })},
		`a kind has no function that makes its criterion`:                    {gate.KindOf[*pointed](nil)},
		`a zero Kind, want one made by KindOf`:                               {{}},
	} {
		_, err := gate.ParsePolicy(data, host...)
		require.ErrorContains(t, err, want)
	}
}

func TestPolicy_CannotBeWritten(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]gate.Criterion{
		"Criteria[0]: a gate.CriterionFunc cannot be written: give it a method Kind() string": says(gate.Pass),
		"the criterion is nil": (*pointed)(nil),
		`gate_test.posing has the kind "floor", want one of its own`: posing{kind: "floor"},
		`gate_test.posing has the kind "", want one of its own`:      posing{},
		`has a member "type"`:          posing{kind: "posing", Type: "x"},
		"gate_test.scalar: 3 is not a": scalar(3),
		"json: unsupported value: NaN": gate.MinCoverage{Share: nan},
	} {
		_, err := json.Marshal(gate.Policy{Name: "mine", Criteria: []gate.Criterion{c}})
		require.ErrorContains(t, err, want)
		d := gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{c, gate.MinSamples{}}}, better(t))
		require.Nil(t, d.Rules, "a decision is possible all the same")
		hash(t, d)
	}
	_, err := json.Marshal(gate.Policy{Criteria: []gate.Criterion{&gate.MinSamples{Rows: 3}}})
	require.NoError(t, err, "a pointer to a kind is of the kind")
}

// A text is UTF-8 or not, whatever it looks like in JSON.
func TestPolicy_Texts(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		`\ufffd`: true, `\\ufffd`: true, "\uFFFD": true, `a\`: true, "\xff": false, "\\\xff": false, `\ufffd` + "\xff": false,
	} {
		for _, p := range []gate.Policy{
			{Name: name},
			{Criteria: []gate.Criterion{gate.SegmentVeto{Metric: metrics.F1, Columns: []string{name}}}},
		} {
			data, err := json.Marshal(p)
			if !ok {
				require.ErrorContains(t, err, "a text of it is not UTF-8", "%q", name)
				continue
			}
			require.NoError(t, err, "%q", name)
			read, err := gate.ParsePolicy(data)
			require.NoError(t, err)
			require.Equal(t, p.Name, read.Name)
			if p.Criteria != nil {
				require.Equal(t, p.Criteria, read.Criteria)
			}
		}
	}
}

// No number of draws makes a policy panic, or take all the memory there is.
func TestPolicy_Draws(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{`"superior"`, `"non_inferior","margin":0.1`, `"segments","max_drop":0,"min_rows":0,"alpha":0.05`} {
		for _, draws := range []string{"9223372036854775807", "10000000000", "1000001", "99", "-1"} {
			p, err := gate.ParsePolicy([]byte(`{"schema_version":1,"name":"p","criteria":[{"type":` + kind + `,"metric":"f1","draws":` + draws + `}],"first":[]}`))
			require.NoError(t, err)
			want := "Draws is " + draws + ", want 0 or 100 to 1000000"
			require.ErrorContains(t, p.Validate(), want)
			require.Contains(t, gate.Evaluate(p, better(t)).Reasons()[0], want)
		}
	}
	require.NoError(t, validate(gate.Superior{Metric: metrics.F1, Draws: paired.MaxDraws}))
}

func TestPolicy_NilCriteria(t *testing.T) {
	t.Parallel()
	for _, c := range []gate.Criterion{nil, (*pointed)(nil), (*gate.MinSamples)(nil), gate.CriterionFunc(nil)} {
		p := gate.Policy{Criteria: []gate.Criterion{c, says(gate.Pass)}, First: []gate.Criterion{c}, MaxAlpha: 0.01}
		require.ErrorContains(t, p.Validate(), "Criteria[0]: the criterion is nil")
		require.Equal(t, gate.Inconclusive, gate.Evaluate(p, better(t)).Outcome)
	}
}

// A host's type may embed a criterion that is nil, directly or in a struct that is nil.
func TestPolicy_NilEmbedded(t *testing.T) {
	t.Parallel()
	type superior struct{ *gate.Superior }
	type granted struct{ *gate.ErrorBudget }
	type deep struct{ *superior }
	type function struct{ gate.CriterionFunc }
	for _, c := range []gate.Criterion{superior{}, &superior{}, granted{}, deep{}, deep{&superior{}}, function{}} {
		for _, maxAlpha := range []float64{0, 0.01} {
			p := gate.Policy{Criteria: []gate.Criterion{c, says(gate.Pass)}, First: []gate.Criterion{c}, MaxAlpha: maxAlpha}
			require.ErrorContains(t, p.Validate(), "embeds a criterion that is nil")
			d := gate.Evaluate(p, better(t))
			require.Equal(t, gate.Errored, d.Checks[0].Verdict)
			require.Contains(t, d.Checks[0].Reason, "embeds a criterion that is nil")
		}
	}
	whole := superior{&gate.Superior{Metric: metrics.F1}}
	require.NoError(t, validate(whole))
	require.Equal(t, gate.Pass, gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{whole}}, better(t)).Checks[0].Verdict)
}

// nilSuperior is a host's criterion that embeds nil wherever JSON does not say otherwise.
type nilSuperior struct {
	*gate.Superior `json:"superior,omitempty"`
}

func (nilSuperior) Kind() string { return "nil_superior" }

func TestRecompute_NilEmbedded(t *testing.T) {
	t.Parallel()
	e := better(t)
	d := stored(t, gate.Evaluate(gate.Policy{Criteria: []gate.Criterion{nilSuperior{}}, First: []gate.Criterion{}}, e))
	kind := gate.KindOf(func() nilSuperior { return nilSuperior{} })
	again, err := gate.RecomputeFrom(d, e, kind)
	require.NoError(t, err)
	require.Equal(t, hash(t, d), hash(t, again))
	_, err = gate.Recompute(d, kind)
	require.NoError(t, err)
}

// FuzzParsePolicy checks that no JSON makes a policy that panics, promotes on nothing, or
// is another one after being written and read again.
func FuzzParsePolicy(f *testing.F) {
	for _, p := range []gate.Policy{everyKind, gate.Standard(), gate.Classic(), {}} {
		data, err := json.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, uint64(len(data)))
	}
	f.Add([]byte(`{"schema_version":1,"criteria":[{"type":"superior","metric":"f1","alpha":1e-300,"draws":1}],"max_alpha":-1}`), uint64(3))
	f.Add([]byte(`{"schema_version":1,"name":"","criteria":[{"type":"superior","metric":"f1","draws":9223372036854775807}],"first":[]}`), uint64(50))
	f.Add([]byte(`{"schema_version":1,"name":"","criteria":[{"type":"segments","metric":"f1","max_drop":0,"min_rows":0,"alpha":0.1,"draws":10000000000}],"first":[]}`), uint64(50))
	f.Add([]byte(`{"schema_version":1,"name":"\\ufffd","criteria":[{"type":"floor","metric":"f1","bound":null}],"first":[]}`), uint64(5))
	f.Add([]byte(`{"schema_version":1,"criteria":[{"type":"max_latency"},{"type":"min_samples","rows":-9}]}`), uint64(4))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		p, err := gate.ParsePolicy(data)
		if err != nil {
			return
		}
		first, err := json.Marshal(p)
		if err != nil {
			return // a time beyond the year 9999
		}
		read, err := gate.ParsePolicy(first)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if second, _ := json.Marshal(read); string(second) != string(first) {
			t.Errorf("%s became %s", first, second)
		}
		if cheap(data) {
			e := wild(seed, int(seed%60))
			checkDecision(t, e, gate.Evaluate(p, e))
			if d := gate.Evaluate(p, gate.Evidence{}); d.Outcome == gate.Promote && p.First == nil {
				t.Errorf("promotes by no criterion: %s", d)
			}
		}
	})
}

// cheap reports whether a policy asks for no more draws than a fuzzer has time for.
func cheap(data []byte) bool {
	var p struct {
		Criteria, First []struct{ Draws int }
		MaxAlpha        float64 `json:"max_alpha"`
	}
	if json.Unmarshal(data, &p) != nil || p.MaxAlpha > 0 && p.MaxAlpha < 0.01 {
		return false
	}
	for _, c := range append(p.Criteria, p.First...) {
		if c.Draws > 10_000 && c.Draws <= paired.MaxDraws { // more are refused
			return false
		}
	}
	return true
}

// selfish, mutual and mutual2 are what a host's criterion may be made of: structs that
// embed themselves.
type selfish struct {
	*selfish
	X int `json:"x"`
}

var _ = selfish{}.selfish // which only package json looks at

type mutual struct {
	*mutual2
	A int `json:"a"`
}

type mutual2 struct {
	*mutual
	B int `json:"b"`
}

type embedsMutual struct {
	mutual
	*selfish
}

func (selfish) Kind() string                         { return "selfish" }
func (selfish) Check(*gate.Evidence) gate.Check      { return gate.Check{} }
func (embedsMutual) Kind() string                    { return "mutual" }
func (embedsMutual) Check(*gate.Evidence) gate.Check { return gate.Check{} }

func TestParsePolicy_HostEmbedsItself(t *testing.T) {
	t.Parallel()
	kind := gate.KindOf(func() embedsMutual { return embedsMutual{mutual{mutual2: &mutual2{}}, &selfish{}} })
	p, err := gate.ParsePolicy([]byte(`{"schema_version":1,"name":"p","criteria":[{"type":"selfish","x":7},{"type":"mutual","a":1,"b":2,"x":3}],"first":[]}`),
		gate.KindOf(func() selfish { return selfish{X: 1} }), kind)
	require.NoError(t, err)
	require.Equal(t, selfish{X: 7}, p.Criteria[0])
	require.Equal(t, embedsMutual{mutual{&mutual2{B: 2}, 1}, &selfish{X: 3}}, p.Criteria[1])
	_, err = gate.ParsePolicy([]byte(`{"schema_version":1,"name":"p","criteria":[{"type":"mutual","c":1}],"first":[]}`), kind)
	require.ErrorContains(t, err, `unknown field "c", want one of [`)
}
