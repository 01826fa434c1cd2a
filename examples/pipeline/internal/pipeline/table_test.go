package pipeline

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
)

func TestReadTable(t *testing.T) {
	t.Parallel()
	table, err := readTable(strings.NewReader("key,age,town,bad\na1,30,Rome,no\na2,NA,,yes\na3,1e3,3,no\n"), "bad", "key")
	require.NoError(t, err)
	require.Equal(t, []predictlog.Column{{Name: "age", Kind: predictlog.Numeric}, {Name: "town", Kind: predictlog.Categorical}}, table.schema.Columns())
	require.Equal(t, []string{"no", "yes"}, table.schema.Target().Classes)
	require.Equal(t, []string{"a1", "a2", "a3"}, table.ids)
	require.Equal(t, []string{"no", "yes", "no"}, table.truth)
	require.Equal(t, []predictlog.Row{
		{predictlog.Number(30), predictlog.Category("Rome")},
		{predictlog.Missing(), predictlog.Missing()},
		{predictlog.Number(1000), predictlog.Category("3")},
	}, table.rows)

	table, err = readTable(strings.NewReader("x,y\n1,0\n2,1\n"), "y", "")
	require.NoError(t, err)
	require.Equal(t, []string{"row-0000001", "row-0000002"}, table.ids)
}

func TestReadTable_Refuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ csv, label, id, want string }{
		"no rows":       {"x,y\n", "y", "", "no rows"},
		"no label":      {"x,y\n1,0\n", "z", "", `no label column "z"`},
		"no ID":         {"x,y\n1,0\n", "y", "k", `no ID column "k"`},
		"one class":     {"x,y\n1,0\n2,0\n", "y", "", `every row is of class "0"`},
		"three classes": {"x,y\n1,a\n2,b\n3,c\n", "y", "", "more than two classes"},
		"unlabelled":    {"x,y\n1,0\n2,\n", "y", "", "row 2 has no class"},
		"same ID":       {"k,x,y\na,1,0\na,2,1\n", "y", "k", `rows 1 and 2: "a" occurs twice`},
		"bad ID":        {"k,x,y\n a,1,0\nb,2,1\n", "y", "k", "row 1"},
		"ragged":        {"x,y\n1\n", "y", "", "wrong number of fields"},
		"no features":   {"y\n0\n1\n", "y", "", "no columns"},
	} {
		_, err := readTable(strings.NewReader(c.csv), c.label, c.id)
		require.ErrorContains(t, err, c.want, name)
	}
}

func FuzzReadTable(f *testing.F) {
	f.Add("x,y\n1,0\n2,1\n", "y", "")
	f.Add("k,x,y\na,1,0\nb,NA,1\n", "y", "k")
	f.Add("x,y\n\"a\nb\",0\ninf,1\n", "y", "")
	f.Fuzz(func(t *testing.T, csv, label, id string) {
		table, err := readTable(strings.NewReader(csv), label, id)
		if err != nil {
			return
		}
		require.Len(t, table.ids, len(table.rows))
		require.Len(t, table.truth, len(table.rows))
		for i, row := range table.rows {
			require.Len(t, row, table.schema.Len())
			require.Contains(t, table.schema.Target().Classes, table.truth[i])
			for j, v := range row {
				require.True(t, v.IsMissing() || v.Kind() == table.schema.Column(j).Kind)
			}
		}
	})
}
