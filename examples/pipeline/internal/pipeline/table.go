package pipeline

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// table is a labelled data set in memory, its rows in order of time.
type table struct {
	schema *predictlog.Schema
	ids    []string
	rows   []predictlog.Row
	truth  []string // the class of each row
}

// readTable reads a CSV file with a header. The column named by label holds one of two
// classes; the greater one is the positive class. The column named by id, if not empty, holds
// a unique name for each row. Every other column is a feature: numeric, unless one of its
// values is not a number. missing says which fields have no value.
func readTable(r io.Reader, label, id string) (*table, error) {
	records, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(records) < 2 {
		return nil, errors.New("no rows")
	}
	header, records := records[0], records[1:]
	labelAt, idAt := slices.Index(header, label), -1
	if labelAt < 0 {
		return nil, fmt.Errorf("no label column %q: the columns are %q", label, header)
	}
	if id != "" {
		if idAt = slices.Index(header, id); idAt < 0 {
			return nil, fmt.Errorf("no ID column %q: the columns are %q", id, header)
		}
	}

	t := &table{}
	var columns []predictlog.Column
	var features []int // the position in the file of each column
	for i, name := range header {
		if i != labelAt && i != idAt {
			features = append(features, i)
			columns = append(columns, predictlog.Column{Name: name, Kind: kindOf(records, i)})
		}
	}
	classes, err := classesOf(records, labelAt)
	if err != nil {
		return nil, fmt.Errorf("label column %q: %w", label, err)
	}
	if t.schema, err = predictlog.NewSchema(columns, predictlog.Target{Classes: classes}); err != nil {
		return nil, err
	}
	if t.ids, err = idsOf(records, idAt); err != nil {
		return nil, fmt.Errorf("ID column %q: %w", id, err)
	}
	for _, record := range records {
		row := make(predictlog.Row, len(features))
		for i, at := range features {
			row[i] = parseValue(record[at], columns[i].Kind)
		}
		t.rows = append(t.rows, row)
		t.truth = append(t.truth, record[labelAt])
	}
	return t, nil
}

// missing reports whether a field holds no value, in the spellings of common tools.
func missing(field string) bool {
	switch field {
	case "", "NA", "N/A", "NaN", "nan", "NULL", "null":
		return true
	}
	return false
}

func kindOf(records [][]string, column int) predictlog.Kind {
	for _, record := range records {
		if field := record[column]; !missing(field) && math.IsNaN(parseNumber(field)) {
			return predictlog.Categorical
		}
	}
	return predictlog.Numeric
}

// parseNumber returns NaN for a text that is not a number.
func parseNumber(field string) float64 {
	x, err := strconv.ParseFloat(field, 64)
	if err != nil {
		return math.NaN()
	}
	return x
}

func parseValue(field string, kind predictlog.Kind) predictlog.Value {
	switch {
	case missing(field):
		return predictlog.Missing()
	case kind == predictlog.Numeric:
		return predictlog.Number(parseNumber(field))
	}
	return predictlog.Category(field)
}

func classesOf(records [][]string, column int) ([]string, error) {
	seen := map[string]bool{}
	var classes []string
	for i, record := range records {
		class := record[column]
		if missing(class) {
			return nil, fmt.Errorf("row %d has no class", i+1)
		}
		if !seen[class] {
			seen[class] = true
			classes = append(classes, class)
		}
		if len(classes) > 2 {
			return nil, fmt.Errorf("more than two classes: %q", classes)
		}
	}
	if len(classes) < 2 {
		return nil, fmt.Errorf("every row is of class %q", classes[0])
	}
	slices.Sort(classes)
	return classes, nil
}

// idsOf returns a unique name for each row: without a column of IDs, its number.
func idsOf(records [][]string, column int) ([]string, error) {
	ids := make([]string, len(records))
	first := make(map[string]int, len(records))
	for i, record := range records {
		ids[i] = fmt.Sprintf("row-%07d", i+1)
		if column >= 0 {
			ids[i] = record[column]
		}
		if err := predictlog.CheckID(ids[i]); err != nil {
			return nil, fmt.Errorf("row %d: %q: %w", i+1, ids[i], err)
		}
		if j, taken := first[ids[i]]; taken {
			return nil, fmt.Errorf("rows %d and %d: %q occurs twice", j+1, i+1, ids[i])
		}
		first[ids[i]] = i
	}
	return ids, nil
}
