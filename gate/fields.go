package gate

import (
	"errors"
	"fmt"
	"math"

	"github.com/selfheal-ml/selfheal/gate/internal/want"
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/gate/paired"
)

// The defaults of the statistical criteria.
const (
	defaultAlpha = 0.05
	defaultDraws = 2000
)

// minAlpha is the smallest accepted error rate. Below it no approximation holds.
const minAlpha = 1e-5

type fields []error

func (f *fields) want(ok bool, field string, value any, wanted string) {
	*f = append(*f, want.That(ok, field, value, wanted))
}

func (f *fields) metric(m metrics.Metric) {
	if m.Validate() != nil {
		*f = append(*f, fmt.Errorf("%s is %q, want one of package metrics, such as %q, or one that a host defines", "Metric", m, metrics.F1))
	}
}

func (f fields) err() error { return errors.Join(f...) }

// finiteFrom reports whether lo <= v and v is finite. It is false for NaN.
func finiteFrom(v, lo float64) bool { return v >= lo && v <= math.MaxFloat64 }

// inference records violations of Alpha and Draws. Zero means the default.
func (f *fields) inference(alpha float64, draws int) {
	f.want(alpha == 0 || alpha >= minAlpha && alpha < 0.5, "Alpha", alpha, fmt.Sprintf("0 or %v to 0.5", minAlpha))
	f.want(draws == 0 || draws >= paired.MinDraws && draws <= paired.MaxDraws, "Draws", draws, fmt.Sprintf("0 or %d to %d", paired.MinDraws, paired.MaxDraws))
}
