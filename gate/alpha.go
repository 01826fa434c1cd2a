package gate

import "cmp"

// minAlpha is the smallest error rate that may be asked for. Below it no approximation
// holds.
const minAlpha = 1e-5

// AlphaCapper is a [Criterion] that may let a shadow pass by luck, and can be told how
// often at most. [Superior] and [NonInferior] are; a host's own may be.
type AlphaCapper interface {
	Criterion
	// CapAlpha returns the criterion with its error rate lowered to alpha, unless it is
	// lower already.
	CapAlpha(alpha float64) Criterion
}

// CapAlpha returns c with the lower of both alphas.
func (c Superior) CapAlpha(alpha float64) Criterion {
	c.Alpha = min(alpha, cmp.Or(c.Alpha, defaultAlpha))
	return c
}

// CapAlpha returns c with the lower of both alphas.
func (c NonInferior) CapAlpha(alpha float64) Criterion {
	c.Alpha = min(alpha, cmp.Or(c.Alpha, defaultAlpha))
	return c
}

// withMaxAlpha returns the criteria with their alphas capped, and whether any has one. 0
// is no cap.
func withMaxAlpha(criteria []Criterion, most float64) (capped []Criterion, any bool) {
	if most == 0 {
		return criteria, true
	}
	for _, c := range criteria {
		if a, ok := c.(AlphaCapper); ok && !isNil(c) {
			c, any = a.CapAlpha(most), true
		}
		capped = append(capped, c)
	}
	return capped, any
}
