package predictlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// answerBody holds the members of an answer in its default form, see [Recorder.Middleware]. A
// member that is missing or null is nil.
type answerBody struct{ prediction, probability, probabilities, model, version []byte }

// member returns the field for the member of this name, nil if there is no such field.
func (a *answerBody) member(name []byte) *[]byte {
	switch string(name) {
	case "prediction":
		return &a.prediction
	case "probability":
		return &a.probability
	case "probabilities":
		return &a.probabilities
	case "model":
		return &a.model
	case "version":
		return &a.version
	}
	return nil
}

// parseAnswer reads output, model and version from the body of an answer. The error names
// every member that cannot be used.
func (s *Schema) parseAnswer(body []byte) (Annotation, error) {
	var answer answerBody
	err := eachMember(body, func(name, value []byte) {
		if member := answer.member(name); member != nil && value[0] != 'n' {
			*member = value
		}
	})
	if err != nil {
		return Annotation{}, fmt.Errorf("predictlog: answer: %w", err)
	}
	var (
		said Annotation
		errs [4]error
	)
	said.Model, errs[0] = parseName("model", answer.model)
	said.Version, errs[1] = parseName("version", answer.version)
	var output Output
	if s.target.Task == Regression {
		output.Value, errs[2] = parseMember("prediction", answer.prediction, parseNumber)
	} else {
		output.Class, errs[2] = parseMember("prediction", answer.prediction, s.parseClass)
		output.Probabilities, errs[3] = s.parseScores(answer)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return said, fmt.Errorf("predictlog: answer: %w", err)
	}
	said.Output = &output
	return said, nil
}

// parseMember reads a required member.
func parseMember[T any](name string, raw []byte, parse func([]byte) (T, error)) (T, error) {
	if raw == nil {
		var none T
		return none, fmt.Errorf("%q is missing", name)
	}
	value, err := parse(raw)
	if err != nil {
		return value, fmt.Errorf("%q %w", name, err)
	}
	return value, nil
}

// parseName reads a model or a version, which some services give as a number.
func parseName(name string, raw []byte) (string, error) {
	if raw == nil {
		return "", nil
	}
	if isNumber(raw) {
		return string(raw), nil
	}
	return parseMember(name, raw, parseString)
}

// parseClass reads a class that is given as a string, a number or a boolean. A number stands
// for the class that is written alike, else for the class that is its shortest decimal: 1.0
// is the class "1" unless there is a class "1.0".
func (s *Schema) parseClass(raw []byte) (string, error) {
	switch c := raw[0]; {
	case c == '"':
		return parseString(raw)
	case c == 't' || c == 'f' || slices.Contains(s.target.Classes, string(raw)):
		return string(raw), nil
	}
	x, err := parseNumber(raw)
	if err != nil {
		return "", fmt.Errorf("is %s, want a class as a string, a number or a boolean", excerpt(raw))
	}
	return strconv.FormatFloat(x, 'f', -1, 64), nil
}

// parseScores reads the probabilities of the classes, nil if there are none.
func (s *Schema) parseScores(answer answerBody) ([]float64, error) {
	if answer.probabilities != nil {
		return parseMember("probabilities", answer.probabilities, s.parseProbabilities)
	}
	if s.target.Task != Binary || answer.probability == nil {
		return nil, nil
	}
	p, err := parseMember("probability", answer.probability, parseNumber)
	return []float64{1 - p, p}, err
}

// parseProbabilities reads an object by class, or an array in the order of the classes.
func (s *Schema) parseProbabilities(raw []byte) ([]float64, error) {
	list := make([]json.RawMessage, len(s.target.Classes))
	switch raw[0] {
	case '[':
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, err
		}
	case '{':
		var unknown error
		err := eachMember(raw, func(class, value []byte) {
			i := slices.Index(s.target.Classes, string(class))
			if i < 0 {
				unknown = fmt.Errorf("holds class %q, want one of %q", class, s.target.Classes)
				return
			}
			list[i] = value
		})
		if err := errors.Join(err, unknown); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("is %s, want an object by class or an array", excerpt(raw))
	}
	if len(list) != len(s.target.Classes) {
		return nil, fmt.Errorf("has %d numbers, want one for each of %q", len(list), s.target.Classes)
	}
	probabilities := make([]float64, len(list))
	for i, raw := range list {
		p, err := parseMember(s.target.Classes[i], raw, parseNumber)
		if err != nil {
			return nil, fmt.Errorf("of class %w", err)
		}
		probabilities[i] = p
	}
	return probabilities, nil
}
