package csvrow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog/appendfile/csvrow"
)

func TestLen(t *testing.T) {
	t.Parallel()
	for p, want := range map[string][3]int{
		"":                    {},
		"a,b":                 {},
		"a,b\nc\n":            {4, 1, 0},
		"a,\"b\r\n\"\"\"\nc":  {10, 2, 4},
		"\"open\nand open\n,": {},
	} {
		length, lines, quotes := csvrow.Len([]byte(p))
		require.Equal(t, want, [3]int{length, lines, quotes}, "%q", p)
	}
}

func TestCells(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		row   string
		want  []string
		wrong string
	}{
		{``, []string{``}, ""},
		{`a,,"b,c"`, []string{`a`, ``, `b,c`}, ""},
		{"\"say \"\"hi\"\"\r\n\",", []string{"say \"hi\"\r\n", ""}, ""},
		{`a,5"`, []string{`a`}, "a quote in a cell that is not quoted"},
		{`"a" ,b`, nil, "text after the closing quote"},
		{`"a`, nil, "no closing quote"},
	} {
		cells := csvrow.NewCells([]byte(c.row))
		var got []string
		var wrong error
		for wrong == nil && !cells.Done() {
			var cell csvrow.Cell
			if cell, wrong = cells.Next(); wrong == nil {
				got = append(got, string(cell.Text))
			}
		}
		require.Equal(t, c.want, got, c.row)
		if c.wrong != "" {
			require.EqualError(t, wrong, c.wrong, c.row)
			continue
		}
		require.NoError(t, wrong, c.row)
		_, err := cells.Next()
		require.EqualError(t, err, "missing: the row has too few cells")
	}
}
