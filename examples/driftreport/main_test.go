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
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/reportpage"
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

// writeText writes a file as it is and returns its path.
func writeText(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.csv")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
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
	require.Contains(t, out.String(), "age: ")

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
	require.NoError(t, reportpage.Write(&html, want))
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
		"stable":            {[]string{"-reference", reference, "-current", write(t, people(3, 3000, 0)...), "-ignore", "id"}, statusStable, "stable: 0 of 2 columns"},
		"too few rows":      {[]string{"-reference", reference, "-current", write(t, people(3, 20, 0)...), "-ignore", "id"}, statusInsufficient, "insufficient"},
		"no arguments":      {nil, statusUsage, "want -reference and -current"},
		"no such file":      {[]string{"-reference", "none.csv", "-current", reference}, statusError, "none.csv"},
		"empty":             {[]string{"-reference", write(t), "-current", reference}, statusError, "is empty, want a line of column names"},
		"nothing in common": {[]string{"-reference", reference, "-current", write(t, []string{"x"}, []string{"1"})}, statusInsufficient, "insufficient: 0 of 0 columns"},
		"twice":             {[]string{"-reference", write(t, []string{"a", "a"}), "-current", reference}, statusError, `two columns have the name "a"`},
		"help":              {[]string{"-h"}, statusStable, ""},
		"unknown flag":      {[]string{"-x"}, statusUsage, ""},
		"unknown names": {[]string{"-reference", reference, "-current", reference, "-ignore", " id ,bogus", "-numeric", "id"}, statusError,
			"-ignore: there is no column \"bogus\"; there are [\"age\" \"town\" \"id\"]\n-numeric: column \"id\" is also given to -ignore"},
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
		"a,b\n1,2\n3\n":              "line 3: has 1 fields, want 2",
		"a,b\r\n1,2\r\n\r\n3,4,5":    "line 4: has more than 2 fields",
		"a,b\n\"1\",2\n3\n":          "record on line 3: wrong number of fields",
		"a,b\n1,2\n3,5\" pipe\n":     "parse error on line 3, column 4: bare \"",
		"a,b\n1,\"2\n":               "parse error on line 2, column 6: extraneous or missing \" in quoted-field",
		"a,\"b\nx":                   "extraneous or missing \" in quoted-field",
		"\"a\nb\",c\r\n1,2\n\n\n3\n": "line 6: has 1 fields, want 2",
	} {
		path := writeText(t, text)
		_, err := readReference(t.Context(), path, settings{})
		require.ErrorContains(t, err, want, "%q", text)
		require.ErrorContains(t, err, path)
	}
}

// A quote without its partner makes the rest of the file one record. To find that out takes
// one pass, of bounded memory: not one for each line, which would take hours.
func TestScan_StrayQuote(t *testing.T) { // alone, to see what it takes
	for _, c := range []struct {
		begin string
		size  int
		want  string
	}{
		{"a,b\n1,5\" pipe\n", 1 << 22, "parse error on line 2, column 4: bare \""},
		{"a,b\n1,5\" pipe\n", maxRecord + 2*blockSize, "line 2: a record has more than 64 MB; is there a quote without its partner?"},
		{"a\",b\n1,2\n", 1 << 22, "parse error on line 1, column 2: bare \""},
	} {
		path := writeText(t, c.begin+strings.Repeat("3,4\n", c.size/4))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin := time.Now()
		_, err := readReference(t.Context(), path, settings{})
		require.Less(t, time.Since(begin), time.Minute)
		runtime.ReadMemStats(&after)
		require.ErrorContains(t, err, c.want)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8*c.size))
	}
}

func TestRun_ReadsOnWhereValuesAreWrong(t *testing.T) {
	t.Parallel()
	reference, today := [][]string{{"age", "zip", "gone", "flag"}}, [][]string{{"zip", "age", "flag"}}
	rng := rand.New(rand.NewPCG(3, 1))
	for range 2000 {
		zip := fmt.Sprintf("%05d", 10_000*rng.IntN(4))
		reference = append(reference, []string{fmt.Sprint(rng.IntN(60)), zip, "1", "0"})
		today = append(today, []string{zip, fmt.Sprint(rng.IntN(60)), "1"})
	}
	reference[9][0] = "n/a"
	today[5][1], today[3][1] = "N/A", "?"
	page := filepath.Join(t.TempDir(), "report.html")
	var out, problems bytes.Buffer
	status, err := run(t.Context(), []string{"-reference", write(t, reference...), "-current", write(t, today...),
		"-categorical", "zip, flag", "-numeric", "age", "-o", page}, &out, &problems)
	require.NoError(t, err)
	require.Equal(t, statusDrifted, status)
	require.Contains(t, out.String(), "drifted: 1 of 3 columns (flag)")
	require.Equal(t, `column "age": rows.csv: 1 value is not a number and counts as missing, "n/a" on line 10.
column "age": rows.csv: 2 values are not numbers and count as missing, the first "?" on line 4.
column "gone" cannot be judged: rows.csv has no such column.
`, problems.String())
	html, err := os.ReadFile(page)
	require.NoError(t, err)
	for _, want := range []string{"2 values are not numbers and count as missing", "rows.csv has no such column.", ">00000<"} {
		require.True(t, strings.Contains(string(html), want), want)
	}
}

// A stray word does not turn a column of numbers into one of names, unless it may be a name;
// and then that is said.
func TestRun_StrayWords(t *testing.T) {
	t.Parallel()
	rows := func(seed uint64, n int, words map[int]string) string {
		rng := rand.New(rand.NewPCG(seed, 1))
		all := [][]string{{"x", "y"}}
		for i := range n {
			x := strconv.FormatFloat(rng.NormFloat64(), 'g', -1, 64)
			if word, ok := words[i]; ok {
				x = word
			}
			all = append(all, []string{x, "a"})
		}
		return write(t, all...)
	}
	spellings := make(map[int]string)
	for i, word := range []string{"", "-", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None"} {
		spellings[7*i+3] = word
	}
	today := rows(2, 2000, map[int]string{5: "n/a", 9: "?"})
	const ofToday = "column \"x\": rows.csv: 1 value is not a number and counts as missing, \"?\" on line 11.\n"
	for name, c := range map[string]struct {
		reference string
		args      []string
		kind      drift.Kind
		problems  string
	}{
		"missing": {rows(1, 3000, spellings), nil, drift.KindNumeric, ofToday},
		"a word": {rows(1, 3000, map[int]string{3: "n/a", 2990: "abd", 2000: "abc"}), nil, drift.KindCategorical,
			"column \"x\": rows.csv: read as names, because line 2002 holds \"abc\"; 2 of 2999 values are not numbers. Use -numeric x to count such values as missing.\n"},
		"a word, but numeric": {rows(1, 3000, map[int]string{3: "n/a", 2000: "abc"}), []string{"-numeric", "x"}, drift.KindNumeric,
			"column \"x\": rows.csv: 2 values are not numbers and count as missing, the first \"n/a\" on line 5.\n" +
				"column \"x\": rows.csv: 2 values are not numbers and count as missing, the first \"n/a\" on line 7.\n"},
		"a word, and meant": {rows(1, 3000, map[int]string{2000: "abc"}), []string{"-categorical", "x"}, drift.KindCategorical, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := filepath.Join(t.TempDir(), "report.html")
			var problems bytes.Buffer
			args := append([]string{"-reference", c.reference, "-current", today, "-o", page}, c.args...)
			_, err := run(t.Context(), args, io.Discard, &problems)
			require.NoError(t, err)
			require.Equal(t, c.problems, problems.String())
			html, err := os.ReadFile(page)
			require.NoError(t, err)
			require.Contains(t, string(html), fmt.Sprintf(`<span class="name">x</span><span class="kind">%v</span>`, c.kind))
			require.Equal(t, c.problems != "", strings.Contains(string(html), `<ul class="notes">`))
		})
	}
}

// Where the first word is does not depend on which block is read first.
func TestReadReference_FirstWordOfManyBlocks(t *testing.T) {
	t.Parallel()
	r, err := readReference(t.Context(), writeText(t, "x\n"+strings.Repeat("1\n", blockSize)+"b\n"+strings.Repeat("2\n", 2*blockSize)+"a\nb\n"), settings{})
	require.NoError(t, err)
	require.Equal(t, map[string]mixed{"x": {numbers: 3 * blockSize, others: 3, first: unread{count: 3, line: blockSize + 2, text: "b"}}}, r.mixed)
}

func TestReadReference_RepairsText(t *testing.T) {
	t.Parallel()
	r, err := readReference(t.Context(), writeText(t, "a,b\n1,\xe9\n2,\xe8\n3,x\n"), settings{})
	require.NoError(t, err)
	require.Equal(t, drift.KindCategorical, r.kinds["b"])
}

// In a file of one column, an empty line is a missing value.
func TestBlock_OneColumn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"1\n\n2\r\n\r\n":          {"1:1", "2:", "3:2", "4:"},
		"\n\n\"a\n\nb\"\n\nc\n\n": {"7:", "8:", "9:a\n\nb", "12:", "13:c", "14:"},
		"\"1\"\n\"\"\n\n":         {"1:1", "2:", "3:"},
	} {
		first := 1
		if strings.Contains(text, "a") {
			first = 7
		}
		var got []string
		err := block{data: []byte(text), line: first}.records(1, func(line, _ int, field []byte) {
			got = append(got, fmt.Sprintf("%d:%s", line, field))
		})
		require.NoError(t, err)
		require.Equal(t, want, got, "%q", text)
	}
}

func TestScan_EndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := readReference(ctx, write(t, people(1, 100, 0)...), settings{})
	require.ErrorIs(t, err, context.Canceled)
}

// However a file is cut, its records are those that encoding/csv reads.
func FuzzBlock(f *testing.F) {
	f.Add("a,b\n1,2\n", 3)
	f.Add("\"a\nb\",\"\"\"\"\r\n,\n", 5)
	f.Add("x\n\n\ny", 1)
	f.Fuzz(func(t *testing.T, text string, size int) {
		want, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil || len(want) == 0 || len(want[0]) == 1 || len(text) > 1<<12 {
			return
		}
		var got [][]string
		size = 1 + max(size, -size-1)%64
		for data := []byte(text); len(data) > 0; {
			end, quoted := 0, false
			for n := 0; end == 0; n += size {
				if n+size >= len(data) {
					end = len(data)
				} else if end, quoted = recordEnd(data[n:n+size], quoted); end > 0 {
					end += n
				}
			}
			err := block{data: data[:end], line: 1}.records(len(want[0]), func(_, column int, field []byte) {
				if column == 0 {
					got = append(got, nil)
				}
				got[len(got)-1] = append(got[len(got)-1], string(field))
			})
			require.NoError(t, err)
			data = data[end:]
		}
		require.Equal(t, want, got)
	})
}
