package predictlog_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
)

func TestSchema_ParseJSON(t *testing.T) {
	t.Parallel()
	schema := applicantSchema(t)
	missing := predictlog.Missing()
	for _, tc := range []struct {
		name, body string
		want       predictlog.Row
	}{
		{"all", `{"income":1000,"age":30,"region":"north","owner":true}`, applicantRow()},
		{"other order, white space", " {\n\"owner\" : true , \"region\": \t\"north\",\r\"age\":30,\"income\": 1e3 } \n", applicantRow()},
		{"unknown members", `{"id":[1,{"income":2}],"income":1000,"x":null,"age":30,"region":"north","owner":"true"}`, applicantRow()},
		{"unknown member twice", `{"x":1,"x":2,"income":1}`, predictlog.Row{predictlog.Number(1), missing, missing, missing}},
		{"empty object", `{}`, predictlog.Row{missing, missing, missing, missing}},
		{"null and empty", `{"income":null,"age":0,"region":"","owner":false}`, predictlog.Row{missing, predictlog.Number(0), predictlog.Category(""), predictlog.Category("false")}},
		{"other case is another name", `{"Income":1}`, predictlog.Row{missing, missing, missing, missing}},
		{"numbers", `{"income":-0,"age":1.7976931348623157e308}`, predictlog.Row{predictlog.Number(math.Copysign(0, -1)), predictlog.Number(math.MaxFloat64), missing, missing}},
		{"escapes", `{"regi\u006fn":"\"\u00e9\n\ud83d\ude42"}`, predictlog.Row{missing, missing, predictlog.Category("\"é\n🙂"), missing}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			row, err := schema.ParseJSON([]byte(tc.body))
			require.NoError(t, err)
			require.True(t, tc.want.Equal(row), "got %v, want %v", row, tc.want)
		})
	}
}

func TestSchema_ParseJSON_Errors(t *testing.T) {
	t.Parallel()
	schema := applicantSchema(t)
	for _, tc := range []struct {
		name, body string
		want       []string
	}{
		{"every bad column", `{"income":"1000","age":true,"region":3,"owner":[1]}`, []string{
			`column "income" is "1000", want a number`,
			`column "age" is true, want a number`,
			`column "region" is 3, want a string`,
			`column "owner" is [1], want a string`,
		}},
		{"too large a number", `{"income":1e999,"age":-1e999}`, []string{
			`column "income" is 1e999, which is out of the range of a float64`,
			`column "age" is -1e999, which is out of the range of a float64`,
		}},
		{"long value", `{"income":"` + strings.Repeat("é", 100) + `"}`, []string{`is "` + strings.Repeat("é", 29) + "..., want a number"}},
		{"column twice", `{"income":1,"income":1}`, []string{`column "income" is given twice`}},
		{"empty", ``, []string{"unexpected end of JSON input"}},
		{"white space", " \n", []string{"unexpected end of JSON input"}},
		{"array", `[1,2]`, []string{"[1,2], want a JSON object"}},
		{"null", `null`, []string{"null, want a JSON object"}},
		{"string", `"a"`, []string{`"a", want a JSON object`}},
		{"two objects", `{"income":1} {"income":2}`, []string{"invalid character '{' after top-level value"}},
		{"trailing garbage", `{"income":1}x`, []string{"invalid character 'x' after top-level value"}},
		{"cut off", `{"income":1`, []string{"unexpected end of JSON input"}},
		{"cut off in a name", `{"inc`, []string{"unexpected end of JSON input"}},
		{"comma", `{"income":1,}`, []string{"invalid character '}'"}},
		{"no colon", `{"income" 1}`, []string{"invalid character '1'"}},
		{"NaN", `{"income":NaN}`, []string{"invalid character 'N'"}},
		{"invalid UTF-8", "{\"region\":\"\xff\"}", []string{"not valid UTF-8"}},
		{"not JSON", "income=1000", []string{"invalid character 'i'"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			row, err := schema.ParseJSON([]byte(tc.body))
			require.Nil(t, row)
			require.ErrorContains(t, err, "predictlog: row from JSON: ")
			for _, want := range tc.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

func TestSchema_MarshalRow(t *testing.T) {
	t.Parallel()
	schema := applicantSchema(t)
	body, err := schema.MarshalRow(predictlog.Row{predictlog.Number(0.1), predictlog.Missing(), predictlog.Category("a\"<é\n"), predictlog.Category("")})
	require.NoError(t, err)
	require.JSONEq(t, `{"income":0.1,"age":null,"region":"a\"<é\n","owner":""}`, string(body))

	_, err = schema.MarshalRow(applicantRow()[:3])
	require.EqualError(t, err, "predictlog: row to JSON: has 3 values, want 4")
	_, err = schema.MarshalRow(predictlog.Row{predictlog.Number(math.NaN()), predictlog.Number(math.Inf(-1)), predictlog.Number(1), predictlog.Category("\xff")})
	for _, want := range []string{
		`column "income" is NaN, which JSON does not have`,
		`column "age" is -Inf, which JSON does not have`,
		`column "region" is numeric, want categorical`,
		`column "owner" is "\xff", want valid UTF-8`,
	} {
		require.ErrorContains(t, err, want)
	}
}

func TestSchema_JSON_RoundTrip(t *testing.T) {
	t.Parallel()
	schema := applicantSchema(t)
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250101))
	number := gen.PtrOf(gen.Float64())
	props.Property("ParseJSON reads what MarshalRow wrote", prop.ForAll(func(income, age *float64, region string) bool {
		row := predictlog.Row{predictlog.Missing(), predictlog.Missing(), predictlog.Category(region), predictlog.Missing()}
		for i, x := range []*float64{income, age} {
			if x != nil {
				row[i] = predictlog.Number(*x)
			}
		}
		body, err := schema.MarshalRow(row)
		if err != nil {
			return false
		}
		back, err := schema.ParseJSON(body)
		return err == nil && back.Equal(row)
	}, number, number, gen.AnyString()))
	props.TestingRun(t)
}

func FuzzSchema_ParseJSON(f *testing.F) {
	for _, seed := range []string{
		`{"income":1000,"age":30,"region":"north","owner":true}`, `{}`, `{"income":null}`, `{"region":"\ud800"}`,
		`{"income":-0,"age":5e-324}`, `{"a":{"b":[1,2]},"income":1e999}`, `[]`, ``, `{"income":1}{}`, `{"region":"\u0000"}`,
		` { "x" : { "}" : [ "]\\" , { } ] } , "in\u0063ome" : 1 , "region":"\"" } `, `{"":[],"a":"\\"}`, `{"":1e700}`,
	} {
		f.Add([]byte(seed))
	}
	schema := applicantSchema(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		row, err := schema.ParseJSON(body)
		if err != nil {
			require.Nil(t, row)
			return
		}
		var members map[string]any
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber() // a number that is no column may be too large for a float64
		require.NoError(t, decoder.Decode(&members), "what encoding/json refuses is refused")
		for i, c := range schema.Columns() {
			want := predictlog.Missing()
			switch x := members[c.Name].(type) {
			case json.Number:
				number, err := x.Float64()
				require.NoError(t, err)
				want = predictlog.Number(number)
			case string:
				want = predictlog.Category(x)
			case bool:
				want = predictlog.Category(strconv.FormatBool(x))
			}
			require.True(t, want.Equal(row[i]), "column %s of %s is %v, want %v", c.Name, body, row[i], want)
		}
		again, err := schema.MarshalRow(row)
		require.NoError(t, err)
		back, err := schema.ParseJSON(again)
		require.NoError(t, err)
		require.True(t, row.Equal(back), "%s became %s", body, again)
	})
}

func BenchmarkSchema_ParseJSON(b *testing.B) {
	schema := applicantSchema(b)
	body, err := schema.MarshalRow(applicantRow())
	require.NoError(b, err)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := schema.ParseJSON(body); err != nil {
			b.Fatal(err)
		}
	}
}
