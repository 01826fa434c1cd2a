package gate

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
)

//go:embed decision.html
var decisionHTML string

var decisionTemplate = template.Must(template.New("decision").Parse(decisionHTML))

// WriteHTML writes the decision as one self-contained page: no script, font or picture is
// loaded from elsewhere, and it reads in light and dark, on paper and on a phone. Equal
// decisions give equal bytes. The error is that of w.
func (d Decision) WriteHTML(w io.Writer) error {
	if err := decisionTemplate.Execute(w, newPage(d)); err != nil {
		return fmt.Errorf("gate: write HTML: %w", err)
	}
	return nil
}
