package multivariate

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/internal/samples"
)

// DomainResult is the outcome of [DomainClassifier].
type DomainResult struct {
	// Result has the area under the ROC curve as Statistic, on rows that the classifier had
	// not seen: the probability that a current row scores higher than a reference row.
	// Statistic is about 0.5 if nothing changed. EffectSize is 2 AUC - 1, at least 0.
	Result drift.Result `json:"result"`
	// Columns are ranked by their part in the difference of the scores of the two sides.
	Columns []Contribution `json:"columns"`
}

// Blocks of the domain classifier. The blocks before the first test are for training only.
const (
	domainBlocks    = 10
	domainFirstTest = 4
	domainRidge     = 1e-2 // of the rows trained on
)

// DomainClassifier tests whether a classifier can tell current rows from reference rows. The
// test sees a change of any column. With few columns, the test also sees a change of the
// dependence between two columns.
//
// The classifier is a linear discriminant with a ridge. Its features are the normal scores of
// numbers, whether a value is missing, and the 20 most frequent levels of each category.
// Squares and products are added if there are at most 120 features in all. The rows are
// divided into ten blocks in random order. From the fifth block on, the classifier scores each
// block before it learns from that block.
//
// PValue is one-sided, from the sum of the Mann-Whitney statistics of the scored blocks. If
// nothing changed, each statistic has mean 0 and variance 1 given the blocks before, so the
// sum is close to normal whatever the classifier (a martingale; Dawid, "The prequential
// approach", 1984). PValue can be very small. NReference and NCurrent count the scored rows.
//
// All mistakes in cfg, and in the columns as in [drift.CheckColumns], are joined. Fewer than
// 40 rows on a side are an [*drift.InputError]. Columns that do not vary are left out.
func DomainClassifier(reference, current []drift.Column, cfg Config) (DomainResult, error) {
	f, _, err := newFrame(reference, current, cfg)
	if err != nil {
		return DomainResult{}, err
	}
	all := [2]int{len(f.rows[0]), len(f.rows[1])}
	features := withProducts(f.encode(all), all)
	parts := make([]float64, len(f.columns[0]))
	result := DomainResult{Result: drift.Result{Statistic: 0.5, PValue: 1}}
	if len(features) == 0 {
		result.Result.NReference, result.Result.NCurrent = all[0], all[1]
		result.Columns = f.contributions(parts)
		return result, nil
	}
	d := newDiscriminant(len(features))
	var z, wins, pairs float64
	for block := range domainBlocks {
		var x [2]*mat.Dense
		for side, n := range all {
			x[side] = matrix(features, side, n*block/domainBlocks, n*(block+1)/domainBlocks)
		}
		if block >= domainFirstTest {
			weights := d.weights()
			u := samples.NewRanks(sortedScores(x[0], weights), sortedScores(x[1], weights))
			if variance := u.Variance(); variance > 0 {
				z += (u.Wins - u.N*u.M/2) / math.Sqrt(variance)
			}
			wins += u.Wins
			pairs += u.N * u.M
			result.Result.NReference += int(u.N)
			result.Result.NCurrent += int(u.M)
			addContributions(parts, features, x, weights)
		}
		d.learn(x)
	}
	result.Result.Statistic = wins / pairs
	result.Result.PValue = distuv.UnitNormal.Survival(z / math.Sqrt(domainBlocks-domainFirstTest))
	result.Result.EffectSize = max(2*result.Result.Statistic-1, 0)
	result.Columns = f.contributions(parts)
	return result, nil
}

// addContributions adds, for each column, its part in the difference of the mean scores of the
// two sides. A product of two columns counts half for each.
func addContributions(parts []float64, features []feature, x [2]*mat.Dense, weights *mat.VecDense) {
	mean := func(m *mat.Dense, j int) float64 {
		rows, _ := m.Dims()
		return mat.Sum(m.ColView(j)) / float64(rows)
	}
	for j, feature := range features {
		part := weights.AtVec(j) * (mean(x[1], j) - mean(x[0], j)) / 2
		parts[feature.columns[0]] += part
		parts[feature.columns[1]] += part
	}
}

// discriminant is the ridge regression of the side on the features. Both sides have equal
// weight.
type discriminant struct {
	gram *mat.SymDense
	sums [2]*mat.VecDense
	rows [2]float64
}

func newDiscriminant(features int) *discriminant {
	return &discriminant{
		gram: mat.NewSymDense(features, nil),
		sums: [2]*mat.VecDense{mat.NewVecDense(features, nil), mat.NewVecDense(features, nil)},
	}
}

func (d *discriminant) learn(x [2]*mat.Dense) {
	for side := range x {
		rows, features := x[side].Dims()
		d.gram.SymRankK(d.gram, 1, x[side].T())
		d.rows[side] += float64(rows)
		for j := range features {
			d.sums[side].SetVec(j, d.sums[side].AtVec(j)+mat.Sum(x[side].ColView(j)))
		}
	}
}

// weights returns the direction that tells the sides apart best.
func (d *discriminant) weights() *mat.VecDense {
	n := d.gram.SymmetricDim()
	total := d.rows[0] + d.rows[1]
	var mean, difference, weights mat.VecDense
	mean.AddVec(d.sums[0], d.sums[1])
	mean.ScaleVec(1/total, &mean)
	difference.ScaleVec(1/d.rows[1], d.sums[1])
	difference.AddScaledVec(&difference, -1/d.rows[0], d.sums[0])
	covariance := mat.NewSymDense(n, nil)
	covariance.ScaleSym(1/total, d.gram)
	covariance.SymRankOne(covariance, -1, &mean)
	for j := range n {
		covariance.SetSym(j, j, covariance.At(j, j)+domainRidge)
	}
	var factor mat.Cholesky
	if !factor.Factorize(covariance) || factor.SolveVecTo(&weights, &difference) != nil {
		return &difference // not so sharp, but as valid
	}
	return &weights
}

func sortedScores(x *mat.Dense, weights *mat.VecDense) []float64 {
	var s mat.VecDense
	s.MulVec(x, weights)
	return slices.Sorted(slices.Values(s.RawVector().Data))
}
