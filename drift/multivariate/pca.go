package multivariate

import (
	"fmt"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/selfheal-ml/selfheal/drift"
)

// ReconstructionResult is the outcome of [PCAReconstruction].
type ReconstructionResult struct {
	// Result compares the errors of reference and current rows. Statistic and EffectSize are D.
	Result drift.Result `json:"result"`
	// Components is the number of principal components kept, out of Features.
	Components int `json:"components"`
	Features   int `json:"features"`
	// ReferenceError and CurrentError are the mean errors of the rows.
	ReferenceError float64 `json:"reference_error"`
	CurrentError   float64 `json:"current_error"`
	// Columns are ranked by the growth of their part of the error since the reference.
	Columns []Contribution `json:"columns"`
}

// PCAReconstruction tests whether the dependence between the columns changed. Principal
// components that keep cfg.Variance of the variance of the reference reconstruct each row. The
// error of a row is its Euclidean distance from the reconstruction. A change of the dependence
// changes the errors even if no single column changes.
//
// The components are fitted on a random half of the reference. PValue is as in
// [drift.KolmogorovSmirnov], between the errors of the other half and the errors of the
// current rows. If nothing changed, both have the same distribution. Features are the normal
// scores of numbers, the 20 most frequent levels of categories, and whether a value is
// missing, all standardised on the fitted half.
//
// All mistakes in cfg, and in the columns as in [drift.CheckColumns], are joined. Fewer than
// 40 rows on a side, or fewer than two features that vary, are an [*drift.InputError].
func PCAReconstruction(reference, current []drift.Column, cfg Config) (ReconstructionResult, error) {
	f, cfg, err := newFrame(reference, current, cfg)
	if err != nil {
		return ReconstructionResult{}, err
	}
	half := len(f.rows[0]) / 2
	features := f.encode([2]int{half, 0})
	if len(features) < 2 {
		return ReconstructionResult{}, &drift.InputError{Sample: "reference", Index: -1,
			What: "has fewer than two features that vary, want at least two"}
	}
	components := principal(matrix(features, 0, 0, half), cfg.Variance)
	_, kept := components.Dims()
	before := newResidual(matrix(features, 0, half, len(f.rows[0])), components)
	after := newResidual(matrix(features, 1, 0, len(f.rows[1])), components)

	parts := make([]float64, len(f.columns[0]))
	for j, feature := range features {
		parts[feature.columns[0]] += after.byFeature[j] - before.byFeature[j]
	}
	result, err := drift.KolmogorovSmirnov(before.errors, after.errors)
	if err != nil {
		return ReconstructionResult{}, fmt.Errorf("multivariate: errors of the rows: %w", err)
	}
	return ReconstructionResult{
		Result:         result,
		Components:     kept,
		Features:       len(features),
		ReferenceError: before.mean,
		CurrentError:   after.mean,
		Columns:        f.contributions(parts),
	}, nil
}

// principal returns the first principal components as columns: enough for share, but not all.
func principal(x *mat.Dense, share float64) *mat.Dense {
	rows, features := x.Dims()
	covariance := mat.NewSymDense(features, nil)
	covariance.SymOuterK(1/float64(rows), x.T())
	var eigen mat.EigenSym
	eigen.Factorize(covariance, true) // fails on numbers only that are not finite
	values := eigen.Values(nil)       // ascending
	total := 0.0
	for _, v := range values {
		total += max(v, 0)
	}
	kept, sum := 0, 0.0
	for kept < features-1 && (kept == 0 || sum < share*total) {
		kept++
		sum += max(values[features-kept], 0)
	}
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	return mat.DenseCopyOf(vectors.Slice(0, features, features-kept, features))
}

// residual describes the errors of the reconstruction of some rows.
type residual struct {
	errors    []float64 // of the rows
	byFeature []float64 // mean squares
	mean      float64
}

func newResidual(x, components *mat.Dense) residual {
	var reduced, restored mat.Dense
	reduced.Mul(x, components)
	restored.Mul(&reduced, components.T())
	restored.Sub(x, &restored)
	rows, features := x.Dims()
	r := residual{errors: make([]float64, rows), byFeature: make([]float64, features)}
	for i := range r.errors {
		r.errors[i] = mat.Norm(restored.RowView(i), 2)
	}
	for j := range r.byFeature {
		column := restored.ColView(j)
		r.byFeature[j] = mat.Dot(column, column) / float64(rows)
	}
	r.mean = stat.Mean(r.errors, nil)
	return r
}
