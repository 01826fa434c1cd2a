package healing

import (
	"math"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// frame turns rows into the columns that package drift works on.
type frame struct {
	schema  *predictlog.Schema
	rows    int
	numbers [][]float64        // by column; NaN marks a missing value
	codes   [][]int32          // by column; -1 marks a missing value
	levels  [][]string         // by column; the category of each code
	known   []map[string]int32 // by column; the code of each category
}

func newFrame(schema *predictlog.Schema) *frame {
	n := schema.Len()
	f := &frame{
		schema:  schema,
		numbers: make([][]float64, n),
		codes:   make([][]int32, n),
		levels:  make([][]string, n),
		known:   make([]map[string]int32, n),
	}
	for i := range n {
		f.known[i] = map[string]int32{}
	}
	return f
}

// add appends a row that follows the schema.
func (f *frame) add(row predictlog.Row) {
	f.rows++
	for i, v := range row {
		if f.schema.Column(i).Kind == predictlog.Numeric {
			x, ok := v.Number()
			if !ok {
				x = math.NaN()
			}
			f.numbers[i] = append(f.numbers[i], x)
			continue
		}
		f.codes[i] = append(f.codes[i], f.code(i, v))
	}
}

func (f *frame) code(column int, v predictlog.Value) int32 {
	category, ok := v.Category()
	if !ok {
		return -1
	}
	code, ok := f.known[column][category]
	if !ok {
		code = int32(len(f.levels[column]))
		f.known[column][category] = code
		f.levels[column] = append(f.levels[column], category)
	}
	return code
}

// columns returns what was added. It shares memory with f.
func (f *frame) columns() []drift.Column {
	columns := make([]drift.Column, f.schema.Len())
	for i := range columns {
		c := f.schema.Column(i)
		if c.Kind == predictlog.Numeric {
			columns[i] = drift.Numeric(c.Name, f.numbers[i])
		} else {
			columns[i] = drift.CategoricalCodes(c.Name, f.codes[i], f.levels[i])
		}
	}
	return columns
}

// reference freezes what was added.
func (f *frame) reference() (*drift.Reference, error) {
	return drift.NewReference(f.columns(), drift.ReferenceConfig{})
}
