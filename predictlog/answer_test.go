package predictlog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
)

func TestAnswer(t *testing.T) {
	t.Parallel()
	binary := predictlog.Target{}
	yesNo := predictlog.Target{Classes: []string{"false", "true"}}
	floats := predictlog.Target{Classes: []string{"0.0", "1.0"}}
	multiclass := predictlog.Target{Task: predictlog.Multiclass, Classes: []string{"low", "mid", "high"}}
	regression := predictlog.Target{Task: predictlog.Regression}
	class := func(class string, probabilities ...float64) predictlog.Output {
		return predictlog.Output{Class: class, Probabilities: probabilities}
	}
	for _, tc := range []struct {
		name   string
		target predictlog.Target
		body   string
		want   predictlog.Output
		err    string // empty if the answer is good
	}{
		{"class as a string", binary, `{"prediction":"1"}`, class("1"), ""},
		{"class as a number", binary, `{"prediction":1}`, class("1"), ""},
		{"class as a float", binary, `{"prediction":1.0}`, class("1"), ""},
		{"class as a float, written alike", floats, `{"prediction":1.0}`, class("1.0"), ""},
		{"class as a boolean", yesNo, `{"prediction":false}`, class("false"), ""},
		{"probability", binary, `{"prediction":0,"probability":0.25}`, class("0", 0.75, 0.25), ""},
		{"null probability", binary, `{"prediction":0,"probability":null}`, class("0"), ""},
		{"probabilities as an array", binary, `{"prediction":0,"probabilities":[0.75,0.25]}`, class("0", 0.75, 0.25), ""},
		{"probabilities as an object", binary, `{"prediction":0,"probabilities":{"1":0.25,"0":0.75}}`, class("0", 0.75, 0.25), ""},
		{"probabilities come before probability", binary, `{"prediction":0,"probability":1,"probabilities":[0.75,0.25]}`, class("0", 0.75, 0.25), ""},
		{"multiclass", multiclass, `{"prediction":"mid","probabilities":{"mid":0.5,"high":0.25,"low":0.25}}`, class("mid", 0.25, 0.5, 0.25), ""},
		{"probability means nothing for multiclass", multiclass, `{"prediction":"mid","probability":"x"}`, class("mid"), ""},
		{"regression", regression, `{"prediction":-1.5,"probability":1}`, predictlog.Output{Value: -1.5}, ""},
		{"regression of 0", regression, `{"prediction":0}`, predictlog.Output{}, ""},
		{"other members", binary, `{"prediction":"1","took":{"ms":3}}`, class("1"), ""},

		{"empty", binary, ``, class(""), "predictlog: answer: unexpected end of JSON input"},
		{"not an object", binary, `1`, class(""), "predictlog: answer: 1, want a JSON object"},
		{"two objects", binary, answerBody + answerBody, class(""), "predictlog: answer: invalid character '{'"},
		{"no prediction", binary, `{}`, class(""), `predictlog: answer: "prediction" is missing`},
		{"null prediction", binary, `{"prediction":null}`, class(""), `predictlog: answer: "prediction" is missing`},
		{"probability without prediction", binary, `{"probability":0.75}`, class(""), `predictlog: answer: "prediction" is missing`},
		{"unknown class", binary, `{"prediction":2}`, class(""), `output: class "2", want one of ["0" "1"]`},
		{"class as an array", binary, `{"prediction":[1]}`, class(""), `"prediction" is [1], want a class as a string, a number or a boolean`},
		{"class out of range", binary, `{"prediction":1e999}`, class(""), `"prediction" is 1e999, want a class`},
		{"regression as a string", regression, `{"prediction":"1"}`, class(""), `"prediction" is "1", want a number`},
		{"regression out of range", regression, `{"prediction":1e999}`, class(""), `"prediction" is 1e999, which is out of the range of a float64`},
		{"every bad member", binary, `{"probability":"x","model":true,"version":[]}`, class(""), "predictlog: answer: " +
			"\"model\" is true, want a string\n\"version\" is [], want a string\n\"prediction\" is missing\n\"probability\" is \"x\", want a number"},
		{"probability over 1", binary, `{"prediction":1,"probability":1.5}`, class(""), `probability of "0" is -0.5, want 0 to 1`},
		{"two few probabilities", binary, `{"prediction":1,"probabilities":[1]}`, class(""), `"probabilities" has 1 numbers, want one for each of ["0" "1"]`},
		{"class without probability", binary, `{"prediction":1,"probabilities":{"1":1}}`, class(""), `"probabilities" of class "0" is missing`},
		{"probability without class", binary, `{"prediction":1,"probabilities":{"0":0,"1":1,"2":0}}`, class(""), `"probabilities" holds class "2", want one of ["0" "1"]`},
		{"null among probabilities", binary, `{"prediction":1,"probabilities":[null,1]}`, class(""), `"probabilities" of class "0" is null, want a number`},
		{"text among probabilities", binary, `{"prediction":1,"probabilities":[0,"1"]}`, class(""), `"probabilities" of class "1" is "1", want a number`},
		{"probabilities as a number", binary, `{"prediction":1,"probabilities":1}`, class(""), `"probabilities" is 1, want an object by class or an array`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			schema, err := applicantSchema(t).WithTarget(tc.target)
			require.NoError(t, err)
			o := observe(t, schema, predictlog.Config{}, func(recorder *predictlog.Recorder) {
				serve(recorder, answer(200, tc.body), requestBody)
			})
			if tc.err != "" {
				require.Len(t, o.rejected, 1)
				require.ErrorContains(t, o.rejected[0].Err, tc.err)
				return
			}
			require.Empty(t, o.rejected)
			require.Len(t, o.records, 1)
			for _, r := range o.records {
				require.True(t, tc.want.Equal(r.Output), "got %+v, want %+v", r.Output, tc.want)
			}
		})
	}
}

func TestAnswer_ModelAndVersion(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][2]string{
		`{"prediction":1,"model":"credit","version":"v3"}`: {"credit", "v3"},
		`{"prediction":1,"version":3}`:                     {"", "3"},
		`{"prediction":1,"model":null,"version":1.10}`:     {"", "1.10"},
		`{"prediction":1}`:                                 {"", ""},
	} {
		o := observe(t, applicantSchema(t), predictlog.Config{}, func(recorder *predictlog.Recorder) {
			serve(recorder, answer(200, body), requestBody)
		})
		require.Len(t, o.records, 1, body)
		for _, r := range o.records {
			require.Equal(t, want, [2]string{r.Model, r.Version}, body)
			require.True(t, r.Answered())
		}
	}
}

// FuzzAnswer serves any request with any answer: the client gets it, and it ends as
// recorded or rejected.
func FuzzAnswer(f *testing.F) {
	f.Add(requestBody, answerBody)
	f.Add(requestBody, `{"prediction":1.0,"probabilities":{"0":0.5,"1":0.5},"version":3}`)
	f.Add(`{}`, `{"prediction":true,"probabilities":[0,null]}`)
	f.Add(``, `{"probability":0.5}`)
	f.Add(`[]`, `null`)
	schema := applicantSchema(f)
	f.Fuzz(func(t *testing.T, request, response string) {
		o := observe(t, schema, predictlog.Config{}, func(recorder *predictlog.Recorder) {
			require.Equal(t, response, serve(recorder, answer(200, response), request).Body.String())
		})
		require.Equal(t, int64(1), o.stats.Recorded+o.stats.Rejected)
	})
}
