// Package audit shows whether stored decisions were changed, left out, put in or moved.
//
// [Chain.Append] links each decision to the decision before. [Chain.Verify] checks the links.
// A [Chain] kept apart from the decisions proves that they are the decisions that were made.
package audit

import (
	"errors"
	"fmt"

	"github.com/selfheal-ml/selfheal/gate"
)

// ErrChain means that decisions do not follow the chain. Use [errors.As] with a [*ChainError]
// to learn which decision breaks the chain.
var ErrChain = errors.New("audit: broken chain of decisions")

// ChainError says where a chain of decisions is broken.
type ChainError struct {
	Index int    // the index of the decision, from 0
	What  string // what is wrong with the decision
}

func (e *ChainError) Error() string {
	return fmt.Sprintf("audit: broken chain of decisions: decision %d: %s", e.Index, e.What)
}

// Unwrap returns [ErrChain].
func (e *ChainError) Unwrap() error { return ErrChain }

// Chain is the end of a chain of decisions. Each decision holds the hash of the decision
// before, so Head vouches for all decisions. Keep the Chain apart from the decisions. The zero
// Chain is the end of no decisions. A Chain is not safe for concurrent use.
type Chain struct {
	N    int    `json:"n"`    // the number of decisions
	Head string `json:"head"` // the hash of the last decision
}

// Append returns the decision with its Prev set, and makes it the head of the chain. A
// decision that cannot be hashed is an error, and leaves the chain unchanged.
func (c *Chain) Append(d gate.Decision) (gate.Decision, error) {
	d.Prev = c.Head
	hash, err := d.Hash()
	if err != nil {
		return gate.Decision{}, err
	}
	*c = Chain{N: c.N + 1, Head: hash}
	return d, nil
}

// Verify checks that the decisions, in this order, follow the chain c, and returns the chain
// up to the last of them. The zero Chain checks from the first decision on.
//
// The error is a [*ChainError] if a decision was changed, left out, put in or moved. It names
// the first decision that does not follow the one before. The links do not show a change of
// the last decision: compare the returned Chain with the Chain that was kept.
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
