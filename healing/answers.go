package healing

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/proxy"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// AnswersDocument is the name of the document with the answers of a version to rows that it
// was not trained on: the JSON of a [drift.Reference]. [AnswersOf] makes the document.
const AnswersDocument = "answers.json"

// The columns of a reference of answers. This reference is apart from the reference of the
// inputs, so the names cannot clash with columns of the schema.
const (
	// AnswerClass is the predicted class of a classifier, as a category.
	AnswerClass = "class"
	// AnswerScore is the probability of the positive class of a binary classifier, missing if
	// the classifier gives none, or the number that a regression predicted.
	AnswerScore = "score"
)

// AnswersOf freezes the answers of a version as the document with which the monitor compares
// live answers. The answers are to rows that the version was not trained on, such as the rows
// on which it was judged: a model is more certain of rows that it knows, so its answers to
// these would look drifted from the first day. Without the document, answers are described,
// see Pass.Proxy, but not compared.
//
// No outputs, an output that is not an answer, and an output that does not fit the target of
// the schema, are errors.
func AnswersOf(schema *predictlog.Schema, outputs []predictlog.Output) ([]byte, error) {
	if schema == nil {
		return nil, errors.New("healing: answers: nil schema")
	}
	target := schema.Target()
	collected := newAnswerColumns(target)
	for i, o := range outputs {
		if err := fits(o, target); err != nil {
			return nil, fmt.Errorf("healing: answers: output %d: %w", i, err)
		}
		collected.add(o)
	}
	reference, err := drift.NewReference(collected.columns(), drift.ReferenceConfig{})
	if err != nil {
		return nil, fmt.Errorf("healing: answers: %w", err)
	}
	return json.Marshal(reference)
}

// fits returns an error if the output does not answer the target.
func fits(o predictlog.Output, target predictlog.Target) error {
	if target.Task == predictlog.Regression {
		if o.Class != "" || o.Probabilities != nil {
			return errors.New("has a class, want the value of a regression")
		}
		return nil
	}
	if !slices.Contains(target.Classes, o.Class) {
		return fmt.Errorf("class is %q, want one of %q", o.Class, target.Classes)
	}
	if n := len(o.Probabilities); n != 0 && n != len(target.Classes) {
		return fmt.Errorf("has %d probabilities, want %d", n, len(target.Classes))
	}
	return nil
}

// answerColumns are outputs by column, as a [predictlog.Batch] has them.
type answerColumns struct {
	target predictlog.Target
	codes  map[string]int32
	class  []int32   // nil for a regression
	score  []float64 // nil for a multiclass target
}

func newAnswerColumns(target predictlog.Target) *answerColumns {
	a := &answerColumns{target: target, codes: make(map[string]int32, len(target.Classes))}
	for i, class := range target.Classes {
		a.codes[class] = int32(i)
	}
	return a
}

// add adds an output. The values of an output that is no answer, or does not fit, are
// missing.
func (a *answerColumns) add(o predictlog.Output) {
	switch a.target.Task {
	case predictlog.Regression:
		a.score = append(a.score, o.Value)
		return
	case predictlog.Binary:
		score := math.NaN()
		if len(o.Probabilities) == 2 {
			score = o.Probabilities[1]
		}
		a.score = append(a.score, score)
	}
	code, ok := a.codes[o.Class]
	if !ok {
		code = -1
	}
	a.class = append(a.class, code)
}

// columns returns the columns of the outputs. They share memory with a.
func (a *answerColumns) columns() []drift.Column {
	return columnsOfAnswers(a.target, a.class, a.score)
}

// columnsOfAnswers returns the columns that the target has.
func columnsOfAnswers(target predictlog.Target, class []int32, score []float64) []drift.Column {
	var columns []drift.Column
	if target.Task != predictlog.Multiclass {
		columns = append(columns, drift.Numeric(AnswerScore, score))
	}
	if target.Task != predictlog.Regression {
		columns = append(columns, drift.CategoricalCodes(AnswerClass, class, target.Classes))
	}
	return columns
}

// metrics is the layout in which proxy metrics are counted.
type metrics struct {
	reference *drift.Reference
	columns   proxy.Columns
	// unscored says that scores are counted as missing, because their range is not known.
	unscored bool
}

// uniform is the number of steps of a probability in the metrics of a classifier.
const uniform = 200

// newMetrics returns the layout for a target. The layout of a classifier is the same for all
// versions: every class, and steps of equal width between 0 and 1. So it knows a class that
// the version never answered on the rows of its reference. The layout of a regression is that
// of its reference. Without a reference the range of the scores is not known in advance, and
// the scores are left out.
func newMetrics(target predictlog.Target, answers *drift.Reference) (metrics, error) {
	if target.Task == predictlog.Regression && answers != nil {
		lo, hi, err := scoreRange(answers)
		if err != nil {
			return metrics{}, err
		}
		if width := hi - lo; width > 0 && !math.IsInf(width, 0) {
			return metrics{reference: answers, columns: proxy.Columns{Score: AnswerScore, Lo: lo, Hi: hi}}, nil
		}
	}
	m := metrics{unscored: target.Task == predictlog.Regression}
	n := max(uniform+1, len(target.Classes))
	score, class := make([]float64, n), make([]int32, n)
	for i := range n {
		score[i] = float64(min(i, uniform)) / uniform
		if len(target.Classes) > 0 {
			class[i] = int32(i % len(target.Classes))
		}
	}
	var err error
	m.reference, err = drift.NewReference(columnsOfAnswers(target, class, score), drift.ReferenceConfig{})
	if target.Task != predictlog.Multiclass {
		m.columns.Score = AnswerScore
	}
	if target.Task != predictlog.Regression {
		m.columns.Class, m.columns.Positive = AnswerClass, target.Positive()
	}
	return m, err
}

// scoreRange returns the least and the largest finite score of a reference, both 0 if there
// is none.
func scoreRange(answers *drift.Reference) (lo, hi float64, err error) {
	detector, err := drift.NewDetector(answers, drift.Config{})
	if err != nil {
		return 0, 0, err
	}
	report, err := detector.Detect(answers.NewProfile())
	if err != nil {
		return 0, 0, err
	}
	for _, c := range report.Columns {
		if c.Name == AnswerScore && c.Reference.Numbers != nil {
			return c.Reference.Numbers.Min, c.Reference.Numbers.Max, nil
		}
	}
	return 0, 0, nil
}
