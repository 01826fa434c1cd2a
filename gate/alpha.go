package gate

import (
	"errors"
	"fmt"
)

// AlphaCapper is a [Criterion] that may let a shadow pass by luck, and can be told how
// often at most. [Superior] and [NonInferior] are AlphaCappers; a host's criterion may be.
//
// A host's type that embeds Superior or NonInferior inherits its CapAlpha, which returns
// the embedded criterion without what the host added. So a policy refuses a CapAlpha that
// returns another type than its receiver: the host's type needs a CapAlpha of its own.
type AlphaCapper interface {
	Criterion
	// CapAlpha returns the criterion with its error rate lowered to alpha, unless it is
	// lower already. It is of the same type.
	CapAlpha(alpha float64) Criterion
	// Proof returns what the criterion demands. If it is [ProveBetter], a shadow that is
	// in truth no better passes with a probability of at most about alpha.
	Proof() Proof
}

// withMaxAlpha returns the criteria with their alphas capped. The error says why that does
// not bound the probability of a false promotion.
func withMaxAlpha(criteria []Criterion, most float64) ([]Criterion, error) {
	capped := make([]Criterion, len(criteria))
	proves := false
	for i, c := range criteria {
		capped[i] = c
		a, ok := c.(AlphaCapper)
		if !ok || isNil(c) {
			continue
		}
		capped[i] = a.CapAlpha(most)
		if isNil(capped[i]) || valueType(capped[i]) != valueType(c) {
			return nil, fmt.Errorf("criterion %d: CapAlpha of a %T returns a %T: give the type a CapAlpha of its own", i+1, c, capped[i])
		}
		proves = proves || a.Proof() == ProveBetter
	}
	if !proves {
		return nil, errors.New("MaxAlpha is set, but no criterion that proves the shadow better has an error rate that it could lower")
	}
	return capped, nil
}
