package predictlog_test

import (
	"encoding/json"
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
)

func TestNewSchema(t *testing.T) {
	t.Parallel()
	columns := []predictlog.Column{
		{Name: "income", Kind: predictlog.Numeric, Rule: "gte=0"},
		{Name: "region", Kind: predictlog.Categorical, Rule: "oneof=north south"},
	}
	schema, err := predictlog.NewSchema(columns, predictlog.Target{})
	require.NoError(t, err)
	columns[0].Name = "changed"
	require.Equal(t, 2, schema.Len())
	require.Equal(t, predictlog.Column{Name: "income", Kind: predictlog.Numeric, Rule: "gte=0"}, schema.Column(0))
	i, ok := schema.Index("region")
	require.True(t, ok)
	require.Equal(t, 1, i)
	_, ok = schema.Index("changed")
	require.False(t, ok)
	require.Equal(t, predictlog.Target{Classes: []string{"0", "1"}}, schema.Target())
	require.Equal(t, "1", schema.Target().Positive())

	schema.Columns()[0].Name = "changed"
	schema.Target().Classes[0] = "changed"
	require.Equal(t, "income", schema.Column(0).Name)
	require.Equal(t, "0", schema.Target().Classes[0])
}

func TestNewSchema_ReportsEveryMistake(t *testing.T) {
	t.Parallel()
	_, err := predictlog.NewSchema([]predictlog.Column{
		{Name: "", Kind: predictlog.Numeric},
		{Name: "a", Kind: predictlog.Numeric},
		{Name: "a", Kind: predictlog.Numeric},
		{Name: "\xff", Kind: predictlog.Numeric},
		{Name: "kind"},
		{Name: "kind9", Kind: 9},
		{Name: "unknown", Kind: predictlog.Numeric, Rule: "gte=0,nope"},
		{Name: "number", Kind: predictlog.Numeric, Rule: "gte=many"},
		{Name: "unfit", Kind: predictlog.Numeric, Rule: "unique,dive"},
		{Name: "alternative", Kind: predictlog.Numeric, Rule: "eq=0|gte=x"},
		{Name: "field", Kind: predictlog.Categorical, Rule: "eqfield=Other"},
		{Name: "with", Kind: predictlog.Categorical, Rule: "required_with=Other"},
		{Name: "oneof", Kind: predictlog.Numeric, Rule: "oneof=1 two"},
	}, predictlog.Target{Classes: []string{"a", "", "a", "\x00"}})
	for _, want := range []string{
		"column 0: empty name",
		`column 2: name "a" is taken by column 1`,
		`column 3: name "\xff" is not text: want valid UTF-8 without NUL bytes`,
		`column "kind": unknown kind 0, want Numeric or Categorical`,
		`column "kind9": unknown kind 9`,
		`column "unknown": rule "nope": not usable on a numeric column`,
		`column "number": rule "gte=many": not usable on a numeric column`,
		`column "unfit": rule "unique": not usable on a numeric column`,
		`column "unfit": rule "dive": not usable on a numeric column`,
		`column "alternative": rule "eq=0|gte=x": not usable on a numeric column`,
		`column "field": rule "eqfield=Other": not usable: it refers to other fields`,
		`column "with": rule "required_with=Other": not usable: it refers to other fields`,
		`column "oneof": rule "oneof=1 two": not usable on a numeric column`,
		"target: a binary target has 2 classes, not 4",
		"target: class 1 is empty",
		`target: class "a" is listed twice`,
		`target: class "\x00" is not text`,
	} {
		require.ErrorContains(t, err, want)
	}

	_, err = predictlog.NewSchema(nil, predictlog.Target{})
	require.EqualError(t, err, "predictlog: invalid schema: no columns")
}

func TestNewSchema_Target(t *testing.T) {
	t.Parallel()
	schema := applicantSchema(t)
	for _, tc := range []struct {
		target   predictlog.Target
		want     string // empty if the target is good
		positive string
	}{
		{predictlog.Target{}, "", "1"},
		{predictlog.Target{Classes: []string{"no", "yes"}}, "", "yes"},
		{predictlog.Target{Task: predictlog.Multiclass, Classes: []string{"a", "b", "c"}}, "", ""},
		{predictlog.Target{Task: predictlog.Regression}, "", ""},
		{predictlog.Target{Classes: []string{"a"}}, "a binary target has 2 classes, not 1", ""},
		{predictlog.Target{Task: predictlog.Multiclass, Classes: []string{"a", "b"}}, "a multiclass target has at least 3 classes, not 2", ""},
		{predictlog.Target{Task: predictlog.Regression, Classes: []string{"a"}}, `a regression has no classes, not ["a"]`, ""},
		{predictlog.Target{Task: 9}, "unknown task 9", ""},
	} {
		other, err := schema.WithTarget(tc.target)
		if tc.want != "" {
			require.ErrorContains(t, err, tc.want)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, tc.positive, other.Target().Positive())
		require.Equal(t, schema.Columns(), other.Columns())
	}
	require.Equal(t, "1", predictlog.Target{}.Positive(), "a target has its defaults before it is part of a schema")
}

func TestTask_Text(t *testing.T) {
	t.Parallel()
	for _, task := range []predictlog.Task{predictlog.Binary, predictlog.Multiclass, predictlog.Regression} {
		text, err := task.MarshalText()
		require.NoError(t, err)
		require.Equal(t, task.String(), string(text))
		var back predictlog.Task
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, task, back)
	}
	_, err := predictlog.Task(9).MarshalText()
	require.EqualError(t, err, "predictlog: unknown task 9")
	require.Equal(t, "Task(9)", predictlog.Task(9).String())
	var task predictlog.Task
	require.EqualError(t, task.UnmarshalText([]byte("ranking")), `predictlog: unknown task "ranking", want one of ["binary" "multiclass" "regression"]`)
}

func TestSchema_Check(t *testing.T) {
	t.Parallel()
	schema, err := predictlog.NewSchema([]predictlog.Column{
		{Name: "age", Kind: predictlog.Numeric, Rule: "required,gte=18,lte=120"},
		{Name: "rooms", Kind: predictlog.Numeric, Rule: "omitempty,oneof=1 2 3"},
		{Name: "income", Kind: predictlog.Numeric, Rule: "eq=-1|gte=0"},
		{Name: "region", Kind: predictlog.Categorical, Rule: "required,oneof=north south"},
		{Name: "code", Kind: predictlog.Categorical, Rule: "len=3,alpha"},
		{Name: "free", Kind: predictlog.Categorical},
	}, predictlog.Target{})
	require.NoError(t, err)
	good := func() predictlog.Row {
		return predictlog.Row{
			predictlog.Number(18), predictlog.Number(3), predictlog.Number(-1),
			predictlog.Category("north"), predictlog.Category("abc"), predictlog.Category(""),
		}
	}
	require.Nil(t, schema.Check(good()))
	require.Nil(t, schema.Check(nil))
	for _, tc := range []struct {
		name   string
		column int
		value  predictlog.Value
		want   []string
	}{
		{"below", 0, predictlog.Number(17.9), []string{"age is 17.9, want gte=18"}},
		{"infinite", 0, predictlog.Number(math.Inf(1)), []string{"age is +Inf, want lte=120"}},
		{"NaN breaks every comparison", 0, predictlog.Number(math.NaN()), []string{"age is NaN, want gte=18", "age is NaN, want lte=120"}},
		{"missing and required", 0, predictlog.Missing(), []string{"age is missing, want required"}},
		{"missing and not required", 1, predictlog.Missing(), nil},
		{"omitempty excuses no zero", 1, predictlog.Number(0), []string{"rooms is 0, want oneof=1 2 3"}},
		{"one of numbers", 1, predictlog.Number(2.5), []string{"rooms is 2.5, want oneof=1 2 3"}},
		{"no alternative", 2, predictlog.Number(-2), []string{"income is -2, want eq=-1|gte=0"}},
		{"another category", 3, predictlog.Category("west"), []string{"region is west, want oneof=north south"}},
		{"empty is not missing", 3, predictlog.Category(""), []string{"region is , want oneof=north south"}},
		{"two rules", 4, predictlog.Category("ab12"), []string{"code is ab12, want len=3", "code is ab12, want alpha"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			row := good()
			row[tc.column] = tc.value
			var got []string
			for _, v := range schema.Check(row) {
				got = append(got, v.String())
			}
			require.Equal(t, tc.want, got)
		})
	}
}

func TestSchema_Check_Concurrently(t *testing.T) {
	t.Parallel()
	schema := applicantSchema(t)
	row := applicantRow()
	row[1] = predictlog.Number(3)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if len(schema.Check(row)) != 1 {
					t.Error("Check found another number of violations than 1")
				}
			}
		})
	}
	wg.Wait()
}

func TestSchema_Fingerprint(t *testing.T) {
	t.Parallel()
	columns := func() []predictlog.Column {
		return []predictlog.Column{{Name: "a", Kind: predictlog.Numeric}, {Name: "b", Kind: predictlog.Categorical}}
	}
	fingerprint := func(columns []predictlog.Column, target predictlog.Target) string {
		schema, err := predictlog.NewSchema(columns, target)
		require.NoError(t, err)
		return schema.Fingerprint()
	}
	base := fingerprint(columns(), predictlog.Target{})
	require.Equal(t, base, fingerprint(columns(), predictlog.Target{Classes: []string{"0", "1"}}))
	ruled := columns()
	ruled[0].Rule = "gte=0"
	require.Equal(t, base, fingerprint(ruled, predictlog.Target{}), "rules are no part of it")

	renamed, other, swapped := columns(), columns(), columns()
	renamed[0].Name, other[0].Kind = "c", predictlog.Categorical
	swapped[0], swapped[1] = swapped[1], swapped[0]
	for name, got := range map[string]string{
		"name":    fingerprint(renamed, predictlog.Target{}),
		"kind":    fingerprint(other, predictlog.Target{}),
		"order":   fingerprint(swapped, predictlog.Target{}),
		"classes": fingerprint(columns(), predictlog.Target{Classes: []string{"1", "0"}}),
		"task":    fingerprint(columns(), predictlog.Target{Task: predictlog.Regression}),
	} {
		require.NotEqual(t, base, got, name)
	}
}

func TestSchema_JSON(t *testing.T) {
	t.Parallel()
	schema := applicantSchema(t)
	data, err := json.Marshal(schema)
	require.NoError(t, err)
	require.JSONEq(t, `{"columns":[
		{"name":"income","kind":"numeric","rule":"gte=0"},
		{"name":"age","kind":"numeric","rule":"required,gte=18,lte=120"},
		{"name":"region","kind":"categorical","rule":"oneof=north south"},
		{"name":"owner","kind":"categorical"}],
		"target":{"task":"binary","classes":["0","1"]}}`, string(data))
	var back predictlog.Schema
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, schema.Fingerprint(), back.Fingerprint())
	require.Equal(t, schema.Columns(), back.Columns())
	require.Len(t, back.Check(predictlog.Row{predictlog.Number(-1)}), 1)

	require.ErrorContains(t, json.Unmarshal([]byte(`{"columns":[]}`), &back), "no columns")
	require.ErrorContains(t, json.Unmarshal([]byte(`{"columns":[{"name":"a","kind":"text"}]}`), &back), `unknown kind "text"`)
	require.Equal(t, schema.Fingerprint(), back.Fingerprint(), "an error leaves the schema as it was")
}

func BenchmarkSchema_Check(b *testing.B) {
	schema := applicantSchema(b)
	row := applicantRow()
	b.ReportAllocs()
	for b.Loop() {
		schema.Check(row)
	}
}
