// Package audit shows whether stored decisions were changed, left out, put in or moved.
//
// [Chain.Append] links each decision to the decision before it. [Chain.Verify] checks the
// links. Whoever keeps the [Chain] apart from the decisions can prove that the decisions
// are those that were made.
package audit

import (
	"errors"
	"fmt"

	"github.com/selfheal-ml/selfheal/gate"
)

// ErrChain means that decisions are not the chain that was made. Use [errors.As] with a
// [*ChainError] to learn where.
var ErrChain = errors.New("audit: broken chain of decisions")

// ChainError says where a chain of decisions is broken.
type ChainError struct {
	Index int // of the decision, from 0
	What  string
}

func (e *ChainError) Error() string {
	return fmt.Sprintf("audit: broken chain of decisions: decision %d: %s", e.Index, e.What)
}

// Unwrap returns [ErrChain].
func (e *ChainError) Unwrap() error { return ErrChain }

// Chain is how far a chain of decisions goes. Each decision holds the hash of the one
// before, so Head vouches for all of them: whoever keeps it in another place than the
// decisions can tell whether any was changed, left out, put in or moved. The zero Chain
// is that of no decisions.
type Chain struct {
	N    int    `json:"n"`    // the number of decisions
	Head string `json:"head"` // the hash of the last
}

// Append returns the decision with its Prev set, and makes it the head of the chain. A
// decision that cannot be hashed is an error and changes nothing.
func (c *Chain) Append(d gate.Decision) (gate.Decision, error) {
	d.Prev = c.Head
	hash, err := d.Hash()
	if err != nil {
		return gate.Decision{}, err
	}
	*c = Chain{N: c.N + 1, Head: hash}
	return d, nil
}

// Verify checks that the decisions, in this order, follow the chain c, and returns the
// chain to their end. From the zero Chain on, it checks all there are.
//
// A decision that was changed, left out, put in or moved is a [*ChainError], which names
// the first that does not follow the one before. Only at the end the links show nothing:
// compare the chain returned with the one that was kept.
func (c Chain) Verify(decisions ...gate.Decision) (Chain, error) {
	for i, d := range decisions {
		if d.Prev != c.Head {
			return Chain{}, &ChainError{i, fmt.Sprintf("it follows %q, want %q: one of the two was changed, or others were between", d.Prev, c.Head)}
		}
		if _, err := c.Append(d); err != nil {
			return Chain{}, &ChainError{i, err.Error()}
		}
	}
	return c, nil
}
