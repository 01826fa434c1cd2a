package predictlog_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
)

type region string

type base struct {
	ID    int8 `json:"-"`
	Score float32
}

type address struct{ Street string }

func TestSchemaOf(t *testing.T) {
	t.Parallel()
	type input struct {
		base
		Income   *float64 `json:"income,omitempty" validate:"omitempty,gte=0"`
		Region   region   `json:"region" validate:"oneof=north south"`
		Owner    *bool
		Children uint
		hidden   int
	}
	_ = input{}.hidden
	schema, err := predictlog.SchemaOf[input]()
	require.NoError(t, err)
	require.Equal(t, []predictlog.Column{
		{Name: "Score", Kind: predictlog.Numeric},
		{Name: "income", Kind: predictlog.Numeric, Rule: "omitempty,gte=0"},
		{Name: "region", Kind: predictlog.Categorical, Rule: "oneof=north south"},
		{Name: "Owner", Kind: predictlog.Categorical},
		{Name: "Children", Kind: predictlog.Numeric},
	}, schema.Columns())
	require.Equal(t, predictlog.Binary, schema.Target().Task)
}

func TestSchemaOf_ReportsEveryMistake(t *testing.T) {
	t.Parallel()
	type input struct {
		When    time.Time
		Tags    []string
		Address address `json:"address"`
		*base
		Fine float64
	}
	_, err := predictlog.SchemaOf[input]()
	for _, want := range []string{
		"field When: a column is a number, a string or a bool (or a pointer to one), not time.Time",
		"field Tags: a column is a number, a string or a bool (or a pointer to one), not []string",
		"field Address: a column is a number, a string or a bool (or a pointer to one), not predictlog_test.address",
		"field base: an embedded struct is flattened, but not a pointer to one",
	} {
		require.ErrorContains(t, err, want)
	}

	_, err = predictlog.SchemaOf[int]()
	require.EqualError(t, err, "predictlog: SchemaOf: int is not a struct")
	_, err = predictlog.SchemaOf[struct{}]()
	require.EqualError(t, err, "predictlog: invalid schema: no columns")
	_, err = predictlog.SchemaOf[struct {
		base
		Again float64 `json:"Score" validate:"gte"`
	}]()
	require.ErrorContains(t, err, `name "Score" is taken by column 0`)
	require.ErrorContains(t, err, `rule "gte": not usable`)
}
