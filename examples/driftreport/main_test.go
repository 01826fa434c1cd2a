package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

// write writes rows as a CSV file and returns its path.
func write(t *testing.T, rows ...[]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rows.csv")
	file, err := os.Create(path)
	require.NoError(t, err)
	w := csv.NewWriter(file)
	require.NoError(t, w.WriteAll(rows))
	require.NoError(t, file.Close())
	return path
}

// people returns a header and n rows, with missing values, and names with commas, quotes
// and line breaks.
func people(seed uint64, n int, older float64) [][]string {
	rng := rand.New(rand.NewPCG(seed, 1))
	rows := [][]string{{"age", "town", "id"}}
	towns := []string{"Oslo", "Washington, D.C.", "the \"old\"\ntown", ""}
	for i := range n {
		age := strconv.FormatFloat(40+older+10*rng.NormFloat64(), 'g', -1, 64)
		if rng.IntN(20) == 0 {
			age = ""
		}
		rows = append(rows, []string{age, towns[rng.IntN(len(towns))], fmt.Sprint("id-", i)})
	}
	return rows
}

// columns are the same rows for drift, by a slow way.
func columns(t *testing.T, rows [][]string) []drift.Column {
	t.Helper()
	var age []float64
	var town []int32
	var levels []string
	for _, row := range rows[1:] {
		x, err := strconv.ParseFloat(row[0], 64)
		if row[0] == "" {
			x, err = strconv.ParseFloat("NaN", 64)
		}
		require.NoError(t, err)
		age = append(age, x)
		code := int32(-1)
		for i, level := range levels {
			if level == row[1] {
				code = int32(i)
			}
		}
		if code < 0 && row[1] != "" {
			code = int32(len(levels))
			levels = append(levels, row[1])
		}
		town = append(town, code)
	}
	return []drift.Column{drift.Numeric("age", age), drift.CategoricalCodes("town", town, levels)}
}

// Reading in blocks, on several processors, in any order, gives what reading at once gives.
func TestRun_IsThatOfAllRows(t *testing.T) {
	t.Parallel()
	before, after := people(1, 60_000, 0), people(2, 40_000, 4)
	dir := t.TempDir()
	page := filepath.Join(dir, "report.html")
	var out bytes.Buffer
	status, err := run(t.Context(), []string{"-reference", write(t, before...), "-current", write(t, after...), "-ignore", "id", "-o", page}, &out, io.Discard)
	require.NoError(t, err)
	require.Equal(t, statusDrifted, status)
	require.Contains(t, out.String(), "drifted: 1 of 2 columns")
	require.Contains(t, out.String(), "age: The distribution moved by D = ")

	ref, err := drift.NewReference(columns(t, before), drift.ReferenceConfig{})
	require.NoError(t, err)
	p := ref.NewProfile()
	require.NoError(t, p.Add(columns(t, after)))
	detector, err := drift.NewDetector(ref, drift.Config{})
	require.NoError(t, err)
	want, err := detector.Detect(p)
	require.NoError(t, err)
	want.Label = "rows.csv against rows.csv"
	var html bytes.Buffer
	require.NoError(t, want.WriteHTML(&html))
	got, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, html.String(), string(got))
}

func TestRun_Statuses(t *testing.T) {
	t.Parallel()
	reference := write(t, people(1, 3000, 0)...)
	for name, c := range map[string]struct {
		args   []string
		status int
		want   string // in the output or in the error
	}{
		"stable":         {[]string{"-reference", reference, "-current", write(t, people(3, 3000, 0)...), "-ignore", "id"}, statusStable, "stable: 0 of 2 columns"},
		"too few rows":   {[]string{"-reference", reference, "-current", write(t, people(3, 20, 0)...), "-ignore", "id"}, statusInsufficient, "insufficient"},
		"no arguments":   {nil, statusUsage, "want -reference and -current"},
		"no such file":   {[]string{"-reference", "none.csv", "-current", reference}, statusError, "none.csv"},
		"empty":          {[]string{"-reference", write(t), "-current", reference}, statusError, "is empty, want a line of column names"},
		"no such column": {[]string{"-reference", reference, "-current", write(t, []string{"town", "id"})}, statusError, `has no column "age"; it has ["town" "id"]`},
		"twice":          {[]string{"-reference", write(t, []string{"a", "a"}), "-current", reference}, statusError, `two columns have the name "a"`},
		"no number": {[]string{"-reference", reference, "-current", write(t, []string{"age", "town", "id"}, []string{"1", "", "7"}, []string{"old", "", "8"})}, statusError,
			`line 3: column "age": "old" is not a number, as the column's values in the reference are`},
		"no rows": {[]string{"-reference", write(t, []string{"a"}), "-current", reference}, statusError, "reference: has no rows"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			status, err := run(t.Context(), c.args, &out, io.Discard)
			if err != nil {
				fmt.Fprint(&out, err)
			}
			require.Contains(t, out.String(), c.want)
			require.Equal(t, c.status, status)
		})
	}
}

func TestScan_RaggedLines(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a,b\n1,2\n3\n":           "line 3: has 1 fields, want 2",
		"a,b\r\n1,2\r\n\r\n3,4,5": "line 4: has more than 2 fields",
		"a,b\n\"1\",2\n3\n":       "after line 1: record on line 2: wrong number of fields",
		"a,b\n1,\"2\n":            "extraneous or missing \" in quoted-field",
	} {
		path := filepath.Join(t.TempDir(), "x.csv")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := readReference(t.Context(), path, nil)
		require.ErrorContains(t, err, want, "%q", text)
		require.ErrorContains(t, err, path)
	}
}

func TestScan_EndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := readReference(ctx, write(t, people(1, 100, 0)...), nil)
	require.ErrorIs(t, err, context.Canceled)
}

// However a file is cut, its records are those that encoding/csv reads.
func FuzzBlock(f *testing.F) {
	f.Add("a,b\n1,2\n", 3)
	f.Add("\"a\nb\",\"\"\"\"\r\n,\n", 5)
	f.Add("x\n\n\ny", 1)
	f.Fuzz(func(t *testing.T, text string, size int) {
		want, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil || len(want) == 0 || len(text) > 1<<12 {
			return
		}
		var got [][]string
		size = 1 + max(size, -size-1)%64
		for data, end := []byte(text), 0; len(data) > 0; data = data[end:] {
			end = len(data)
			for n := size; n < len(data); n += size {
				if e := recordEnd(data[:n]); e > 0 {
					end = e
					break
				}
			}
			err := block{data: data[:end], line: 1}.records(len(want[0]), func(_, column int, field []byte) error {
				if column == 0 {
					got = append(got, nil)
				}
				got[len(got)-1] = append(got[len(got)-1], string(field))
				return nil
			})
			require.NoError(t, err)
		}
		require.Equal(t, want, got)
	})
}
